"""Variants: every id of a variant names its product, and lists show a product once."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from recommender.ingest import Parser, import_events, post_events, upsert_products
from recommender.ingest.products import COLUMNS
from recommender.models import Event, Product, ProductName

FILES = Parser(zone=UTC)
REST = Parser(typed=True)
SHIRT = {
    "item_id": "shirt",
    "title": "Shirt",
    "gtin": "4006381333931",
    "other_ids": ["842", "gid-842"],
    "images": ["https://shop.example/shirt.jpg"],
    "variants": [
        {"id": "v-s", "sku": "SH-S", "price": 25, "stock_quantity": 0, "options": {"Size": "S"}},
        {"id": "v-m", "sku": "SH-M", "price": 30, "stock_quantity": 4, "other_ids": ["9001"]},
        {
            "id": "v-l",
            "sku": "SH-L",
            "price": 32,
            "compare_at_price": 40,
            "stock_quantity": 2,
            "image": "https://shop.example/l.jpg",
        },
    ],
}


def put(shop, *rows):
    report = upsert_products(shop, list(enumerate(rows, 1)), COLUMNS, FILES)
    assert not report.errors
    return report


def test_price_stock_and_pictures_of_a_product_are_those_of_its_variants(shop):
    put(shop, SHIRT)
    shirt = Product.objects.get(item_id="shirt")
    assert (shirt.price, shirt.stock_state, shirt.stock_quantity) == (30, "in_stock", 6)
    assert shirt.images == ["https://shop.example/shirt.jpg", "https://shop.example/l.jpg"]
    assert shirt.variants[0] == {
        "id": "v-s",
        "sku": "SH-S",
        "price": 25.0,
        "stock_quantity": 0,
        "options": {"Size": "S"},
    }
    assert put(shop, SHIRT).same == 1


def test_a_product_is_sold_out_with_its_last_variant(shop):
    put(shop, {**SHIRT, "variants": [{"sku": "SH-S", "price": 25, "stock_quantity": 0}]})
    shirt = Product.objects.get(item_id="shirt")
    assert (shirt.price, shirt.stock_state) == (25, "out_of_stock")
    assert not Product.objects.showable().exists()


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ([{"price": 3}], "variants[0].id: is required, or sku or gtin"),
        ([{"sku": "a"}, {"sku": "a"}], "variants: has the id 'a' more than once"),
        ([{"sku": "a", "colour": "red"}], "variants[0].colour: is not a field of a variant"),
        ([{"sku": "a", "price": "cheap"}], "variants[0].price: 'cheap' is not an amount"),
        ("[1", "variants: is not a JSON list"),
    ],
)
def test_wrong_variants_reject_the_product(shop, variants, message):
    row = {"item_id": "a", "title": "A", "variants": variants}
    (error,) = upsert_products(shop, [(1, row)], COLUMNS, FILES).errors
    assert f"{error.field}: {error.message}".startswith(message)
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("shirt", None),
        ("SH-M", "v-m"),
        ("v-l", "v-l"),
        ("9001", "v-m"),
        ("842", None),
        ("4006381333931", None),
    ],
)
@pytest.mark.parametrize("way", [import_events, post_events])
def test_any_id_of_a_variant_names_the_product_in_an_event(shop, way, name, variant):
    put(shop, SHIRT)
    when = timezone.now() - timedelta(days=1)
    at = when.isoformat() if way is post_events else when
    event = {"event_id": "e", "type": "view", "user_id": "u", "item_id": name, "occurred_at": at}
    report = (
        way(shop, [event], REST)[0] if way is post_events else way(shop, [(1, event)], FILES)[0]
    )
    assert (report.new, report.errors) == (1, [])
    stored = Event.objects.get()
    assert (stored.product.item_id, stored.variant_id) == ("shirt", variant)


def test_an_id_of_the_platform_is_known_by_its_number(shop):
    put(shop, SHIRT)
    at = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    event = {"event_id": "e", "type": "view", "user_id": "u", "occurred_at": at}
    gid = "gid://shopify/ProductVariant/9001"
    report, _ = post_events(shop, [{**event, "item_id": gid}], REST)
    assert report.new == 1
    assert Event.objects.get().variant_id == "v-m"


def test_a_name_of_two_products_names_none(shop):
    put(shop, SHIRT, {"item_id": "twin", "title": "Twin", "gtin": "4006381333931"})
    at = timezone.now() - timedelta(days=1)
    event = {"event_id": "e", "user_id": "u", "item_id": "4006381333931", "occurred_at": at}
    report, _ = import_events(shop, [(1, event)], FILES)
    assert [error.message for error in report.errors] == ["is not a known product"]


def test_names_follow_the_product(shop):
    put(shop, SHIRT)
    names = ProductName.objects.filter(shop_id=shop.pk)
    assert names.filter(name="SH-S").exists()
    put(shop, {**SHIRT, "variants": [{"sku": "NEW"}], "other_ids": []})
    assert set(names.values_list("name", flat=True)) == {"NEW", "4006381333931"}
    Product.objects.remove(shop, ["shirt"])
    assert not names.exists()
