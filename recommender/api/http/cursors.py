"""Cursors of collections: signed tokens that hold where a page ended.

A cursor is bound to the API key (or its successor), the collection and the filters. It holds the
sort key of the last row (keyset pagination), so that rows which are written between two pages
neither repeat nor drop others, and the last page costs as much as the first.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.core import signing
from django.db.models import Q

from recommender.models import ApiKey

SALT = "vitrine.cursor"
VALID = timedelta(hours=24)


class InvalidCursor(ValueError):
    """A cursor that is damaged, expired, or of another key, list or filter; the message says."""


class _Serializer:
    dumps, loads = staticmethod(orjson.dumps), staticmethod(orjson.loads)


def _digest(filters: dict[str, Any]) -> str:
    text = orjson.dumps(filters, default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def make_cursor(
    key: ApiKey, name: str, filters: dict[str, Any], last: list[Any], total: int | None
) -> str:
    """The cursor after a row.

    last: values of the sort key, as JSON holds them. total: rows of all pages, if counted
    """
    content = [key.pk, name, _digest(filters), last, total]
    return signing.TimestampSigner(salt=SALT).sign_object(content, serializer=_Serializer)


def read_cursor(
    key: ApiKey, name: str, filters: dict[str, Any], cursor: str
) -> tuple[list[Any], int | None]:
    """(sort key of the row that a cursor ends at, rows of all pages). Raises InvalidCursor."""
    signer = signing.TimestampSigner(salt=SALT)
    try:
        content = signer.unsign_object(cursor, serializer=_Serializer, max_age=VALID)
    except signing.SignatureExpired:
        raise InvalidCursor("has expired after a day; start again without it") from None
    except signing.BadSignature:
        raise InvalidCursor("is not a cursor of a reply") from None
    owner, collection, digest, last, total = content
    if owner not in (key.pk, key.replaces_id):
        raise InvalidCursor("was made for another key; start again without it")
    if collection != name:
        raise InvalidCursor("belongs to another list; start again without it")
    if digest != _digest(filters):
        raise InvalidCursor("was made with other filters; repeat those, or start again without it")
    return last, total


def after(order: tuple[str, ...], last: list[Any]) -> Q:
    """Rows behind the last one in this order. order: one or two fields, `-field` descending.

    The condition on the first field alone can use an index.
    """
    first, *others = order
    if any(field.startswith("-") != first.startswith("-") for field in others):
        raise ValueError("fields of an order have one direction")
    name, beyond = first.lstrip("-"), "lt" if first.startswith("-") else "gt"
    values = [_loaded(value) for value in last]
    behind = Q(**{f"{name}__{beyond}": values[0]})
    if not others:
        return behind
    tied = Q(**{f"{others[0].lstrip('-')}__{beyond}": values[1]})
    return Q(**{f"{name}__{beyond}e": values[0]}) & (behind | tied)


def sort_key(order: tuple[str, ...], row: Any) -> list[Any]:
    """Values of a row's sort key, as a cursor holds them."""
    return [_stored(getattr(row, name.lstrip("-"))) for name in order]


def _stored(value: Any) -> Any:
    return {"at": value.isoformat()} if isinstance(value, datetime) else value


def _loaded(value: Any) -> Any:
    return datetime.fromisoformat(value["at"]) if isinstance(value, dict) else value
