"""REES46: events."""

from recommender.ingest.connectors.core import (
    EVENTS,
    Signature,
    simple,
)

REES46 = simple(
    "rees46_events",
    "REES46 events",
    EVENTS,
    Signature(("event_time", "event_type", "product_id", "user_id")),
    {
        "user_id": "user_id",
        "item_id": "product_id",
        "type": "event_type",
        "occurred_at": "event_time",
        "session_id": "user_session",
        "price": lambda row: row["price"] if row["event_type"] == "purchase" else None,
    },
)


FORMATS = (REES46,)
