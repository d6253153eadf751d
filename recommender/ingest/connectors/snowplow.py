"""Snowplow: e-commerce events with their contexts."""

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
from recommender.ingest.connectors.joins import Lookup
from recommender.ingest.connectors.orders import event_id_of
from recommender.ingest.connectors.tracked import NO_EVENT, clean, event_lines
from recommender.ingest.connectors.values import from_json, number

SNOWPLOW_TYPES = {
    "product_view": "view",
    "list_view": "impression",
    "list_click": "click",
    "add_to_cart": "add_to_cart",
    "remove_from_cart": "remove_from_cart",
    "transaction": "purchase",
    "refund": "return",
}
ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1_0_"
PRODUCT = "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1_0_0"
TRANSACTION = "contexts_com_snowplowanalytics_snowplow_ecommerce_transaction_1_0_0"
USER = "contexts_com_snowplowanalytics_snowplow_ecommerce_user_1_0_0"


def _context(row: Row, name: str) -> list[dict[str, Any]]:
    """The objects of a context, JSON in a cell."""
    held = from_json(row[name])
    return [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []


def _snowplow_action(row: Row) -> str | None:
    for version in range(4):
        held = from_json(row[f"{ACTION}{version}"])
        if isinstance(held, dict):
            return held.get("type")
    return row["ecommerce_action_type"]


def _snowplow_item(given: Any) -> dict[str, Any]:
    get = given.get if isinstance(given, dict) else given.__getitem__
    found = {"item_id": get("id"), "quantity": get("quantity"), "price": get("price")}
    position = number(get("position"))
    found["position"] = int(position) if position and position >= 1 else None
    return {name: value for name, value in found.items() if clean(value) is not None}


def _snowplow(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """Events with the contexts of their own, or those of the tables beside them."""
    products = Lookup(rows_of(tables, "products"), lambda row: row["root_id"])
    transactions = Lookup(rows_of(tables, "transactions"), lambda row: row["root_id"])
    for row in rows_of(tables, "events"):
        kind = SNOWPLOW_TYPES.get(str(_snowplow_action(row)))
        if kind is None:
            reading.note(NO_EVENT, row["event_name"])
            continue
        given = _context(row, PRODUCT) or products[row["event_id"]]
        user = next(iter(_context(row, USER)), {})
        event = {
            "type": kind,
            "user_id": row["user_id"] or (None if user.get("is_guest") else user.get("id")),
            "session_id": row.first("domain_sessionid", "domain_userid"),
            "occurred_at": row.first("derived_tstamp", "collector_tstamp"),
            "event_id": f"event-{row['event_id']}",
        }
        if kind == "purchase":
            held = next(iter(_context(row, TRANSACTION)), None) or transactions.one(row["event_id"])
            order = held and (
                held.get("transaction_id") if isinstance(held, dict) else held["transaction_id"]
            )
            if order:
                event["event_id"] = event_id_of(order, kind)
        items = [_snowplow_item(one) for one in given]
        if kind != "purchase":
            items = [{k: v for k, v in item.items() if k != "price"} for item in items]
        yield from event_lines(reading, row, event, items)
    products.close()
    transactions.close()


SNOWPLOW = Format(
    "snowplow",
    "Snowplow e-commerce",
    {
        "events": Signature(("event_id", "collector_tstamp", "domain_userid")),
        "products": Signature(("root_id", "price", "name"), ("brand", "inventory_status")),
        "transactions": Signature(("root_id", "transaction_id", "revenue")),
    },
    _snowplow,
    (EVENTS,),
    required={
        "events": "a table of contexts has no shoppers and no actions: give the table of events "
        "beside it"
    },
)

FLAGS = {
    "is_product_view": "view",
    "is_add_to_cart": "add_to_cart",
    "is_remove_from_cart": "remove_from_cart",
    "is_product_transaction": "purchase",
}
"""Types of events by the flags of the modelled table."""


def _modelled(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """Rows of the modelled table of product interactions, one product each."""
    for row in rows_of(tables):
        kind = SNOWPLOW_TYPES.get(str(row["ecommerce_action_type"])) or next(
            (k for flag, k in FLAGS.items() if str(row[flag]).casefold() in ("true", "1")), None
        )
        if kind is None:
            reading.note(NO_EVENT, row["ecommerce_action_type"])
            continue
        order = row["transaction_id"] if kind == "purchase" else None
        event = {
            "type": kind,
            "user_id": row.first("ecommerce_user_id", "user_id"),
            "session_id": row.first("domain_sessionid", "domain_userid"),
            "occurred_at": row.first("derived_tstamp", "collector_tstamp"),
            "event_id": event_id_of(order, kind) if order else f"event-{row['event_id']}",
        }
        item = {"item_id": row["product_id"], "quantity": row["product_quantity"]}
        if kind == "purchase":
            item["price"] = row["product_price"]
        yield from event_lines(reading, row, event, [item])


SNOWPLOW_MODELLED = Format(
    "snowplow_interactions",
    "Snowplow product interactions",
    {
        "rows": Signature(
            ("event_id", "domain_userid", "product_id"),
            ("ecommerce_action_type", "is_product_view"),
        )
    },
    _modelled,
    (EVENTS,),
)
FORMATS = (SNOWPLOW_MODELLED, SNOWPLOW)
