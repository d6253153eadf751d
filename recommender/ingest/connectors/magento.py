"""Magento 2 (Adobe Commerce): product exports."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, without_free_sale
from recommender.ingest.connectors.core import Reading, Row, Signature, Table, rows_of
from recommender.ingest.connectors.joins import grouped
from recommender.ingest.connectors.values import all_of, number, parts, paths

ROOT = ("Default Category", "Root Catalog", "Base Category")
"""Categories above those that a shop shows."""
CONFIGURABLE = "configurable"
BOOKKEEPING = ("amrolepermissions_owner", "approval", "vendor_id", "min_down_payment")


def _pairs(text: Any, separator: str = ",") -> dict[str, str]:
    """a=b,c=d as an object; a part without = belongs to the value before it."""
    found: dict[str, str] = {}
    name = None
    for part in str(text or "").split(separator):
        key, equals, value = part.partition("=")
        if equals and key.strip().replace("_", "").isalnum():
            name = key.strip()
            found[name] = value.strip()
        elif name:
            found[name] += separator + part
    return found


def _attributes(row: Row) -> dict[str, Any]:
    """The additional attributes; | stands between several values."""
    out: dict[str, Any] = {}
    for name, value in _pairs(row["additional_attributes"]).items():
        values = parts(value, "|")
        if values and name not in BOOKKEEPING:
            out[name] = values if len(values) > 1 else values[0]
    return out


def _variations(row: Row) -> list[dict[str, str]]:
    """Variations of a configurable product: sku=…,size=…|sku=…,size=…"""
    return [_pairs(one) for one in parts(row["configurable_variations"], "|")]


def _families(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    """Configurable products with their simple ones; rows of other store views are left out."""
    parent_of = {
        child["sku"]: str(row["sku"])
        for table in tables["rows"]
        for row in table.rows(again=True)
        for child in _variations(row)
        if child.get("sku")
    }
    views: dict[str, int] = {}

    def default_rows() -> Iterator[Row]:
        for row in rows_of(tables):
            sku = str(row["sku"])
            if row["store_view_code"] and sku in views:
                reading.note("a row of another store view is left out", sku)
                continue
            views[sku] = 1
            yield row

    return grouped(default_rows(), lambda row: parent_of.get(str(row["sku"]), str(row["sku"])))


def _published(row: Row) -> bool:
    is_alone = str(row["visibility"] or "").casefold() != "not visible individually"
    return str(row["product_online"] or "1") in ("1", "1.0") and is_alone


def _stock(row: Row) -> Any:
    state = row["is_in_stock"]
    return None if state is None else "in_stock" if number(state) else "out_of_stock"


def _quantity(row: Row) -> Any:
    """The stock, where it is counted and no backorder is taken."""
    is_counted = (
        str(row["manage_stock"] or "1") != "0" and str(row["allow_backorders"] or "0") == "0"
    )
    quantity = number(row["qty"]) if is_counted else None
    return None if quantity is None else int(quantity)


SOLD = {
    "price": "price",
    "sale_price": "special_price",
    "stock_state": _stock,
    "stock_quantity": _quantity,
}


def _is_child(row: Row) -> bool:
    return str(row["product_type"] or "simple") in ("simple", "virtual")


def _checked(reading: Reading, product: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """Variants of a configurable product; a simple one has none."""
    if "title" not in product:
        product = {**rows[0].filled(PRODUCT), **product}
    product = without_free_sale(product)
    if str(rows[0]["product_type"]) != CONFIGURABLE and len(rows) == 1:
        product.pop("variants", None)
        return product
    chosen = {one.get("sku"): one for row in rows for one in _variations(row)}
    for variant in product.get("variants", ()):
        own = chosen.get(variant.get("sku")) or {}
        if choice := {name: value for name, value in own.items() if name != "sku"}:
            variant["options"] = choice
    return product


PRODUCT = {
    "item_id": "sku",
    "title": "name",
    "description": lambda row: "\n".join(
        filter(None, [row["short_description"], row["description"]])
    ),
    "brand": lambda row: (
        _pairs(row["additional_attributes"]).get("manufacturer")
        or _pairs(row["additional_attributes"]).get("brand")
    ),
    "categories": lambda row: paths(parts(row["categories"]), "/", ROOT),
    "images": lambda row: [
        *all_of("base_image")(row),
        *parts(row["additional_images"]),
    ],
    "published": _published,
    "sale_from": "special_price_from_date",
    "sale_until": "special_price_to_date",
    "attributes": _attributes,
    **SOLD,
}


PRODUCTS_CSV = catalog(
    "magento_products",
    "Magento 2 products",
    Signature(("sku", "product_type", "name"), ("attribute_set_code", "additional_attributes")),
    Catalog(
        _families,
        PRODUCT,
        {"sku": "sku", "image": "base_image", **SOLD},
        is_product=lambda row: not _in_family(row),
        is_variant=_is_child,
        check=_checked,
    ),
)


def _in_family(row: Row) -> bool:
    return str(row["visibility"] or "").casefold() == "not visible individually"


FORMATS = (PRODUCTS_CSV,)
