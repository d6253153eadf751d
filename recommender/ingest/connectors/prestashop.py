"""PrestaShop and thirty bees: products and their combinations, in the columns of the import."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, choices_of, with_ids
from recommender.ingest.connectors.core import (
    PRODUCTS,
    SHOPPERS,
    Format,
    Reading,
    Record,
    Row,
    Signature,
    Table,
    rows_of,
    simple,
)
from recommender.ingest.connectors.joins import Lookup, grouped
from recommender.ingest.connectors.values import number, parts, paths

PRICE = (
    "Price tax included",
    "Price tax excluded or Price tax included",
    "Price tax excluded",
    "Price",
)


def _several(*columns: str) -> Any:
    """A list with ; or, where there is none, with commas."""

    def read(row: Row) -> list[str]:
        text = row.first(*columns)
        return parts(text, ";" if text and ";" in str(text) else ",")

    return read


def _shown(row: Row) -> bool:
    return str(row["Active (0/1)"] or "1") == "1" and str(row["Visibility"] or "") != "none"


def _sale(row: Row) -> float | None:
    """The price less the discount of a sale."""
    price, amount, share = (
        number(row.first(*PRICE)),
        row["Discount amount"],
        row["Discount percent"],
    )
    if price is None or (not number(amount) and not number(share)):
        return None
    return round(price - (number(amount) or 0) - price * (number(share) or 0) / 100, 4)


def _features(row: Row) -> dict[str, str]:
    """Name:Value:Position, several with commas."""
    found = (one.split(":") for one in parts(row["Feature(Name:Value:Position)"]))
    return {one[0].strip(): one[1].strip() for one in found if len(one) > 1}


def _quantity(row: Row) -> Any:
    """The stock; where orders are taken without it, none."""
    return None if str(row["Out of stock"] or "0") == "1" else row["Quantity"]


def _with_combinations(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    combinations = Lookup(rows_of(tables, "combinations"), lambda row: row["Product ID"])
    for row in rows_of(tables, "products"):
        yield [row, *combinations[row["Product ID"]]]
    combinations.close()


def _options(row: Row) -> dict[str, str]:
    """Color:color:0; Size:select:1 with Blue:0; M:1"""
    names = parts(row["Attribute (Name:Type:Position)"], ";")
    values = parts(row["Value (Value:Position)"], ";")
    pairs = zip(names, values, strict=False)
    return {name.split(":")[0].strip(): value.split(":")[0].strip() for name, value in pairs}


COMBINATION = {
    "sku": "Reference",
    "id": ("Reference", "EAN13"),
    "gtin": "EAN13",
    "options": _options,
    "stock_quantity": "Quantity",
    "image": lambda row: next(iter(_several("Image URL")(row)), None),
}


def _variants(product: dict[str, Any], rows: list[Row]) -> list[dict[str, Any]]:
    """Combinations: each price is that of the product and the difference that it makes; a discount
    of the product is one of all.
    """
    price, sale = number(product.get("price")), number(product.get("sale_price"))
    variants = []
    for row in rows:
        variant = row.filled(COMBINATION)
        if price is not None:
            variant["price"] = round(price + (number(row["Impact on price"]) or 0), 4)
            if sale is not None:
                variant["sale_price"] = round(max(0.0, variant["price"] - price + sale), 4)
        variants.append(variant)
    return with_ids(str(product["item_id"]), variants)


def _with_variants(product: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    variants = _variants(product, rows)
    if not variants:
        return product
    attributes = {**choices_of(variants), **product.get("attributes", {})}
    return {**product, "variants": variants, "attributes": attributes}


def _checked(reading: Reading, product: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    return _with_variants(product, rows[1:])


PRODUCTS_CSV = catalog(
    "prestashop_products",
    "PrestaShop products",
    Signature(),
    Catalog(
        _with_combinations,
        {
            "item_id": "Product ID",
            "other_ids": lambda row: [str(row["Reference #"])] if row["Reference #"] else [],
            "title": "Name",
            "description": lambda row: row.first("Description", "Short description"),
            "brand": ("Manufacturer", "Supplier"),
            "categories": lambda row: paths(_several("Categories (x;y;z...)")(row), "/", ("Home",)),
            "tags": _several("Tags (x;y;z...)"),
            "images": _several("Image URLs (x;y;z...)"),
            "published": _shown,
            "price": PRICE,
            "sale_price": _sale,
            "sale_from": "Discount from (yyyy-mm-dd)",
            "sale_until": "Discount to (yyyy-mm-dd)",
            "stock_quantity": _quantity,
            "available_from": "Product available date",
            "condition": "Condition",
            "gtin": "EAN13",
            "attributes": _features,
        },
        is_product=lambda row: row["Name"] is not None,
        has_variants=True,
        check=_checked,
    ),
    tables={
        "products": Signature(("product id", "active (0/1)", "name")),
        "combinations": Signature(("product id", "attribute (name:type:position)")),
    },
    required={"products": ""},
)


def _alone(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """Combinations of products that the shop has already."""
    for rows in grouped(rows_of(tables, "combinations"), lambda row: row["Product ID"]):
        item_id = str(rows[0]["Product ID"])
        product = {"item_id": item_id, **(reading.stored(item_id) or {})}
        yield PRODUCTS, rows[0].line, _with_variants(product, rows)


COMBINATIONS_CSV = Format(
    "prestashop_combinations",
    "PrestaShop combinations",
    {"combinations": Signature(("product id", "attribute (name:type:position)"))},
    _alone,
    (PRODUCTS,),
    product_columns=("variants", "attributes"),
    looks_up=True,
    only_known=True,
)
CUSTOMERS_CSV = simple(
    "prestashop_customers",
    "PrestaShop customers",
    SHOPPERS,
    Signature(("customer id", "active (0/1)"), ("email", "password")),
    {"user_id": "Customer ID", "first_seen": "Registration date"},
)
FORMATS = (PRODUCTS_CSV, COMBINATIONS_CSV, CUSTOMERS_CSV)
