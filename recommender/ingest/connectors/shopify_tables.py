"""Shopify: tables of the GraphQL API in a warehouse."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, with_ids
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
from recommender.ingest.connectors.orders import (
    Order,
    orders_of,
    returned_amount,
)
from recommender.ingest.connectors.shopify import NO_OPTION, global_number
from recommender.ingest.connectors.values import all_of, number, paths


def _not_deleted(row: Row) -> bool:
    return str(row["_fivetran_deleted"]).casefold() not in ("true", "1")


def _published_in_table(row: Row) -> bool:
    return _not_deleted(row) and str(row["status"] or "active").casefold() == "active"


def _with_variants(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    """Each product with the rows of its variants."""
    variants = Lookup(rows_of(tables, "variants"), lambda row: row["product_id"])
    for row in rows_of(tables, "products"):
        yield [row, *variants[global_number(row)]]
    variants.close()


VARIANT = {
    "id": lambda row: global_number(row, "id", "legacy_resource_id"),
    "sku": "sku",
    "gtin": "barcode",
    "options": lambda row: {"Title": row["title"]} if row["title"] not in NO_OPTION else {},
    "price": "price",
    "compare_at_price": "compare_at_price",
    "stock_quantity": lambda row: (
        None if str(row["inventory_policy"]).casefold() == "continue" else row["inventory_quantity"]
    ),
}
GRAPHQL_PRODUCTS = catalog(
    "shopify_graphql_products",
    "Shopify products (GraphQL tables)",
    Signature(),
    Catalog(
        _with_variants,
        {
            "item_id": global_number,
            "title": "title",
            "description": ("description_html", "body_html", "description"),
            "brand": "vendor",
            "categories": lambda row: paths(filter(None, [row["product_type"]])),
            "published": _published_in_table,
            "other_ids": all_of("handle"),
        },
        VARIANT,
        is_product=lambda row: row["handle"] is not None or row["product_id"] is None,
        is_variant=lambda row: row["product_id"] is not None and _not_deleted(row),
    ),
    tables={
        "products": Signature(("id", "handle", "title", "status"), ("vendor", "product_type")),
        "variants": Signature(
            ("id", "product_id", "price"), ("inventory_policy", "sku"), ("order_id",)
        ),
    },
    required={"products": ""},
)


def _variants_alone(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """Variants of products that the shop has already: their prices and stock."""
    for rows in grouped(rows_of(tables, "variants"), lambda row: row["product_id"]):
        item_id = str(rows[0]["product_id"])
        stored = reading.stored(item_id) or {}
        product = {"item_id": item_id, "images": stored.get("images") or []}
        kept = [row.filled(VARIANT) for row in rows if _not_deleted(row)]
        yield PRODUCTS, rows[0].line, {**product, "variants": with_ids(item_id, kept)}


GRAPHQL_VARIANTS = Format(
    "shopify_graphql_variants",
    "Shopify variants (GraphQL table)",
    {"variants": GRAPHQL_PRODUCTS.tables["variants"]},
    _variants_alone,
    (PRODUCTS,),
    product_columns=("variants",),
    looks_up=True,
    only_known=True,
)
CUSTOMERS = simple(
    "shopify_customers",
    "Shopify customers",
    SHOPPERS,
    Signature(("id", "email", "state"), ("email_marketing_consent_state", "verified_email")),
    {
        "user_id": global_number,
        "first_seen": "created_at",
        "attributes": lambda row: {
            name: row[name] for name in ("orders_count",) if row[name] is not None
        },
    },
)


def _graphql_left_out(order: Row) -> str | None:
    if order["cancelled_at"]:
        return "cancelled"
    if str(order["test"]).casefold() == "true":
        return "test"
    if not _not_deleted(order):
        return "deleted"
    status = str(order.first("display_financial_status", "financial_status") or "").casefold()
    return status if status in ("voided", "expired") else None


def _table_orders(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Order]:
    """Orders of the table of orders, with the lines and refunds of the tables beside it."""
    lines = Lookup(rows_of(tables, "lines"), lambda row: row["order_id"])
    refunds = Lookup(
        rows_of(tables, "refunds"), lambda row: row.first("order_line_id", "line_item_id")
    )
    for row in rows_of(tables, "orders"):
        of_order = lines[row["id"]]
        if not of_order:
            reading.note("an order has no lines in the files that were given", row["id"])
        returned = {
            line["id"]: sum(number(r["quantity"]) or 0 for r in refunds[line["id"]])
            for line in of_order
        }
        yield Order(
            row.filled(GRAPHQL_ORDER),
            [
                (line, {**line.filled(GRAPHQL_LINE), "returned": returned[line["id"]]})
                for line in of_order
            ],
            row,
        )
    lines.close()
    refunds.close()


GRAPHQL_ORDER = {
    "id": global_number,
    "occurred_at": ("processed_at", "created_at"),
    "user_id": "customer_id",
    "currency": ("total_price_set_shop_currency_code", "currency_code", "currency"),
    "refunded": lambda row: returned_amount(row["display_financial_status"], None, None),
    "left_out": _graphql_left_out,
}
GRAPHQL_LINE = {
    "item_id": ("variant_id", "sku", "product_id"),
    "or_item_id": "product_id",
    "quantity": "quantity",
    "value": lambda row: _total(
        row.first("original_total_set_shop_amount"), row["total_discount_set_shop_amount"]
    ),
}


def _total(full: Any, discount: Any) -> float | None:
    value = number(full)
    return None if value is None else value - (number(discount) or 0)


GRAPHQL_ORDERS = Format(
    "shopify_graphql_orders",
    "Shopify orders (GraphQL tables)",
    {
        "orders": Signature(
            ("id", "name", "processed_at"), ("display_financial_status", "customer_id")
        ),
        "lines": Signature(("id", "order_id", "quantity"), ("product_id", "variant_id")),
        "refunds": Signature(("id", "quantity"), ("order_line_id", "line_item_id"), ("order_id",)),
    },
    lambda reading, tables: orders_of(reading, _table_orders(reading, tables)),
    ("events",),
    required={
        "orders": "lines of orders have no date and no shopper: give the file of orders beside it",
        "lines": "the lines of these orders lie in another file: give order_line beside it",
    },
    replaces=True,
    looks_up=True,
)
CHECKOUTS = Format(
    "shopify_checkouts",
    "Shopify abandoned checkouts",
    {"rows": Signature(("abandoned_checkout_url", "id"))},
    lambda reading, tables: iter(()),
    (),
    required={"lines": "a table of checkouts names no products; nothing can be learned from it"},
)

FORMATS = (GRAPHQL_PRODUCTS, GRAPHQL_VARIANTS, CUSTOMERS, GRAPHQL_ORDERS, CHECKOUTS)
