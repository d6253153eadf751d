"""Shopify: products, orders, tables, webhook bodies."""

import json

import pytest

from recommender.models import Event, Product

CLASSIC = [
    {
        "Handle": "lamp",
        "Title": "Lamp &amp; shade",
        "Body (HTML)": "<meta charset='utf-8'><p>Warm&nbsp;light</p>",
        "Vendor": "Lumo",
        "Product Category": "Home > Lighting",
        "Type": "Lamps",
        "Tags": "warm, desk",
        "Published": "true",
        "Option1 Name": "Colour",
        "Option1 Value": "Red",
        "Variant SKU": "LA-R",
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": "0",
        "Variant Inventory Policy": "deny",
        "Variant Price": "20.00",
        "Variant Compare At Price": "25.00",
        "Image Src": "https://shop.example/lamp-1.jpg",
        "Gift Card": "false",
        "Status": "active",
    },
    {
        "Handle": "lamp",
        "Option1 Value": "Blue",
        "Variant SKU": "LA-B",
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": "4",
        "Variant Inventory Policy": "deny",
        "Variant Price": "22.00",
        "Image Src": "https://shop.example/lamp-2.jpg",
    },
    {"Handle": "lamp", "Image Src": "https://shop.example/lamp-3.jpg"},
    {
        "Handle": "vase",
        "Title": "Vase",
        "Type": "Vases",
        "Published": "true",
        "Option1 Name": "Title",
        "Option1 Value": "Default Title",
        "Variant Price": "9.00",
        "Variant Inventory Policy": "continue",
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": "-3",
        "Status": "draft",
    },
]


def product(item_id):
    return Product.objects.get(item_id=item_id)


def test_rows_of_a_handle_are_one_product_with_variants_and_all_pictures(take):
    report = take({"products_export.csv": CLASSIC})
    assert report.format == "shopify_products"
    assert (report.counts["products"], report.counts["variants"], report.errors) == (2, 3, [])
    lamp = product("lamp")
    assert (lamp.title, lamp.brand, lamp.description) == ("Lamp & shade", "Lumo", "Warm light")
    assert (lamp.categories, lamp.tags) == (["Home > Lighting"], ["warm", "desk"])
    assert lamp.images == [f"https://shop.example/lamp-{n}.jpg" for n in (1, 2, 3)]
    assert (lamp.price, lamp.stock_state, lamp.stock_quantity) == (22, "in_stock", 4)
    assert lamp.attributes == {"Colour": ["Red", "Blue"]}
    assert [v["id"] for v in lamp.variants] == ["LA-R", "LA-B"]


def test_drafts_are_not_published_and_the_default_option_is_none(take):
    take({"products_export.csv": CLASSIC})
    vase = product("vase")
    assert (vase.published, vase.hidden) == (False, False)
    assert (vase.attributes, vase.categories, vase.stock_quantity) == ({}, ["Vases"], None)


def test_a_merchandisers_switch_survives_the_next_import(take):
    take({"products_export.csv": CLASSIC})
    Product.objects.filter(item_id="lamp").update(hidden=True)
    assert take({"products_export.csv": CLASSIC}).outcomes["products"]["same"] == 2
    assert product("lamp").hidden


def test_the_new_template(take):
    rows = [
        {
            "Title": "Shirt",
            "URL handle": "shirt",
            "Description": "Cotton",
            "Vendor": "Acme",
            "Product category": "Clothing > Tops",
            "Published on online store": "TRUE",
            "Status": "Active",
            "SKU": "SH-S",
            "Option1 name": "Size",
            "Option1 value": "S",
            "Price": "10",
            "Compare-at price": "15",
            "Inventory tracker": "shopify",
            "Inventory quantity": "3",
            "Continue selling when out of stock": "DENY",
            "Product image URL": "https://shop.example/s.jpg",
        },
        {"URL handle": "shirt", "SKU": "SH-M", "Option1 value": "M", "Price": "11"},
    ]
    report = take({"products.csv": rows})
    assert report.format == "shopify_products_new"
    shirt = product("shirt")
    assert (shirt.price, shirt.compare_at_price, len(shirt.variants)) == (10, 15, 2)
    assert shirt.attributes == {"Size": ["S", "M"]}


ORDER = {
    "Name": "#1001",
    "Email": "Ann@Example.com",
    "Financial Status": "paid",
    "Currency": "GBP",
    "Total": "42.00",
    "Created at": "2025-12-06 10:37:33 -0500",
    "Lineitem quantity": "1",
    "Lineitem name": "Lamp",
    "Lineitem price": "20.00",
    "Lineitem discount": "2.00",
    "Lineitem sku": "LA-R",
    "Cancelled at": "",
    "Refunded Amount": "0.00",
    "Id": "77",
}
LINE = {
    "Name": "#1001",
    "Lineitem quantity": "2",
    "Lineitem name": "Lamp",
    "Lineitem price": "12.00",
    "Lineitem sku": "LA-B",
}


@pytest.fixture
def stocked_by_handle(take, shop):
    shop.currency = "GBP"
    shop.save()
    take({"products_export.csv": CLASSIC})


def lines(kind="purchase"):
    rows = Event.objects.filter(type=kind).order_by("line")
    return [(e.variant_id, e.quantity, e.value) for e in rows]


def test_lines_of_an_order_find_the_product_by_sku_and_inherit_its_fields(stocked_by_handle, take):
    report = take({"orders_export.csv": [ORDER, LINE]})
    assert report.format == "shopify_orders"
    assert (report.counts["events"], report.errors) == ({"purchase": 2}, [])
    assert lines() == [("LA-R", 1, 18), ("LA-B", 2, 24)]
    shoppers = {e.shopper.user_id for e in Event.objects.all()}
    assert len(shoppers) == 1 and "@" not in shoppers.pop()
    assert {e.product.item_id for e in Event.objects.all()} == {"lamp"}


def test_an_email_is_compared_in_one_case_and_may_be_no_identity(stocked_by_handle, take):
    take({"a.csv": [ORDER], "b.csv": [{**ORDER, "Id": "78", "Email": " ann@example.com"}]})
    assert Event.objects.values("shopper").distinct().count() == 1
    take({"c.csv": [{**ORDER, "Id": "79"}]}, mail_is_identity=False)
    assert Event.objects.filter(shopper=None, session_id="order-79").count() == 1


def test_an_edited_order_replaces_the_stored_one(stocked_by_handle, take):
    take({"orders.csv": [ORDER, LINE]})
    report = take({"orders.csv": [{**ORDER, "Lineitem quantity": "5"}, LINE]})
    assert report.outcomes["events"] == {"changed": 2}
    assert lines() == [("LA-R", 5, 98), ("LA-B", 2, 24)]
    take({"orders.csv": [{**ORDER, "Lineitem quantity": "5"}]})
    assert lines() == [("LA-R", 5, 98)]


@pytest.mark.parametrize("fields", [{"Cancelled at": "2025-12-07"}, {"Financial Status": "voided"}])
def test_a_cancelled_order_is_no_purchase_and_withdraws_a_stored_one(
    stocked_by_handle, take, fields
):
    take({"orders.csv": [ORDER, LINE]})
    report = take({"orders.csv": [{**ORDER, **fields}, LINE]})
    assert not Event.objects.exists()
    assert any("its lines are no purchases" in text for text in report.warnings)


def test_a_refunded_order_goes_back_as_a_whole(stocked_by_handle, take):
    fields = {"Financial Status": "refunded", "Refunded Amount": "42.00"}
    report = take({"orders.csv": [{**ORDER, **fields}, LINE]})
    assert report.counts["events"] == {"purchase": 2, "return": 2}
    assert lines("return") == [("LA-R", 1, 18), ("LA-B", 2, 24)]


def test_a_partial_refund_is_the_line_with_its_value_or_lowers_all(stocked_by_handle, take):
    partly = {"Financial Status": "partially_refunded", "Refunded Amount": "24.00"}
    take({"orders.csv": [{**ORDER, **partly}, LINE]})
    assert lines("return") == [("LA-B", 2, 24)]
    Event.objects.all().delete()
    report = take({"orders.csv": [{**ORDER, **partly, "Refunded Amount": "4.20"}, LINE]})
    assert lines() == [("LA-R", 1, 16.2), ("LA-B", 2, 21.6)]
    assert lines("return") == []
    assert any("fits no line" in text for text in report.warnings)


def test_orders_of_another_currency_are_rejected(stocked_by_handle, take):
    report = take({"orders.csv": [{**ORDER, "Currency": "INR"}]})
    assert [r.reason for r in report.reasons()] == ["currency: must be GBP, this shop's"]


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
