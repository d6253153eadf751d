"""Shopify: bodies of webhooks and of the Admin API."""

from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, one_by_one
from recommender.ingest.connectors.core import (
    Format,
    Reading,
    Row,
    Signature,
    rows_of,
)
from recommender.ingest.connectors.orders import (
    Order,
    orders_of,
    returned_amount,
)
from recommender.ingest.connectors.shopify import NO_OPTION, global_number
from recommender.ingest.connectors.values import all_of, number, parts, paths


def webhook_line(line: dict[str, Any], row: Row) -> dict[str, Any]:
    """A line of an order in JSON."""
    discounts = line.get("discount_allocations") or []
    discount = sum(number(one.get("amount")) or 0 for one in discounts) or number(
        line.get("total_discount")
    )
    quantity, price = number(line.get("quantity")), number(line.get("price"))
    value = None if None in (quantity, price) else quantity * price - (discount or 0)
    return {
        "item_id": line.get("variant_id") or line.get("sku") or line.get("product_id"),
        "or_item_id": line.get("product_id") or line.get("sku"),
        "and_item_id": line.get("sku"),
        "quantity": line.get("quantity"),
        "value": value,
        "returned": _refunded_quantity(row, line.get("id")),
    }


def _refunded_quantity(row: Row, line_id: Any) -> float:
    refunds = row["refunds"] or []
    return sum(
        number(one.get("quantity")) or 0
        for refund in refunds
        for one in refund.get("refund_line_items") or []
        if one.get("line_item_id") == line_id
    )


def _webhook_left_out(order: Row) -> str | None:
    if order["cancelled_at"]:
        return "cancelled"
    if order["test"] is True:
        return "test"
    status = str(order["financial_status"] or "").casefold()
    return status if status in ("voided", "expired") else None


def _webhook_shopper(row: Row) -> str | None:
    customer = row["customer"]
    if not isinstance(customer, dict) or not customer.get("id"):
        return None
    named = customer.get("admin_graphql_api_id") or customer["id"]
    return str(named).rpartition("/")[2]


WEBHOOK_ORDER = {
    "id": global_number,
    "occurred_at": ("processed_at", "created_at"),
    "user_id": _webhook_shopper,
    "currency": "currency",
    "refunded": lambda row: (
        0.0 if row["refunds"] else returned_amount(row["financial_status"], None, None)
    ),
    "left_out": _webhook_left_out,
}


def order_of_webhook(row: Row) -> Order:
    """The order of a webhook body."""
    lines = [line for line in row["line_items"] or [] if isinstance(line, dict)]
    return Order(row.filled(WEBHOOK_ORDER), [(row, webhook_line(one, row)) for one in lines], row)


WEBHOOK_ORDERS = Format(
    "shopify_order_json",
    "Shopify orders (JSON)",
    {"rows": Signature(("line_items",), ("financial_status", "admin_graphql_api_id"))},
    lambda reading, tables: orders_of(reading, map(order_of_webhook, rows_of(tables))),
    ("events",),
    replaces=True,
    looks_up=True,
)


def _json_variants(product: dict[str, Any], row: Row) -> list[dict[str, Any]]:
    names = [one.get("name") for one in row["options"] or [] if isinstance(one, dict)]
    images = {one.get("id"): one.get("src") for one in row["images"] or [] if isinstance(one, dict)}
    out = []
    for one in row["variants"] or []:
        chosen = {
            name: one.get(f"option{n}")
            for n, name in enumerate(names, 1)
            if one.get(f"option{n}") and one[f"option{n}"] != NO_OPTION[1]
        }
        sells_on = one.get("inventory_policy") == "continue" or not one.get("inventory_management")
        variant = {
            "id": str(one.get("id")),
            "sku": one.get("sku"),
            "gtin": one.get("barcode"),
            "options": chosen,
            "price": one.get("price"),
            "compare_at_price": one.get("compare_at_price"),
            "stock_quantity": None if sells_on else one.get("inventory_quantity"),
            "image": images.get(one.get("image_id")),
            "other_ids": [f"inventory:{one['inventory_item_id']}"]
            if one.get("inventory_item_id")
            else [],
        }
        out.append({name: v for name, v in variant.items() if v not in (None, "", {}, [])})
    return out


def _of_json(reading: Reading, product: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    variants = _json_variants(product, rows[0])
    return {**product, "variants": variants} if variants else product


WEBHOOK_PRODUCTS = catalog(
    "shopify_product_json",
    "Shopify products (JSON)",
    Signature(("handle", "variants"), ("body_html", "product_type")),
    Catalog(
        one_by_one,
        {
            "item_id": global_number,
            "title": "title",
            "description": "body_html",
            "brand": "vendor",
            "categories": lambda row: paths(filter(None, [row["product_type"]])),
            "tags": lambda row: parts(row["tags"]),
            "published": lambda row: (
                str(row["status"] or "active") == "active" and row["published_at"] is not None
            ),
            "images": lambda row: [one["src"] for one in row["images"] or [] if one.get("src")],
            "other_ids": all_of("handle"),
        },
        has_variants=True,
        check=_of_json,
    ),
)

FORMATS = (WEBHOOK_ORDERS, WEBHOOK_PRODUCTS)
