"""Stored events: listed whole, although each of their products is a row of its own."""

from collections.abc import Iterable
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from rest_framework.exceptions import NotFound, ValidationError

from recommender.api.http.listing import QueryRows
from recommender.ingest import is_text
from recommender.models import Event, Shop

EVENT_NAMES = (
    "event_id",
    "type",
    "user_id",
    "session_id",
    "occurred_at",
    "items",
    "recommendation_id",
    "placement",
    "query",
    "simulated",
    "from_page",
    "received_at",
)
"""Fields of an event in replies, in their order."""
SECONDS_OF_A_PAGE = 2.0
"""Time limit of a page's query: it holds a serving thread."""
LINE_NAMES = ("variant_id", "position", "quantity", "value", "rating")
COLUMNS_OF_LINES = ("product__item_id", *LINE_NAMES)


def first_lines(shop: Shop) -> QuerySet[Event]:
    """One row for each event: its first line that is left.

    Where a product was deleted, the event's lines with it are gone.
    """
    earlier = Event.objects.filter(
        shop=OuterRef("shop"), event_id=OuterRef("event_id"), line__lt=OuterRef("line")
    )
    return shop.events.filter(Q(line=0) | ~Exists(earlier))


def events_rows(shop: Shop, params: dict[str, Any]) -> QueryRows:
    """The events of a query of the collection, by time."""
    if "item_id" in params:
        rows = _of_product(shop, params["item_id"])
    else:
        rows = first_lines(shop)
    if "user_id" in params:
        shopper = shop.shoppers.filter(user_id=params["user_id"]).first()
        rows = rows.filter(shopper=shopper) if shopper else rows.none()
    for name in ("session_id", "type", "recommendation_id"):
        if name in params:
            rows = rows.filter(**{name: params[name]})
    if "since" in params:
        rows = rows.filter(occurred_at__gte=params["since"])
    if "until" in params:
        rows = rows.filter(occurred_at__lt=params["until"])
    newest = params["order"] == "newest"
    order = ("-occurred_at", "-id") if newest else ("occurred_at", "id")
    return TimedRows(_with_user_id(rows), order, counted=False)


class TimedRows(QueryRows):
    """Rows of a query that may have to look through all events of the shop: within a time limit."""

    def after(self, last: list[Any] | None, most: int) -> list[Any]:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "SET LOCAL statement_timeout = %s", [f"{round(1000 * SECONDS_OF_A_PAGE)}ms"]
                )
                return super().after(last, most)
        except OperationalError as error:
            if "statement timeout" not in str(error):
                raise
            message = "is needed: too many events would be looked through; or give user_id"
            raise ValidationError({"since": [message]}) from None


def _with_user_id(rows: QuerySet[Event]) -> QuerySet[Event]:
    return rows.annotate(user_id=F("shopper__user_id"))


def _of_product(shop: Shop, item_id: str) -> QuerySet[Event]:
    """One row for each event with this product: its first line with it."""
    product = shop.products.filter(item_id=item_id).first()
    if product is None:
        return shop.events.none()
    earlier = Event.objects.filter(
        shop=OuterRef("shop"),
        event_id=OuterRef("event_id"),
        product=product,
        line__lt=OuterRef("line"),
    )
    return shop.events.filter(Q(line=0) | ~Exists(earlier), product=product)


def events_json(first: Iterable[Event]) -> list[dict[str, Any]]:
    """Events as the REST API returns them; first: one row of each, with its `user_id`."""
    first = list(first)
    if not first:
        return []
    events = [row.event_id for row in first]
    lines = Event.objects.filter(shop=first[0].shop_id, event_id__in=events).order_by("line")
    by_id: dict[str, list[dict[str, Any]]] = {}
    for event_id, item_id, *values in lines.values_list("event_id", *COLUMNS_OF_LINES):
        if item_id is not None:
            line = {"item_id": item_id, **dict(zip(LINE_NAMES, values, strict=True))}
            by_id.setdefault(event_id, []).append(line)
    return [
        {
            name: by_id.get(row.event_id, []) if name == "items" else getattr(row, name)
            for name in EVENT_NAMES
        }
        for row in first
    ]


def find_event(shop: Shop, event_id: str) -> Event:
    """The first line of an event. Raises NotFound."""
    rows = _with_user_id(shop.events.filter(event_id=event_id)).order_by("line")
    row = rows.first() if is_text(event_id) else None
    if row is None:
        raise NotFound(f"event_id: {event_id[:256]!r} does not exist in this shop.")
    return row
