"""Metarank: one file of items, users, rankings and interactions."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.core import (
    EVENTS,
    PRODUCTS,
    SHOPPERS,
    Format,
    Reading,
    Record,
    Row,
    Signature,
    Table,
    rows_of,
)
from recommender.ingest.connectors.values import (
    paths,
)


def _fields(row: Row) -> dict[str, Any]:
    """Fields of Metarank: pairs of name and value."""
    return {one["name"]: one.get("value") for one in row["fields"] or [] if isinstance(one, dict)}


METARANK_TYPES = {"add": "add_to_cart", "cart": "add_to_cart", "click": "click"}


def _metarank(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """One file mixes products, shoppers, rankings (impressions) and interactions."""
    for row in rows_of(tables):
        kind, fields = str(row["event"]), _fields(row)
        who = {
            "user_id": row["user"],
            "session_id": row["session"],
            "occurred_at": row["timestamp"],
        }
        if kind == "item":
            known = {"title": fields.pop("title", None), "price": fields.pop("price", None)}
            categories = fields.pop("category", None) or fields.pop("categories", None)
            product = {"item_id": str(row["item"]), **known, "attributes": fields}
            product["categories"] = (
                paths(categories if isinstance(categories, list) else [categories])
                if categories
                else []
            )
            yield PRODUCTS, row.line, {n: v for n, v in product.items() if v is not None}
        elif kind == "user":
            yield SHOPPERS, row.line, {"user_id": row["user"], "attributes": fields}
        elif kind == "ranking":
            for position, item in enumerate(row["items"] or [], 1):
                event = {**who, "type": "impression", "item_id": item.get("id")}
                yield (
                    EVENTS,
                    row.line,
                    {**event, "event_id": f"ranking-{row['id']}", "position": position},
                )
        elif kind == "interaction":
            word = str(row["type"] or "click").casefold()
            event = {**who, "type": METARANK_TYPES.get(word, word), "item_id": row["item"]}
            event["quantity"] = fields.get("count") if word == "purchase" else None
            yield EVENTS, row.line, {**event, "event_id": f"event-{row['id']}"}
        else:
            reading.note("an event of a kind that is not used", kind)


METARANK = Format(
    "metarank",
    "Metarank events",
    {"rows": Signature(("event", "id", "timestamp"), ("item", "user", "items"), ("properties",))},
    _metarank,
    (PRODUCTS, SHOPPERS, EVENTS),
    product_columns=("title", "price", "categories", "attributes"),
)


FORMATS = (METARANK,)
