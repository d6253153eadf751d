"""Variants of products: parsing, and what follows from them for the product."""

from typing import Any

from recommender.ingest.errors import FieldError
from recommender.models.eligibility import OUT_OF_STOCK, can_be_bought

MOST_VARIANTS = 2048
IN_STOCK = "in_stock"
PARSERS = {
    "id": "id",
    "sku": "id",
    "gtin": "id",
    "other_ids": "ids",
    "options": "mapping",
    "price": "money",
    "sale_price": "money",
    "compare_at_price": "money",
    "stock_state": "availability",
    "stock_quantity": "integer",
    "image": "text",
    "url": "text",
}
"""Fields of a variant, with the method of `parsing.Parser` that checks each."""
PRICES = ("price", "sale_price", "compare_at_price")
DERIVED = (*PRICES, "stock_state", "stock_quantity", "images")
"""Columns of a product that follow from its variants."""


def variant_of(parser: Any, at: str, given: Any) -> dict[str, Any]:
    """A variant as it is stored: the fields that it has. Raises FieldError.

    parser: a `parsing.Parser`
    """
    if not isinstance(given, dict):
        raise FieldError(at, "must be an object")
    if unknown := sorted(str(name) for name in given if name not in PARSERS):
        raise FieldError(f"{at}.{unknown[0][:60]}", "is not a field of a variant")
    out = {}
    for name, method in PARSERS.items():
        value = getattr(parser, method)(f"{at}.{name}", given.get(name))
        if name in PRICES and value is not None and value < 0:
            raise FieldError(f"{at}.{name}", "must not be below 0")
        if value not in (None, "", [], {}):
            out[name] = value
    if not (own := out.get("id") or out.get("sku") or out.get("gtin")):
        raise FieldError(f"{at}.id", "is required, or sku or gtin")
    return {"id": own, **out}


def price_of(variant: dict[str, Any]) -> float:
    """The lowest price of a variant, in a sale or not."""
    return min(variant[name] for name in ("price", "sale_price") if name in variant)


def derived_from(variants: tuple[dict[str, Any], ...], images: list[str]) -> dict[str, Any]:
    """Columns of a product that follow from its variants: the price is that of the cheapest one
    that can be bought, it is in stock where one is, and it has the pictures of all.

    Without any price (or stock) of a variant, the product keeps its own.
    """
    available = [variant for variant in variants if can_be_bought(variant)]
    out: dict[str, Any] = {}
    priced = [v for v in available or variants if "price" in v]
    priced = priced or [v for v in variants if "price" in v]
    if priced:
        cheapest = min(priced, key=price_of)
        out |= {name: cheapest.get(name) for name in PRICES}
    if any("stock_state" in v or "stock_quantity" in v for v in variants):
        out["stock_state"] = IN_STOCK if available else OUT_OF_STOCK
        counts = [variant.get("stock_quantity") for variant in available]
        out["stock_quantity"] = None if None in counts or not counts else sum(counts)
    pictures = dict.fromkeys([*images, *(v["image"] for v in variants if "image" in v)])
    return out | {"images": list(pictures)}


def with_derived(parser: Any, row: dict[str, Any]) -> dict[str, Any]:
    """The row of a product, with the columns that follow from its variants.

    A row whose variants are not valid stays as it is: they are rejected when they are parsed.
    """
    try:
        variants = parser.variants("variants", row.get("variants"))
        images = parser.texts("images", row.get("images"))
    except FieldError:
        return row
    return {**row, **derived_from(variants, images or [])} if variants else row
