"""Open Bandit: logs and items."""

from collections.abc import Iterator

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
from recommender.ingest.connectors.values import (
    number,
)

OPENBANDIT_EVENTS = Format(
    "openbandit",
    "Open Bandit logs",
    {"rows": Signature(("timestamp", "item_id", "position", "click", "propensity_score"))},
    lambda reading, tables: _bandit(reading, tables),
    (EVENTS,),
)


def _bandit(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """A row is an impression, and a click where it says so."""
    for row in rows_of(tables):
        event = {
            "item_id": row["item_id"],
            "occurred_at": row["timestamp"],
            "session_id": f"row-{row.line}",
            "position": row["position"],
        }
        yield EVENTS, row.line, {**event, "type": "impression"}
        if number(row["click"]):
            yield EVENTS, row.line, {**event, "type": "click"}


OPENBANDIT_ITEMS = simple(
    "openbandit_items",
    "Open Bandit items",
    PRODUCTS,
    Signature(("item_id", "item_feature_0", "item_feature_1")),
    {
        "item_id": "item_id",
        "attributes": lambda row: {
            n: row[n] for n in row.data if str(n).startswith("item_feature") and row[n] is not None
        },
    },
)


FORMATS = (OPENBANDIT_EVENTS, OPENBANDIT_ITEMS)
