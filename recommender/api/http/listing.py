"""Collections: one shape for every list of the API, by cursor, with filters and chosen fields.

{"items": [...], "next_cursor": "…" or null, "total": 12 or null}
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from recommender.api.http.cursors import InvalidCursor, after, make_cursor, read_cursor, sort_key
from recommender.api.http.strict_fields import StrictSerializer

LARGEST_PAGE, USUAL_PAGE = 1000, 100
PAGING = ("limit", "cursor", "fields")
"""Parameters that may differ between the pages of one list."""


class FieldsQuery(StrictSerializer):
    """The query string of a call whose reply may be limited to some fields."""

    fields = serializers.CharField(
        required=False,
        max_length=4000,
        help_text="only these fields, with commas between; part of an object by a dot, such as "
        "item_id,title,attributes.colour. Default: all",
    )


class PageQuery(FieldsQuery):
    """The query string of a collection; subclasses add filters."""

    limit = serializers.IntegerField(
        min_value=1,
        max_value=LARGEST_PAGE,
        default=USUAL_PAGE,
        help_text=f"rows of a page, 1 to {LARGEST_PAGE:,}",
    )
    cursor = serializers.CharField(
        required=False,
        max_length=4000,
        help_text="next_cursor of the page before, with the same filters; valid for a day",
    )


class PageReply(serializers.Serializer):
    """Base of the replies with a page of a collection."""

    next_cursor = serializers.CharField(
        allow_null=True, help_text="cursor of the next page; null: this is the last one"
    )
    total = serializers.IntegerField(
        allow_null=True,
        help_text="rows of all pages as of the first one; null where counting is not cheap",
    )


@cache
def page_of(row: type[serializers.Serializer], name: str) -> type[PageReply]:
    """The serializer class of a page of these rows, for the schema; name: of the component."""
    return type(name, (PageReply,), {"items": row(many=True)})


class Rows(Protocol):
    """The rows of a collection after its filters, in a fixed order."""

    def after(self, last: list[Any] | None, most: int) -> list[Any]:
        """The first `most` rows behind a sort key; None: from the start."""

    def sort_key(self, row: Any) -> list[Any]:
        """The sort key of a row, unique in the collection, as a cursor holds it."""

    def count(self) -> int | None:
        """Number of all rows; None where counting is not cheap."""


@dataclass(frozen=True)
class QueryRows:
    """Rows of a query. order: one or two fields, unique together, with an index."""

    rows: QuerySet
    order: tuple[str, ...]
    counted: bool = True

    def after(self, last: list[Any] | None, most: int) -> list[Any]:
        rows = self.rows.order_by(*self.order)
        return list((rows if last is None else rows.filter(after(self.order, last)))[:most])

    def sort_key(self, row: Any) -> list[Any]:
        return sort_key(self.order, row)

    def count(self) -> int | None:
        return self.rows.count() if self.counted else None


@dataclass(frozen=True)
class ListRows:
    """Rows of a collection that is in memory, such as recipes.

    key: the field that they are sorted by; None: by position, where they never change
    """

    rows: list[dict[str, Any]]
    key: str | None = None

    def after(self, last: list[Any] | None, most: int) -> list[Any]:
        if last is None:
            return self.rows[:most]
        return [row for row in self.rows if self.sort_key(row) > last][:most]

    def sort_key(self, row: Any) -> list[Any]:
        return [row[self.key] if self.key else self.rows.index(row)]

    def count(self) -> int | None:
        return len(self.rows)


def page(
    request: Request,
    name: str,
    params: Mapping[str, Any],
    rows: Rows,
    render: Callable[[list[Any]], list[dict[str, Any]]],
    known: Iterable[str],
) -> dict[str, Any]:
    """A page of a collection.

    name: of the collection; cursors of others are refused. params: the validated query. render:
    rows to objects. known: names that `fields` may choose. Raises ValidationError.
    """
    chosen = read_fields(params.get("fields"), known)
    filters = {k: v for k, v in params.items() if k not in PAGING}
    key, limit, last, total = request.auth, params["limit"], None, None
    if "cursor" in params:
        try:
            last, total = read_cursor(key, name, filters, params["cursor"])
        except InvalidCursor as error:
            raise ValidationError({"cursor": [str(error)]}) from None
    else:
        total = rows.count()
    found = rows.after(last, limit + 1)
    more = len(found) > limit
    end = rows.sort_key(found[limit - 1]) if more else None
    return {
        "items": [choose(row, chosen) for row in render(found[:limit])],
        "next_cursor": make_cursor(key, name, filters, end, total) if more else None,
        "total": total,
    }


Chosen = dict[str, "Chosen | None"]
"""Chosen fields as a tree; None: the whole field."""


def read_fields(text: str | None, known: Iterable[str]) -> Chosen | None:
    """The parameter `fields` as a tree; None: all fields. Raises ValidationError."""
    if text is None:
        return None
    known, chosen = list(known), {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, inner = part.partition(".")
        if name not in known:
            message = f"{name[:60]!r} does not exist; there are {', '.join(known)}"
            raise ValidationError({"fields": [message]})
        if not inner:
            chosen[name] = None
        elif chosen.get(name, {}) is not None:
            chosen.setdefault(name, {})[inner] = None
    if not chosen:
        raise ValidationError({"fields": ["names no field"]})
    return chosen


def choose(value: Any, chosen: Chosen | None) -> Any:
    """The object, or each object of a list, with these fields alone."""
    if chosen is None:
        return value
    if isinstance(value, list):
        return [choose(part, chosen) for part in value]
    if not isinstance(value, dict):
        return value
    return {name: choose(value[name], inner) for name, inner in chosen.items() if name in value}
