"""Gorse: feedback and items."""

from recommender.ingest.connectors.core import (
    EVENTS,
    PRODUCTS,
    Row,
    Signature,
    simple,
)
from recommender.ingest.connectors.values import (
    parts,
)

GORSE_TYPES = {"read": "view", "star": "add_to_cart", "like": "add_to_cart", "buy": "purchase"}


def _gorse_type(row: Row) -> str:
    word = str(row["FeedbackType"] or "").casefold()
    return GORSE_TYPES.get(word, word)


GORSE = simple(
    "gorse_feedback",
    "Gorse feedback",
    EVENTS,
    Signature(("feedbacktype", "userid", "itemid")),
    {
        "user_id": "UserId",
        "item_id": "ItemId",
        "occurred_at": "Timestamp",
        "type": _gorse_type,
    },
)


GORSE_ITEMS = simple(
    "gorse_items",
    "Gorse items",
    PRODUCTS,
    Signature(("itemid", "categories", "labels")),
    {
        "item_id": "ItemId",
        "title": "Comment",
        "categories": lambda row: parts(row["Categories"], "|"),
        "hidden": "IsHidden",
        "available_from": "Timestamp",
        "attributes": lambda row: row["Labels"] if isinstance(row["Labels"], dict) else {},
    },
)


FORMATS = (GORSE, GORSE_ITEMS)
