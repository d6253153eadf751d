"""BigCommerce: product exports, with rows for variants and pictures, and the legacy ones."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, without_free_sale
from recommender.ingest.connectors.core import Reading, Row, Signature, Table, rows_of
from recommender.ingest.connectors.joins import blocks
from recommender.ingest.connectors.values import (
    all_of,
    flag,
    number,
    parts,
    paths,
    word,
)


def _bigcommerce_blocks(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    """A product, with the rows of its variants and images below it."""
    return blocks(rows_of(tables), lambda row: word(row, "Item") == "product")


def _bigcommerce_options(row: Row) -> dict[str, str]:
    """Type=Swatch|Name=Size|Value=XS, or glued: Name=SizeValue=XS."""
    text, found = str(row["Options"] or ""), {}
    for one in text.replace("Type=", "|Type=").split("Name=")[1:]:
        name, _, rest = one.partition("Value=")
        name, value = name.strip(" |;"), rest.partition("|")[0].partition("Type=")[0].strip(" ;")
        if name and value:
            found[name] = value
    return found


def _bigcommerce_quantity(row: Row) -> Any:
    """The stock, where it is tracked."""
    return row["Current Stock"] if word(row, "Inventory Tracking") not in ("", "none") else None


BIGCOMMERCE = catalog(
    "bigcommerce_products",
    "BigCommerce products",
    Signature(("item", "name", "sku"), ("inventory tracking", "current stock", "is visible")),
    Catalog(
        _bigcommerce_blocks,
        {
            "item_id": "ID",
            "other_ids": all_of("SKU"),
            "title": "Name",
            "description": "Description",
            "brand": ("Brand", "Brand ID"),
            "categories": lambda row: paths(parts(row["Categories"], ";"), "/"),
            "published": lambda row: flag(row, "Is Visible"),
            "price": "Price",
            "sale_price": "Sale Price",
            "compare_at_price": ("Retail Price", "MSRP"),
            "stock_quantity": _bigcommerce_quantity,
            "url": "Product URL",
            "gtin": ("UPC", "GTIN", "Product UPC/EAN"),
            "condition": "Product Condition",
        },
        {
            "sku": "SKU",
            "gtin": ("UPC", "GTIN"),
            "options": _bigcommerce_options,
            "price": "Price",
            "sale_price": "Sale Price",
            "stock_quantity": "Current Stock",
            "image": "Variant Image URL",
        },
        is_product=lambda row: word(row, "Item") == "product",
        is_variant=lambda row: word(row, "Item") == "variant",
        check=lambda reading, product, rows: _with_images(product, rows),
    ),
)


def _with_images(product: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """Pictures are rows of their own. A variant without a price has that of the product, and
    without tracking no stock of it counts.
    """
    images = [row.first("Internal Image URL (Export)", "Image URL (Import)") for row in rows]
    product = without_free_sale({**product, "images": [one for one in images if one]})
    tracked = word(rows[0], "Inventory Tracking") == "variant"
    for one in product.get("variants", ()):
        if not tracked:
            one.pop("stock_quantity", None)
        if number(one.get("price")) in (None, 0) and "price" in product:
            one["price"] = product["price"]
    return product


def _legacy_key(row: Row) -> Any:
    return row.first("Product ID", "Product Code/SKU", "Product URL", "Product Name")


def _legacy_images(row: Row) -> list[str]:
    names = (f"Product Image {kind} - {n}" for n in range(1, 11) for kind in ("File", "URL"))
    return all_of(*names)(row)


def _is_rule_or_sku(row: Row) -> bool:
    return word(row, "Item Type").strip() in ("sku", "rule")


def _legacy_blocks(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    return blocks(rows_of(tables), lambda row: not _is_rule_or_sku(row))


BIGCOMMERCE_LEGACY = catalog(
    "bigcommerce_legacy",
    "BigCommerce products (legacy)",
    Signature(("item type", "product name"), ("product code/sku", "product visible?")),
    Catalog(
        _legacy_blocks,
        {
            "item_id": _legacy_key,
            "other_ids": all_of("Product Code/SKU"),
            "title": "Product Name",
            "description": "Product Description",
            "brand": "Brand Name",
            "categories": lambda row: paths(parts(row["Category"], ";"), "/"),
            "images": _legacy_images,
            "published": lambda row: (
                flag(row, "Product Visible?") and flag(row, "Allow Purchases?")
            ),
            "price": "Price",
            "sale_price": "Sale Price",
            "compare_at_price": "Retail Price",
            "stock_quantity": lambda row: (
                row["Current Stock Level"] if word(row, "Track Inventory") == "by product" else None
            ),
            "gtin": ("Global Trade Item Number", "Product UPC/EAN"),
            "condition": "Product Condition",
            "url": lambda row: row["Product URL"],
        },
        {"sku": "Product Code/SKU", "price": "Price", "stock_quantity": "Current Stock Level"},
        is_product=lambda row: not _is_rule_or_sku(row),
        is_variant=lambda row: word(row, "Item Type").strip() == "sku",
        check=lambda reading, product, rows: without_free_sale(product),
    ),
)

FORMATS = (BIGCOMMERCE, BIGCOMMERCE_LEGACY)
