"""Amazon Personalize: interactions, items, users."""

from recommender.ingest.connectors.core import (
    EVENTS,
    PRODUCTS,
    SHOPPERS,
    Row,
    Signature,
    simple,
)
from recommender.ingest.connectors.values import (
    attributes,
    parts,
    paths,
)

PERSONALIZE_EVENTS = simple(
    "personalize_interactions",
    "Amazon Personalize interactions",
    EVENTS,
    Signature(("user_id", "item_id", "timestamp"), (), ("title", "rating")),
    {
        "user_id": "USER_ID",
        "item_id": "ITEM_ID",
        "occurred_at": "TIMESTAMP",
        "type": lambda row: _personalize_type(row),
        "rating": lambda row: row["EVENT_VALUE"] if _is_rating(row) else None,
    },
)


WATCHED = {"watch": "view", "watched": "view", "play": "view", "stream": "view"}


def _is_rating(row: Row) -> bool:
    return str(row["EVENT_TYPE"] or "").casefold() == "rating"


def _personalize_type(row: Row) -> str:
    word = str(row["EVENT_TYPE"] or "view").casefold()
    if word == "rating" and row["EVENT_VALUE"] is None:
        return "view"
    return WATCHED.get(word, word)


PERSONALIZE_ITEMS = simple(
    "personalize_items",
    "Amazon Personalize items",
    PRODUCTS,
    Signature(("item_id",), ("genre", "genres", "category_l1", "creation_timestamp"), ("user_id",)),
    {
        "item_id": "ITEM_ID",
        "title": ("TITLE", "NAME", "PRODUCT_NAME"),
        "description": ("DESCRIPTION", "PRODUCT_DESCRIPTION"),
        "brand": "BRAND",
        "price": "PRICE",
        "categories": lambda row: (
            parts(row.first("GENRE", "GENRES", "CATEGORIES"), "|")
            or paths([" > ".join(str(v) for n in (1, 2, 3) if (v := row[f"CATEGORY_L{n}"]))])
        ),
        "available_from": "CREATION_TIMESTAMP",
        "attributes": attributes(year="YEAR", gender="GENDER"),
    },
)


PERSONALIZE_USERS = simple(
    "personalize_users",
    "Amazon Personalize users",
    SHOPPERS,
    Signature(("user_id",), ("age", "gender", "membership_type"), ("item_id", "timestamp")),
    {
        "user_id": "USER_ID",
        "attributes": lambda row: {
            n.lower(): row[n] for n in row.data if n.upper() != "USER_ID" and row[n] is not None
        },
    },
)


FORMATS = (PERSONALIZE_EVENTS, PERSONALIZE_ITEMS, PERSONALIZE_USERS)
