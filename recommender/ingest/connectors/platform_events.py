"""Events that platforms report one by one, in our fields."""

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

FIELDS = (
    *("event_id", "type", "user_id", "session_id", "occurred_at", "item_id"),
    *("or_item_id", "and_item_id", "quantity", "value"),
)


def _read(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    for row in rows_of(tables):
        yield EVENTS, row.line, row.filled({name: name for name in FIELDS})


FORMATS = (
    Format(
        "platform_events",
        "events of a platform",
        {"rows": Signature(("event_id", "type", "or_item_id", "and_item_id"))},
        _read,
        (EVENTS,),
        looks_up=True,
        replaces=True,
    ),
)
