"""Complete Journey (dunnhumby): products and transactions."""

from recommender.ingest.connectors.core import (
    EVENTS,
    PRODUCTS,
    Row,
    Signature,
    simple,
)
from recommender.ingest.connectors.values import (
    attributes,
    constant,
    number,
    path,
)


def _dunnhumby_time(row: Row) -> str:
    """DAY and TRANS_TIME (1125 is 11:25); minutes beyond a day are cut."""
    time = int(number(row["TRANS_TIME"]) or 0)
    return f"{row['DAY']} {min(time // 100, 23):02}:{min(time % 100, 59):02}"


def _dunnhumby_title(row: Row) -> str:
    row.reading.note("no column holds a title: it is made of brand, kind and size")
    names = [row["BRAND"], row["SUB_COMMODITY_DESC"], row["CURR_SIZE_OF_PRODUCT"]]
    return " ".join(str(name).replace("_", " ").title() for name in names if name)


DUNNHUMBY_PRODUCTS = simple(
    "dunnhumby_products",
    "Complete Journey products",
    PRODUCTS,
    Signature(("product_id", "department", "commodity_desc")),
    {
        "item_id": "PRODUCT_ID",
        "title": _dunnhumby_title,
        "brand": "BRAND",
        "categories": lambda row: [
            path(
                " > ".join(
                    str(v).replace("_", " ").title()
                    for n in ("DEPARTMENT", "COMMODITY_DESC", "SUB_COMMODITY_DESC")
                    if (v := row[n])
                )
            )
        ],
        "attributes": attributes(manufacturer="MANUFACTURER", size="CURR_SIZE_OF_PRODUCT"),
    },
)


DUNNHUMBY_EVENTS = simple(
    "dunnhumby_transactions",
    "Complete Journey transactions",
    EVENTS,
    Signature(("household_key", "basket_id", "day", "product_id")),
    {
        "user_id": "HOUSEHOLD_KEY",
        "session_id": "BASKET_ID",
        "item_id": "PRODUCT_ID",
        "occurred_at": _dunnhumby_time,
        "quantity": "QUANTITY",
        "value": "SALES_VALUE",
        "type": constant("purchase"),
    },
)


FORMATS = (DUNNHUMBY_PRODUCTS, DUNNHUMBY_EVENTS)
