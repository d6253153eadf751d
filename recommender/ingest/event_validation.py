"""Validation of events: one event or order as lines of the event table."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from recommender.ingest import shop_values
from recommender.ingest.parsing import FieldError, Parser
from recommender.models.events import EventType

CLOCK_TOLERANCE = timedelta(minutes=5)
COLUMNS = {
    "row": "int",
    "line": "smallint",
    "event_id": "text",
    "user_id": "text",
    "session_id": "text",
    "item_id": "text",
    "type": "text",
    "occurred_at": "timestamptz",
    "quantity": "float8",
    "value": "float8",
    "rating": "float8",
    "query": "text",
    "position": "smallint",
    "recommendation_id": "text",
    "placement": "text",
    "simulated": "boolean",
    "variant_id": "text",
}
TYPES = frozenset(EventType.values)
PLAIN = {"event_id", "type", "user_id", "session_id", "item_id", "occurred_at"}
"""Fields of most events; an event with no others is not examined further."""
ASKS_FOR_MORE = frozenset({EventType.RATING.value, EventType.SEARCH.value})
"""Event types that require a field of their own."""
EVENT_FIELDS = PLAIN | {
    "items",
    "recommendation_id",
    "query_id",
    "placement",
    "value",
    "currency",
    "rating",
    "query",
    "simulated",
    "position",
    "quantity",
    "price",
    "discount",
    "context",
    "variant_id",
}
"""All fields of a REST event. `context` is the shop's own and is not stored."""
LINE_FIELDS = frozenset(
    {"item_id", "variant_id", "position", "quantity", "price", "discount", "value", "rating"}
)
LEAST_RATING, BEST_RATING = 0, 5
MOST_PIECES, MOST_VALUE = 1_000_000, 10_000_000_000
"""Limits per product of an event; a larger value is a mistake that would dominate revenue."""
NOTHING_MORE = (*[None] * 7, False, None)
"""The columns from `quantity` on of a plain event."""


def event_lines(
    parser: Parser, row: dict[str, Any], latest: datetime, shift: timedelta
) -> list[tuple]:
    """The staged lines of one event, without its number: one per product, or a single one.

    Raises FieldError.
    """
    event_id = parser.required_id("event_id", row.get("event_id"))
    occurred_at = parser.moment("occurred_at", row.get("occurred_at"))
    if occurred_at is None:
        raise FieldError("occurred_at", "is required")
    occurred_at += shift
    if occurred_at > latest:
        raise FieldError("occurred_at", "lies in the future")
    user_id = parser.id("user_id", row.get("user_id"))
    session_id = parser.id("session_id", row.get("session_id"))
    if user_id is None and session_id is None:
        raise FieldError("user_id", "is required when there is no session_id")
    if row.keys() <= PLAIN and (kind := _kind(parser, row)) not in ASKS_FOR_MORE:
        return [
            (
                0,
                event_id,
                user_id,
                session_id,
                _item_id(parser, row, kind, ""),
                kind,
                occurred_at,
                *NOTHING_MORE,
            )
        ]
    if parser.typed:
        _refuse_unknown(row, EVENT_FIELDS, "")
        parser.mapping("context", row.get("context"))
    _check_currency(parser, row.get("currency"))
    query = parser.text("query", row.get("query"), 2000)
    if query is None and row.get("type") == EventType.SEARCH.value and parser.typed:
        raise FieldError("query", "is required")
    cited = _cited(parser, row), parser.text("placement", row.get("placement"), 64)
    simulated = parser.boolean("simulated", row.get("simulated")) or False
    items = _items(row)
    lines = []
    for i, item in enumerate(items):
        at = f"items[{i}]." if "items" in row else ""
        if parser.typed and item is not row:
            _refuse_unknown(item, LINE_FIELDS, at)
        kind, item_id, quantity, value = _what(parser, row, item, at)
        rating = _rating(parser, item, kind, at)
        position = parser.number(at + "position", item.get("position"))
        if position is not None and not (1 <= position <= 10_000 and position == int(position)):
            raise FieldError(at + "position", "must be a whole number from 1")
        position = None if position is None else int(position)
        lines.append(
            (
                i,
                event_id,
                user_id,
                session_id,
                item_id,
                kind,
                occurred_at,
                quantity,
                value,
                rating,
                query,
                position,
                *cited,
                simulated,
                parser.id(at + "variant_id", item.get("variant_id")),
            )
        )
    return lines


def _cited(parser: Parser, row: dict[str, Any]) -> str | None:
    """The id of the list or of the search that the event came from."""
    of_list = parser.text("recommendation_id", row.get("recommendation_id"), 64)
    of_search = parser.text("query_id", row.get("query_id"), 64)
    if of_list and of_search and of_list != of_search:
        raise FieldError("query_id", "cannot be combined with recommendation_id")
    return of_list or of_search


def _refuse_unknown(given: dict[str, Any], known: Collection[str], at: str) -> None:
    if unknown := sorted(name for name in given if name not in known):
        raise FieldError(
            f"{at}{unknown[0][:60]}",
            "is not a field of an event" if not at else "is not a field of a product in an event",
        )


def _rating(parser: Parser, item: dict[str, Any], kind: str, at: str) -> float | None:
    rating = parser.number(at + "rating", item.get("rating"))
    if rating is None and kind == EventType.RATING:
        raise FieldError(at + "rating", "is required")
    if rating is not None and not LEAST_RATING <= rating <= BEST_RATING:
        raise FieldError(at + "rating", f"must be from {LEAST_RATING} to {BEST_RATING}")
    return rating


def _items(row: dict[str, Any]) -> list[dict[str, Any]]:
    if "items" not in row:
        return [row]
    items = row["items"]
    if not isinstance(items, list) or not items:
        raise FieldError("items", "must be a list of at least one product")
    if len(items) > 1000:
        raise FieldError("items", "has more than 1,000 products")
    for i, item in enumerate(items):
        if not isinstance(item, dict):
            raise FieldError(f"items[{i}]", "must be an object")
    if len(items) == 1 and "value" in row and "value" not in items[0]:
        items = [{**items[0], "value": row["value"]}]
    return [{"rating": row.get("rating"), **item} for item in items]


def _check_currency(parser: Parser, given: Any) -> None:
    """Raises FieldError for another currency than the shop's."""
    if not parser.typed:
        given = None if shop_values.is_nothing(given) else given and str(given).strip().upper()
    if parser.currency and given not in (None, parser.currency):
        raise FieldError("currency", f"must be {parser.currency}, this shop's")


def _kind(parser: Parser, row: dict[str, Any]) -> str:
    kind = parser.text("type", row.get("type")) or (
        "" if parser.typed else EventType.PURCHASE.value
    )
    if kind not in TYPES and not parser.typed:
        kind = shop_values.event_type(kind)
    if kind not in TYPES:
        raise FieldError(
            "type",
            f"{kind[:40]!r} is not one of {', '.join(EventType.values)}" if kind else "is required",
        )
    return kind


def _item_id(parser: Parser, item: dict[str, Any], kind: str, at: str) -> str | None:
    item_id = parser.id(at + "item_id", item.get("item_id"))
    if item_id is None and kind != EventType.SEARCH.value:
        raise FieldError(at + "item_id", "is required")
    return item_id


def _what(
    parser: Parser, row: dict[str, Any], item: dict[str, Any], at: str
) -> tuple[str, str | None, float | None, float | None]:
    """(type, product, quantity, value) of a line.

    A purchase of a negative quantity is a return; one without a price has no value.
    """
    kind = _kind(parser, row)
    item_id = _item_id(parser, item, kind, at)
    quantity = parser.number(at + "quantity", item.get("quantity"))
    price = parser.money(at + "price", item.get("price"))
    value = parser.money(at + "value", item.get("value"))
    if kind == EventType.PURCHASE and quantity is not None:
        if quantity == 0:
            raise FieldError(at + "quantity", "must not be 0")
        kind = EventType.RETURN.value if quantity < 0 else kind
    elif parser.typed and quantity is not None and quantity <= 0:
        raise FieldError(at + "quantity", "must be above 0")
    quantity = None if quantity is None else abs(quantity)
    discount = parser.money(at + "discount", item.get("discount")) or 0
    if parser.typed and value is not None and value < 0:
        raise FieldError(at + "value", "must not be below 0; send a return as an event of its own")
    if discount < 0:
        raise FieldError(at + "discount", "must not be below 0")
    if price is not None and kind in (EventType.PURCHASE, EventType.RETURN):
        if price <= 0:
            raise FieldError(at + "price", "must be above 0")
        full = price * (1 if quantity is None else quantity)
        if discount > full:
            raise FieldError(at + "discount", "is larger than the price")
        value = full - discount if value is None else value
    for name, number, most in (("quantity", quantity, MOST_PIECES), ("value", value, MOST_VALUE)):
        if number is not None and abs(number) > most:
            raise FieldError(
                at + name, f"is {number:,.0f}; at most {most:,} of one product in an event"
            )
    return kind, item_id, quantity, value
