"""Wix: product exports."""

from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, choices_of
from recommender.ingest.connectors.core import Reading, Row, Signature, rows_of
from recommender.ingest.connectors.joins import grouped
from recommender.ingest.connectors.values import (
    all_of,
    flag,
    number,
    options,
    parts,
    paths,
    word,
)


def _wix_kind(row: Row) -> str:
    return word(row, "fieldType")


def _wix_state(row: Row) -> Any:
    word = str(row["inventory"] or "").casefold().replace("_", "")
    return {"instock": "in_stock", "outofstock": "out_of_stock"}.get(word)


def _wix_quantity(row: Row) -> Any:
    return row["inventory"] if number(row["inventory"]) is not None else None


def _wix_sale(row: Row) -> float | None:
    """The price less the discount of the shop, a share or an amount."""
    price, value = number(row["price"]), number(row["discountValue"])
    if price is None or not value:
        return None
    is_share = word(row, "discountMode") == "percent"
    return round(price * (1 - value / 100) if is_share else price - value, 4)


def _wix_images(row: Row) -> list[str]:
    """Addresses of pictures, also of those that the export names by their file alone."""
    names = parts(row.first("productImageUrl", "mediaUrl", "media"), ";")
    base = "https://static.wixstatic.com/media/"
    return [name if "://" in name else base + name for name in names]


WIX_SOLD = {"price": "price", "stock_state": _wix_state, "stock_quantity": _wix_quantity}
WIX_OPTIONS = [(f"productOptionName{n}", f"productOptionDescription{n}") for n in range(1, 7)]
WIX_CHOICES = [(f"productOptionName{n}", f"productOptionChoices{n}") for n in range(1, 7)]


def _wix_options(row: Row) -> dict[str, str]:
    found = options(WIX_OPTIONS)(row) | options(WIX_CHOICES)(row)
    return {name: value.rpartition(":")[2].strip() for name, value in found.items()}


def _wix_checked(reading: Reading, product: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """A variant without a price costs what the product does, and its surcharge."""
    names = {row[n]: None for row in rows for n, _ in (*WIX_OPTIONS, *WIX_CHOICES) if row[n]}
    for n, row in enumerate([r for r in rows if _wix_kind(r) == "variant"]):
        variant = product["variants"][n] if n < len(product.get("variants", ())) else {}
        surcharge = number(row["surcharge"]) or 0
        if "price" not in variant and number(product.get("price")) is not None:
            variant["price"] = round(number(product["price"]) + surcharge, 4)
        if "options" in variant:
            given = zip(names, variant["options"].values(), strict=False)
            variant["options"] = dict(given) or variant["options"]
    if product.get("variants"):
        product.pop("attributes", None)
        if choices := choices_of(product["variants"]):
            product["attributes"] = choices
    return product


WIX = catalog(
    "wix_products",
    "Wix products",
    Signature(("fieldtype", "name"), ("handleid", "handle")),
    Catalog(
        lambda reading, tables: grouped(
            rows_of(tables), lambda row: row.first("handleId", "handle")
        ),
        {
            "item_id": ("handleId", "handle"),
            "other_ids": all_of("sku"),
            "title": "name",
            "description": ("description", "plainDescription"),
            "brand": "brand",
            "categories": lambda row: paths(parts(row.first("collection", "categories"), ";")),
            "images": _wix_images,
            "published": lambda row: flag(row, "visible"),
            "sale_price": _wix_sale,
            "compare_at_price": "strikethroughPrice",
            **WIX_SOLD,
        },
        {"sku": "sku", "options": _wix_options, **WIX_SOLD},
        is_product=lambda row: _wix_kind(row) in ("product", "media"),
        is_variant=lambda row: _wix_kind(row) == "variant",
        check=_wix_checked,
    ),
)

FORMATS = (WIX,)
