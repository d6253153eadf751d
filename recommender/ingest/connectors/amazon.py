"""Amazon reviews of 2018 and 2023, and their products."""

from typing import Any

from recommender.ingest.connectors.core import (
    PRODUCTS,
    REVIEWS,
    Row,
    Signature,
    simple,
)
from recommender.ingest.connectors.values import (
    parts,
    paths,
)


def _review_text(column: str) -> Any:
    return lambda row: row[column] if str(row[column] or "").strip() else None


AMAZON_2018 = simple(
    "amazon_reviews_2018",
    "Amazon reviews (2018)",
    REVIEWS,
    Signature(("reviewerid", "asin", "overall")),
    {
        "user_id": "reviewerID",
        "item_id": "asin",
        "rating": "overall",
        "title": "summary",
        "text": _review_text("reviewText"),
        "created_at": ("unixReviewTime", "reviewTime"),
    },
)


AMAZON_2023 = simple(
    "amazon_reviews_2023",
    "Amazon reviews (2023)",
    REVIEWS,
    Signature(("rating", "text", "parent_asin", "user_id")),
    {
        "user_id": "user_id",
        "item_id": ("parent_asin", "asin"),
        "rating": "rating",
        "title": "title",
        "text": _review_text("text"),
        "created_at": "timestamp",
    },
)


def _amazon_price(row: Row) -> Any:
    """The price; “from 12.99” is the lowest."""
    price = row["price"]
    return price.removeprefix("from ").strip() if isinstance(price, str) else price


def _joined(row: Row) -> str | None:
    """Features and paragraphs of the description, one a line."""
    texts = [t for n in ("features", "description") for t in parts(row[n], "\n")]
    return "\n".join(texts) or None


AMAZON_PRODUCTS = simple(
    "amazon_products_2023",
    "Amazon products (2023)",
    PRODUCTS,
    Signature(("parent_asin", "title"), ("main_category", "price", "store"), ("text",)),
    {
        "item_id": "parent_asin",
        "title": "title",
        "description": _joined,
        "brand": "store",
        "price": _amazon_price,
        "categories": lambda row: paths(
            [" > ".join(map(str, row["categories"]))]
            if isinstance(row["categories"], list) and row["categories"]
            else [row["main_category"]]
            if row["main_category"]
            else []
        ),
        "images": lambda row: [
            image
            for one in row["images"] or []
            if isinstance(one, dict)
            and (image := one.get("hi_res") or one.get("large") or one.get("thumb"))
        ],
        "attributes": lambda row: row["details"] if isinstance(row["details"], dict) else {},
    },
)


AMAZON_PRODUCTS_2018 = simple(
    "amazon_products_2018",
    "Amazon products (2018)",
    PRODUCTS,
    Signature(
        ("asin", "title"), ("imurl", "imageurlhighres", "also_buy", "salesrank"), ("reviewerid",)
    ),
    {
        "item_id": "asin",
        "title": "title",
        "description": _joined,
        "brand": "brand",
        "price": "price",
        "categories": lambda row: paths(
            [" > ".join(map(str, row.first("category", "categories") or []))]
        ),
        "images": lambda row: parts(row.first("imageURLHighRes", "imageURL", "imUrl"), "\n"),
    },
)


FORMATS = (AMAZON_2018, AMAZON_2023, AMAZON_PRODUCTS, AMAZON_PRODUCTS_2018)
