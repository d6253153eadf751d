"""What the formats of tracked events share."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.core import (
    EVENTS,
    Reading,
    Record,
    Row,
)
from recommender.ingest.shop_values import is_nothing

NO_EVENT = "an event of a kind that is not used"
NO_PRODUCT = "an event names no product"


def clean(value: Any) -> Any:
    """The value, or None for a word that stands for nothing."""
    return None if value is None or (isinstance(value, str) and is_nothing(value)) else value


def first_of(given: dict[str, Any], *names: str) -> Any:
    """The first filled value, whose name may be written in camel case."""
    for name in names:
        if (value := clean(given.get(name))) is not None:
            return value
    return None


def event_lines(
    reading: Reading, row: Row, event: dict[str, Any], items: list[dict[str, Any]]
) -> Iterator[Record]:
    """A line of the event for each of its products."""
    found = [item for item in items if item.get("item_id") is not None]
    if not found and event["type"] != "search":
        reading.note(NO_PRODUCT, event["type"])
        return
    for item in found or [{}]:
        yield EVENTS, row.line, {**event, **item}
