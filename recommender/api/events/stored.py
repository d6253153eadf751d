"""Stored events: listed whole, although each of their products is a row of its own."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from rest_framework.exceptions import NotFound

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
    return QueryRows(rows.select_related("shopper"), order, counted=False)


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
    """Events as the REST API returns them; first: one row of each, with its shopper."""
    first = list(first)
    if not first:
        return []
    lines = Event.objects.filter(
        shop=first[0].shop_id, event_id__in=[row.event_id for row in first]
    )
    by_id: dict[str, list[Event]] = {}
    for line in lines.select_related("product").order_by("line"):
        by_id.setdefault(line.event_id, []).append(line)
    return [_event_json(row, by_id.get(row.event_id, [row])) for row in first]


def _event_json(row: Event, lines: list[Event]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in EVENT_NAMES if hasattr(row, name)}
    values["user_id"] = row.shopper.user_id if row.shopper else None
    values["items"] = [
        {
            "item_id": line.product.item_id,
            "position": line.position,
            "quantity": line.quantity,
            "value": line.value,
            "rating": line.rating,
        }
        for line in lines
        if line.product_id is not None
    ]
    return {name: values[name] for name in EVENT_NAMES}


def find_event(shop: Shop, event_id: str) -> Event:
    """The first line of an event. Raises NotFound."""
    rows = shop.events.filter(event_id=event_id).select_related("shopper").order_by("line")
    row = rows.first() if is_text(event_id) else None
    if row is None:
        raise NotFound(f"event_id: {event_id[:256]!r} does not exist in this shop.")
    return row
