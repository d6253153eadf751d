"""Shopify: tables of the GraphQL API, and bodies of webhooks."""

import json

import pytest

from recommender.models import Event, Product
from tests.ingest.connectors.shopify_rows import lines


def product(item_id):
    return Product.objects.get(item_id=item_id)


WEBHOOK = {
    "id": 820982911946154500,
    "admin_graphql_api_id": "gid://shopify/Order/820982911946154508",
    "cancelled_at": None,
    "created_at": "2025-12-31T19:00:00-05:00",
    "currency": "GBP",
    "financial_status": "paid",
    "test": False,
    "customer": {"id": 1, "admin_graphql_api_id": "gid://shopify/Customer/115"},
    "line_items": [
        {"id": 1, "price": "20.00", "quantity": 2, "sku": "LA-R", "product_id": 5, "variant_id": 6},
        {"id": 2, "price": "22.00", "quantity": 1, "sku": "LA-B", "product_id": 5, "variant_id": 7},
    ],
    "refunds": [{"refund_line_items": [{"line_item_id": 1, "quantity": 1}]}],
}


def test_the_body_of_an_order_webhook(stocked_by_handle, take):
    report = take({"order.json": json.dumps(WEBHOOK, indent=1)})
    assert report.format == "shopify_order_json"
    assert report.counts["events"] == {"purchase": 2, "return": 1}
    assert lines("return") == [("LA-R", 1, 20)]
    event = Event.objects.first()
    assert (event.event_id, event.shopper.user_id) == ("order-820982911946154508", "115")


@pytest.mark.parametrize("fields", [{"test": True}, {"cancelled_at": "2026-01-01T00:00:00Z"}])
def test_test_orders_are_no_purchases(stocked_by_handle, take, fields):
    take({"order.json": json.dumps({**WEBHOOK, **fields}, indent=1)})
    assert not Event.objects.exists()


def test_the_body_of_a_product_webhook(take):
    body = {
        "id": 842,
        "admin_graphql_api_id": "gid://shopify/Product/842",
        "title": "Pot",
        "body_html": "<b>Clay</b>",
        "vendor": "Acme",
        "product_type": "Pots",
        "handle": "pot",
        "status": "active",
        "published_at": "2025-01-01T00:00:00Z",
        "tags": "clay, red",
        "options": [{"name": "Size"}],
        "images": [{"id": 9, "src": "https://shop.example/pot.jpg"}],
        "variants": [
            {
                "id": 11,
                "sku": "P-S",
                "price": "5.00",
                "option1": "S",
                "inventory_quantity": 3,
                "inventory_management": "shopify",
                "inventory_policy": "deny",
                "image_id": 9,
            }
        ],
    }
    take({"product.json": json.dumps(body, indent=1)})
    pot = product("842")
    assert (pot.title, pot.description, pot.price, pot.other_ids) == ("Pot", "Clay", 5, ["pot"])
    assert pot.variants[0]["options"] == {"Size": "S"}


def test_tables_of_a_warehouse_are_joined(stocked_by_handle, take):
    products = [
        {
            "id": "1",
            "handle": "cup",
            "title": "Cup",
            "status": "ACTIVE",
            "vendor": "Acme",
            "product_type": "Cups",
            "_fivetran_deleted": "FALSE",
        },
        {
            "id": "2",
            "handle": "old",
            "title": "Old",
            "status": "ARCHIVED",
            "vendor": "Acme",
            "product_type": "Cups",
            "_fivetran_deleted": "FALSE",
        },
    ]
    variants = [
        {
            "id": "31",
            "product_id": "1",
            "sku": "CU",
            "title": "Default Title",
            "price": "6.00",
            "inventory_policy": "DENY",
            "inventory_quantity": "4",
        }
    ]
    orders = [
        {
            "id": "9",
            "name": "#9",
            "processed_at": "2025-07-18 09:00:00",
            "customer_id": "44",
            "display_financial_status": "PAID",
            "test": "FALSE",
            "cancelled_at": "",
        },
        {
            "id": "10",
            "name": "#10",
            "processed_at": "2025-07-18 09:00:00",
            "customer_id": "45",
            "display_financial_status": "PAID",
            "test": "TRUE",
            "cancelled_at": "",
        },
    ]
    order_lines = [
        {
            "id": "71",
            "order_id": "9",
            "product_id": "1",
            "variant_id": "31",
            "quantity": "2",
            "original_total_set_shop_amount": "12.00",
            "total_discount_set_shop_amount": "2.00",
        },
        {
            "id": "72",
            "order_id": "10",
            "product_id": "1",
            "variant_id": "31",
            "quantity": "2",
            "original_total_set_shop_amount": "12.00",
            "total_discount_set_shop_amount": "0",
        },
    ]
    files = {
        "product.csv": products,
        "variant.csv": variants,
        "order.csv": orders,
        "order_line.csv": order_lines,
    }
    report = take(files)
    assert report.format == "shopify_graphql_products + shopify_graphql_orders"
    assert (product("1").price, product("2").published) == (6, False)
    assert lines() == [("31", 2, 10)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["id", "order_id", "product_id", "variant_id", "quantity"], "have no date and no shopper"),
        (["id", "name", "processed_at", "customer_id"], "lie in another file"),
        (["abandoned_checkout_url", "id"], "nothing can be learned"),
    ],
)
def test_a_table_that_needs_another_one_says_so(take, columns, message):
    with pytest.raises(ValueError, match=message):
        take({"table.csv": [dict.fromkeys(columns, "1")]})


def test_customers(take, shop):
    row = {
        "id": "1001",
        "email": "a@example.com",
        "state": "enabled",
        "orders_count": "3",
        "email_marketing_consent_state": "NOT_SUBSCRIBED",
        "created_at": "2025-07-10 08:00:00",
    }
    report = take({"customer.csv": [row]})
    assert report.counts["shoppers"] == 1
    shopper = shop.shoppers.get(user_id="1001")
    assert (shopper.attributes, shopper.consent_personalisation) == ({"orders_count": "3"}, True)


def test_a_table_of_variants_updates_known_products(take):
    product = {"id": "1", "handle": "cup", "title": "Cup", "status": "ACTIVE", "vendor": "Acme"}
    take({"product.csv": [product]})
    variant = {
        "id": "31",
        "product_id": "1",
        "sku": "CU",
        "price": "6.00",
        "inventory_quantity": "3",
    }
    report = take({"variant.csv": [variant, {**variant, "id": "32", "product_id": "9"}]})
    assert report.format == "shopify_graphql_variants"
    cup = Product.objects.get()
    assert (cup.title, cup.price, cup.stock_state) == ("Cup", 6, "in_stock")
    assert len(report.errors) == 1
