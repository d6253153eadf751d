"""OpenSearch: User Behavior Insights."""

from collections.abc import Iterator

from recommender.ingest.connectors.core import (
    EVENTS,
    Format,
    Reading,
    Record,
    Signature,
    Table,
    rows_of,
)
from recommender.ingest.connectors.tracked import NO_EVENT, event_lines, first_of
from recommender.ingest.connectors.values import number

UBI_TYPES = {
    "impression": "impression",
    "product_view": "view",
    "view": "view",
    "click": "click",
    "item_click": "click",
    "product_hover": None,
    "add_to_cart": "add_to_cart",
    "purchase": "purchase",
    "watch": "view",
}


def _ubi(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """Queries become searches; actions on documents events of products."""
    for row in rows_of(tables):
        session = row.first("session_id", "client_id")
        event = {
            "user_id": row["user_id"],
            "session_id": session,
            "occurred_at": row["timestamp"],
        }
        if row["user_query"] is not None and row["action_name"] is None:
            searched = {**event, "type": "search", "query": row["user_query"]}
            yield EVENTS, row.line, {**searched, "event_id": f"query-{row['query_id']}"}
            continue
        kind = UBI_TYPES.get(str(row["action_name"] or "").casefold())
        held = row["event_attributes"] if isinstance(row["event_attributes"], dict) else {}
        thing = held.get("object") if isinstance(held.get("object"), dict) else {}
        place = held.get("position") if isinstance(held.get("position"), dict) else {}
        if kind is None:
            reading.note(NO_EVENT, row["action_name"])
            continue
        position = number(place.get("ordinal"))
        item = {"item_id": first_of(thing, "object_id", "internal_id")}
        if position and position >= 1:
            item["position"] = int(position)
        yield from event_lines(reading, row, {**event, "type": kind}, [item])


UBI = Format(
    "opensearch_ubi",
    "OpenSearch User Behavior Insights",
    {"rows": Signature(("query_id", "timestamp"), ("user_query", "action_name"))},
    _ubi,
    (EVENTS,),
)

FORMATS = (UBI,)
