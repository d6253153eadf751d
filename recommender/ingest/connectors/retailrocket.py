"""RetailRocket: events and item properties."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.core import (
    EVENTS,
    PRODUCTS,
    Format,
    Reading,
    Record,
    Signature,
    Table,
    rows_of,
    simple,
)
from recommender.ingest.connectors.joins import grouped
from recommender.ingest.connectors.values import (
    number,
    prefixed,
)

RETAILROCKET = simple(
    "retailrocket_events",
    "RetailRocket events",
    EVENTS,
    Signature(("timestamp", "visitorid", "event", "itemid")),
    {
        "user_id": "visitorid",
        "item_id": "itemid",
        "type": "event",
        "occurred_at": "timestamp",
        "session_id": lambda row: prefixed("order-", row["transactionid"]),
    },
)


def _properties(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """One row for each property and week: the last value counts."""
    for rows in grouped(rows_of(tables), lambda row: row["itemid"]):
        ordered = sorted(rows, key=lambda row: number(row["timestamp"]) or 0)
        values = {str(row["property"]): row["value"] for row in ordered}
        product: dict[str, Any] = {"item_id": str(rows[0]["itemid"])}
        if values.get("categoryid"):
            product["categories"] = [str(values.pop("categoryid"))]
        available = values.pop("available", None)
        if available is not None:
            product["stock_state"] = "in_stock" if number(available) else "out_of_stock"
        product["attributes"] = values
        yield PRODUCTS, rows[0].line, product


RETAILROCKET_ITEMS = Format(
    "retailrocket_items",
    "RetailRocket item properties",
    {"rows": Signature(("timestamp", "itemid", "property", "value"))},
    _properties,
    (PRODUCTS,),
    product_columns=("categories", "stock_state", "attributes"),
)


FORMATS = (RETAILROCKET, RETAILROCKET_ITEMS)
