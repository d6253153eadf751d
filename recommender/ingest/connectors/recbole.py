"""RecBole: atomic files."""

from typing import Any

from recommender.ingest.connectors.core import (
    EVENTS,
    PRODUCTS,
    SHOPPERS,
    Row,
    Signature,
    simple,
)


def _typed(kind: str) -> Any:
    """True for columns such as item_id:token."""

    def test(rows: list[dict[str, Any]]) -> bool:
        names = [str(name) for name in rows[0]]
        return (
            all(
                name.rpartition(":")[2] in ("token", "token_seq", "float", "float_seq")
                for name in names
            )
            and {"item": "item_id:token", "user": "user_id:token"}[kind] in names
        )

    return test


def _recbole_attributes(*taken: str) -> Any:
    def read(row: Row) -> dict[str, Any]:
        found = {}
        for column in row.data:
            name, _, kind = str(column).rpartition(":")
            if name in taken or (value := row[column]) is None:
                continue
            found[name] = str(value).split() if kind == "token_seq" else value
        return found

    return read


def _words_of(*names: str) -> Any:
    """The words of a list with blanks."""
    return lambda row: next(
        (str(v).split() for name in names if (v := row[f"{name}:token_seq"])), []
    )


RECBOLE_EVENTS = simple(
    "recbole_interactions",
    "RecBole interactions",
    EVENTS,
    Signature(("user_id:token", "item_id:token"), ("timestamp:float", "rating:float")),
    {
        "user_id": "user_id:token",
        "item_id": "item_id:token",
        "occurred_at": "timestamp:float",
        "rating": "rating:float",
        "type": lambda row: "rating" if row["rating:float"] is not None else "view",
    },
)


RECBOLE_ITEMS = simple(
    "recbole_items",
    "RecBole items",
    PRODUCTS,
    Signature(("item_id:token",), (), ("user_id:token",), _typed("item")),
    {
        "item_id": "item_id:token",
        "title": lambda row: row.first(
            "title:token_seq", "movie_title:token_seq", "name:token_seq", "title:token"
        ),
        "brand": lambda row: row.first("brand:token", "sales_brand:token"),
        "price": "price:float",
        "categories": _words_of("class", "categories", "genre"),
        "attributes": _recbole_attributes(
            "item_id", "title", "movie_title", "name", "class", "categories", "genre", "price"
        ),
    },
)


RECBOLE_USERS = simple(
    "recbole_users",
    "RecBole users",
    SHOPPERS,
    Signature(("user_id:token",), (), ("item_id:token",), _typed("user")),
    {"user_id": "user_id:token", "attributes": _recbole_attributes("user_id")},
)


FORMATS = (RECBOLE_EVENTS, RECBOLE_ITEMS, RECBOLE_USERS)
