"""Segment and RudderStack: track calls of the e-commerce specification."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.core import (
    EVENTS,
    Format,
    Reading,
    Record,
    Row,
    Signature,
    Table,
    rows_of,
)
from recommender.ingest.connectors.orders import event_id_of
from recommender.ingest.connectors.tracked import NO_EVENT, event_lines, first_of
from recommender.ingest.connectors.values import number

TRACK_TYPES = {
    "product viewed": "view",
    "product clicked": "click",
    "product list viewed": "impression",
    "product added": "add_to_cart",
    "product removed": "remove_from_cart",
    "order completed": "purchase",
    "order refunded": "return",
    "products searched": "search",
    "product shared": "share",
    "product reviewed": "rating",
}
"""Types of events by the names of the e-commerce specification; others are not used."""


def _track_item(given: dict[str, Any]) -> dict[str, Any]:
    item_id = first_of(given, "product_id", "productId", "sku", "id")
    other = first_of(given, "sku", "variant_id")
    position = number(given.get("position"))
    item = {
        "item_id": None if item_id is None else str(item_id),
        "or_item_id": None if other is None else str(other),
        "quantity": first_of(given, "quantity"),
        "price": first_of(given, "price"),
        "position": int(position) if position and position >= 1 else None,
        "rating": first_of(given, "rating"),
    }
    return {name: value for name, value in item.items() if value is not None}


def track_event(reading: Reading, row: Row, seen: set[str]) -> Iterator[Record]:
    """The event of a track call; a message that comes again counts once."""
    name = " ".join(str(row["event"] or "").casefold().replace("_", " ").split())
    kind = TRACK_TYPES.get(name)
    if str(row["type"] or "track") != "track" or kind is None:
        reading.note(NO_EVENT, row["event"] or row["type"])
        return
    message = row.first("messageId", "message_id")
    if message is not None:
        if message in seen:
            reading.note("a message comes again", message)
            return
        seen.add(str(message))
    given = row["properties"] if isinstance(row["properties"], dict) else {}
    event = {
        "type": kind,
        "user_id": _text(row.first("userId", "user_id")),
        "session_id": _text(row.first("anonymousId", "anonymous_id")),
        "occurred_at": row.first("originalTimestamp", "timestamp", "sentAt", "receivedAt"),
        "query": first_of(given, "query") if kind == "search" else None,
        "currency": first_of(given, "currency") if kind in ("purchase", "return") else None,
    }
    order = (
        first_of(given, "order_id", "orderId", "checkout_id")
        if kind in ("purchase", "return")
        else None
    )
    if order is not None:
        event["event_id"] = event_id_of(order, kind)
    elif message is not None:
        event["event_id"] = f"message-{message}"
    items = given.get("products") if isinstance(given.get("products"), list) else [given]
    lines = [_track_item(item) for item in items if isinstance(item, dict)]
    if kind not in ("purchase", "return"):
        lines = [{k: v for k, v in line.items() if k != "price"} for line in lines]
    yield from event_lines(reading, row, event, lines)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _track(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    seen: set[str] = set()
    for row in rows_of(tables):
        yield from track_event(reading, row, seen)


SEGMENT = Format(
    "segment",
    "Track calls of Segment or RudderStack",
    {"rows": Signature(("event", "properties"), ("messageid", "anonymousid", "userid"))},
    _track,
    (EVENTS,),
    looks_up=True,
)

FORMATS = (SEGMENT,)
