"""Shopify: product and order exports, tables of the GraphQL API in a warehouse, webhook bodies."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, with_option_names
from recommender.ingest.connectors.core import (
    Reading,
    Row,
    Signature,
    Table,
    rows_of,
)
from recommender.ingest.connectors.joins import grouped
from recommender.ingest.connectors.orders import (
    order_format,
    returned_amount,
)
from recommender.ingest.connectors.values import all_of, options, parts, paths

NO_OPTION = ("Title", "Default Title")
"""Name and value of the option of products without options."""


def _categories(*columns: str) -> Any:
    """The path of the category, else the shop's own type."""
    own = ("Type", "Custom Product Type")
    return lambda row: paths([value for value in [row.first(*columns, *own)] if value])


def _published(row: Row) -> bool | None:
    """Published online, and neither draft nor archived."""
    status = str(row["Status"] or "active").casefold()
    shown = row.first("Published", "Published on online store")
    is_gift_card = str(row["Gift Card"]).casefold() == "true"
    return status == "active" and str(shown).casefold() != "false" and not is_gift_card


def _quantity(row: Row) -> Any:
    """The stock, where it is tracked and ends the sale."""
    policy = str(row.first("Variant Inventory Policy", "Continue selling when out of stock"))
    tracked = row.first("Variant Inventory Tracker", "Inventory tracker")
    if tracked is None or policy.casefold() in ("continue", "true"):
        return None
    return row.first("Variant Inventory Qty", "Inventory quantity")


def _chosen(pairs: list[tuple[str, str]]) -> Any:
    read = options(pairs)

    def without_default(row: Row) -> dict[str, str]:
        return {n: v for n, v in read(row).items() if v != NO_OPTION[1]}

    return without_default


def _condition(row: Row) -> Any:
    return row["Google Shopping / Condition"]


def _checked(columns: list[str]) -> Any:
    def check(reading: Reading, product: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
        if any(str(row["Gift Card"]).casefold() == "true" for row in rows):
            reading.note("a gift card is not shown", product.get("title"))
        return with_option_names(product, rows, columns)

    return check


CLASSIC_OPTIONS = [(f"Option{n} Name", f"Option{n} Value") for n in (1, 2, 3)]
NEW_OPTIONS = [(f"Option{n} name", f"Option{n} value") for n in (1, 2, 3)]


def _by_handle(column: str) -> Any:
    def groups(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
        return grouped(rows_of(tables), lambda row: row[column])

    return groups


def _has_variant(*columns: str) -> Any:
    """A row with only a picture is no variant."""
    return lambda row: row.first(*columns) is not None


PRODUCTS_CSV = catalog(
    "shopify_products",
    "Shopify products",
    Signature(("handle", "title"), ("variant price", "variant sku", "option1 value")),
    Catalog(
        _by_handle("Handle"),
        {
            "item_id": "Handle",
            "title": "Title",
            "description": "Body (HTML)",
            "brand": "Vendor",
            "categories": _categories("Product Category", "Standard Product Type"),
            "tags": lambda row: parts(row["Tags"]),
            "published": _published,
            "images": all_of("Image Src"),
            "condition": _condition,
        },
        {
            "sku": "Variant SKU",
            "gtin": "Variant Barcode",
            "options": _chosen(CLASSIC_OPTIONS),
            "price": "Variant Price",
            "compare_at_price": "Variant Compare At Price",
            "stock_quantity": _quantity,
            "image": "Variant Image",
        },
        is_variant=_has_variant("Variant Price", "Variant SKU", "Option1 Value"),
        check=_checked([name for name, _ in CLASSIC_OPTIONS]),
    ),
)
PRODUCTS_NEW = catalog(
    "shopify_products_new",
    "Shopify products (columns of 2024)",
    Signature(("url handle", "title"), ("price", "sku", "option1 value")),
    Catalog(
        _by_handle("URL handle"),
        {
            "item_id": "URL handle",
            "title": "Title",
            "description": "Description",
            "brand": "Vendor",
            "categories": _categories("Product category"),
            "tags": lambda row: parts(row["Tags"]),
            "published": _published,
            "images": all_of("Product image URL"),
            "condition": _condition,
        },
        {
            "sku": "SKU",
            "gtin": "Barcode",
            "options": _chosen(NEW_OPTIONS),
            "price": "Price",
            "compare_at_price": "Compare-at price",
            "stock_quantity": _quantity,
            "image": "Variant image URL",
        },
        is_variant=_has_variant("Price", "SKU", "Option1 value"),
        check=_checked([name for name, _ in NEW_OPTIONS]),
    ),
)


def _mail(row: Row) -> str | None:
    """The shopper of an e-mail, where the shop takes it for an identity."""
    mail, shopper_of = row["Email"], row.reading.shopper_of_mail
    return shopper_of(mail) if mail and shopper_of else None


def _status(order: Row) -> str | None:
    """Why an order is no purchase; None where it is one."""
    if order["Cancelled at"]:
        return "cancelled"
    status = str(order["Financial Status"] or "").casefold()
    return status if status in ("voided", "expired") else None


ORDERS_CSV = order_format(
    "shopify_orders",
    "Shopify orders",
    Signature(("name", "lineitem quantity"), ("lineitem sku", "lineitem name")),
    groups=lambda reading, tables: grouped(rows_of(tables), lambda row: row.first("Name", "Id")),
    order={
        "id": ("Id", "Name"),
        "occurred_at": "Created at",
        "user_id": _mail,
        "currency": "Currency",
        "refunded": lambda row: returned_amount(
            row["Financial Status"], row["Refunded Amount"], row.first("Total", "Subtotal")
        ),
        "left_out": _status,
    },
    line={
        "item_id": "Lineitem sku",
        "item_title": "Lineitem name",
        "quantity": "Lineitem quantity",
        "price": "Lineitem price",
        "discount": "Lineitem discount",
    },
    looks_up=True,
)


def global_number(row: Row, name: str = "id", gid: str = "admin_graphql_api_id") -> str | None:
    """The number of an id: that of the global id, because JSON numbers lose digits."""
    value = row.first(gid, name)
    return None if value is None else str(value).rpartition("/")[2]


FORMATS = (PRODUCTS_CSV, PRODUCTS_NEW, ORDERS_CSV)
