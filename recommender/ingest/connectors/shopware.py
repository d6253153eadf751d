"""Shopware 6: product exports."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog
from recommender.ingest.connectors.core import Reading, Row, Signature, Table, rows_of
from recommender.ingest.connectors.joins import grouped
from recommender.ingest.connectors.values import (
    all_of,
    flag,
    from_json,
    parts,
)


def _shopware_key(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    """Products with their variants, which name them by parent_id or have the same number."""
    number_of = {}
    for table in tables["rows"]:
        for row in table.rows(again=True):
            if not row["parent_id"] and row["id"]:
                number_of[str(row["id"])] = str(row["product_number"])
    return grouped(
        rows_of(tables),
        lambda row: number_of.get(str(row["parent_id"]), str(row["product_number"] or row["id"])),
    )


def _shopware_price(row: Row) -> Any:
    """The price with tax, in one of the currencies."""
    gross = row.first("price_gross", f"price_gross_{row.reading.currency.casefold()}")
    if gross is not None:
        return gross
    held = from_json(row["price"])
    return held.get("gross") if isinstance(held, dict) else row["price_net"]


SHOPWARE_SOLD = {
    "price": _shopware_price,
    "stock_quantity": lambda row: row.first("available_stock", "stock"),
    "gtin": "ean",
}
SHOPWARE = catalog(
    "shopware_products",
    "Shopware 6 products",
    Signature(("product_number", "name"), ("parent_id", "price_net", "tax_rate")),
    Catalog(
        _shopware_key,
        {
            "item_id": "product_number",
            "other_ids": all_of("id"),
            "title": "name",
            "description": "description",
            "brand": "manufacturer_name",
            "categories": lambda row: parts(row["categories"], "|"),
            "images": all_of("cover_media_url"),
            "published": lambda row: flag(row, "active"),
            "attributes": lambda row: from_json(row["custom_fields"]) or {},
            **SHOPWARE_SOLD,
        },
        {
            "id": "product_number",
            "other_ids": all_of("id"),
            "image": "cover_media_url",
            **SHOPWARE_SOLD,
        },
        is_product=lambda row: not row["parent_id"],
        is_variant=lambda row: row["parent_id"] is not None,
        check=lambda reading, product, rows: _inherited(product),
    ),
)


def _inherited(product: dict[str, Any]) -> dict[str, Any]:
    """Variants inherit what they leave blank."""
    for variant in product.get("variants", ()):
        if "price" not in variant and "price" in product:
            variant["price"] = product["price"]
    return product


FORMATS = (SHOPWARE,)
