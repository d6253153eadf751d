"""GA4: the export of BigQuery, nested or one product a row."""

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
from recommender.ingest.connectors.tracked import NO_EVENT, clean, event_lines, first_of
from recommender.ingest.connectors.values import number

GA4_TYPES = {
    "view_item": "view",
    "select_item": "click",
    "view_item_list": "impression",
    "add_to_cart": "add_to_cart",
    "remove_from_cart": "remove_from_cart",
    "purchase": "purchase",
    "refund": "return",
    "search": "search",
    "view_search_results": "search",
    "share": "share",
}
"""Types of events by the names of GA4; other events are not used."""


def _ga4_parameter(row: Row, key: str) -> Any:
    """A parameter of an event: a list of keys and typed values."""
    for one in row["event_params"] or []:
        if isinstance(one, dict) and one.get("key") == key:
            held = one.get("value")
            values = held.values() if isinstance(held, dict) else [held]
            return next((v for v in map(clean, values) if v is not None), None)
    return None


def _ga4_item(item: dict[str, Any]) -> dict[str, Any]:
    names = {
        "item_id": ("item_id", "item_variant_id"),
        "quantity": ("quantity",),
        "price": ("price",),
        "position": ("index",),
    }
    found = {name: first_of(item, *columns) for name, columns in names.items()}
    position = number(found.get("position"))
    found["position"] = int(position) if position and position >= 1 else None
    return {name: value for name, value in found.items() if value is not None}


def _ga4(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    seen: set[str] = set()
    for row in rows_of(tables):
        name = str(row["event_name"])
        kind = GA4_TYPES.get(name)
        if kind is None:
            reading.note(NO_EVENT, name)
            continue
        user, device = clean(row["user_id"]), clean(row["user_pseudo_id"])
        session = clean(_ga4_parameter(row, "ga_session_id"))
        event = {
            "type": kind,
            "user_id": user,
            "session_id": f"{device}.{session}" if session and device else device,
            "occurred_at": row["event_timestamp"],
            "query": _ga4_parameter(row, "search_term") if kind == "search" else None,
        }
        order = clean((row["ecommerce"] or {}).get("transaction_id"))
        items = [_ga4_item(item) for item in row["items"] or [] if isinstance(item, dict)]
        if order is not None and kind in ("purchase", "return"):
            key = event_id_of(order, kind)
            if key in seen:
                reading.note("a purchase comes again, when its page is loaded again", order)
                continue
            seen.add(key)
            event["event_id"] = key
        if kind not in ("purchase", "return"):
            items = [{k: v for k, v in item.items() if k != "price"} for item in items]
        yield from event_lines(reading, row, event, items)


GA4 = Format(
    "ga4",
    "GA4 export of BigQuery",
    {"rows": Signature(("event_name", "event_timestamp", "user_pseudo_id", "items"))},
    _ga4,
    (EVENTS,),
)


def _ga4_flat(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """Rows with one product each, as queries of the nested export make them."""
    for row in rows_of(tables):
        name = str(row.first("event_name", "name"))
        kind = GA4_TYPES.get(name)
        if kind is None:
            reading.note(NO_EVENT, name)
            continue
        session = row.first("ga_session_id", "param_ga_session_id")
        device = row["user_pseudo_id"]
        order = row.first("transaction_id", "ecommerce_transaction_id")
        event = {
            "type": kind,
            "user_id": row["user_id"],
            "session_id": f"{device}.{session}" if session and device else device,
            "occurred_at": row.first("event_timestamp", "timestamp"),
        }
        if order is not None and kind in ("purchase", "return"):
            event["event_id"] = event_id_of(order, kind)
        item = {
            "item_id": row.first("item_id", "items_item_id"),
            "quantity": row.first("quantity", "item_quantity"),
            "price": row.first("price", "item_price") if kind in ("purchase", "return") else None,
        }
        yield from event_lines(reading, row, event, [item])


GA4_FLAT = Format(
    "ga4_flat",
    "GA4 export, one product a row",
    {"rows": Signature(("event_name", "user_pseudo_id", "item_id"), (), ("items",))},
    _ga4_flat,
    (EVENTS,),
)
GA4_WITHOUT_ITEMS = Format(
    "ga4_events_without_items",
    "GA4 events of a warehouse",
    {"rows": Signature(("name", "user_pseudo_id", "event_dimensions_hostname"))},
    _ga4_flat,
    (),
    required={
        "items": "this table has events without their products; export the table of items of the "
        "events (event_item), or the nested export of BigQuery"
    },
)

FORMATS = (GA4, GA4_FLAT, GA4_WITHOUT_ITEMS)
