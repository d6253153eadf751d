"""Shopify: products, orders, tables, webhook bodies."""

import pytest

from recommender.models import Event, Product
from tests.ingest.connectors.shopify_rows import CLASSIC, lines


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


def test_a_line_without_sku_is_known_by_its_title(stocked_by_handle, take):
    names = ["Lamp & shade - Red", "Vase", "Nothing like it"]
    rows = [{**ORDER, "Lineitem sku": "", "Lineitem name": name} for name in names]
    report = take({"orders.csv": rows})
    assert {e.product.item_id for e in Event.objects.all()} == {"lamp", "vase"}
    assert [r.reason for r in report.reasons()] == ["item_id: is not a known product"]
