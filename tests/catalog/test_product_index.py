"""The catalog in memory follows the database, row by row."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from recommender.catalog.eligibility import allowed, read_products
from recommender.catalog.filter_language import EVERYTHING, select
from recommender.catalog.product_index import MOST_ATTRIBUTE_COLUMNS, ProductIndex
from recommender.models import Change, Product


@pytest.fixture
def product_index(shop):
    for i in range(6):
        Product.objects.create(
            shop=shop, item_id=f"p{i}", title=f"P {i}", price=i, attributes={"n": i}
        )
    return ProductIndex(shop.pk)


def shown(product_index, text="", now=None):
    selection = select([text])
    return sorted(
        product_index.products().filter(product_index.mask(selection, now or timezone.now()))[
            "item_id"
        ]
    )


def test_what_may_be_shown_is_what_the_database_says(shop):
    now, day = timezone.now(), timedelta(days=1)
    cases = [
        {},
        {"hidden": True},
        {"stock_state": "in_stock"},
        {"stock_state": "out_of_stock"},
        {"stock_quantity": 0},
        {"stock_quantity": 2},
        {"stock_state": "in_stock", "stock_quantity": -1},
        {"available_from": now - day},
        {"available_from": now + day},
        {"available_until": now - day},
        {"available_until": now + day},
    ]
    for i, fields in enumerate(cases):
        Product.objects.create(shop=shop, item_id=f"p{i}", title="x", **fields)
    frame = read_products(shop.pk)
    result = set(frame.filter(allowed(frame, EVERYTHING, now))["item_id"])
    assert (
        result
        == set(Product.objects.showable().values_list("item_id", flat=True))
        == {"p0", "p2", "p5", "p7", "p10"}
    )


def test_only_named_products_are_read_again(product_index, shop):
    assert shown(product_index, "attributes.n >= 1 and price < 3") == ["p1", "p2"]
    before = product_index.products()
    Product.objects.filter(item_id="p1").update(price=9, attributes={"n": 7})
    Product.objects.filter(item_id="p2").delete()
    Product.objects.create(shop=shop, item_id="p9", title="new", price=2, attributes={"n": 1})
    assert shown(product_index, "attributes.n >= 1 and price < 3") == ["p1", "p2"]
    product_index.changed(["p1", "p2", "p9", "never seen"])
    assert shown(product_index, "attributes.n >= 1 and price < 3") == ["p9"] and shown(
        product_index, "attributes.n = 7"
    ) == ["p1"]
    assert (
        product_index.products()["item_id"].to_list()[: len(before)] == before["item_id"].to_list()
    )
    assert shown(product_index) == ["p0", "p1", "p3", "p4", "p5", "p9"]
    product_index.changed(None)
    assert shown(product_index) == ["p0", "p1", "p3", "p4", "p5", "p9"]


def test_a_deleted_product_can_come_back(product_index, shop):
    shown(product_index)
    Product.objects.filter(item_id="p2").delete()
    product_index.changed(["p2"])
    assert "p2" not in shown(product_index)
    Product.objects.create(shop=shop, item_id="p2", title="again")
    product_index.changed(["p2"])
    assert "p2" in shown(product_index)


def test_a_mask_follows_the_models_order_and_hides_what_is_unknown(product_index, shop):
    class Model(SimpleNamespace):
        __hash__ = object.__hash__

    model = Model(item_ids=["p3", "gone", "p0", "p5"])
    assert product_index.mask_of(model, select(["price > 2"]), timezone.now()).tolist() == [
        True,
        False,
        False,
        True,
    ]
    Product.objects.create(shop=shop, item_id="gone", title="back", price=7)
    product_index.changed(["gone"])
    assert product_index.mask_of(model, select(["price > 2"]), timezone.now()).tolist() == [
        True,
        True,
        False,
        True,
    ]


def test_dates_pass_without_news(product_index):
    now = datetime.now(UTC)
    Product.objects.filter(item_id="p1").update(available_until=now + timedelta(seconds=90))
    assert "p1" in shown(product_index, now=now) and "p1" not in shown(
        product_index, now=now + timedelta(seconds=91)
    )


def test_an_empty_shop_has_nothing_to_show(shop):
    product_index = ProductIndex(shop.pk)
    now = timezone.now()
    assert (
        shown(product_index)
        == product_index.newest(EVERYTHING, now, 5)
        == product_index.among(["x"], EVERYTHING, now)
        == []
    )


def test_news_name_the_products(shop):
    from recommender.api.http.strict_fields import STRICT
    from recommender.ingest import upsert_products

    upsert_products(
        shop,
        enumerate([{"item_id": 'a/"b', "title": "A"}, {"item_id": "c", "title": "C"}]),
        ["title"],
        STRICT,
    )
    upsert_products(
        shop,
        enumerate([{"item_id": 'a/"b', "title": "A"}, {"item_id": "c", "title": "C2"}]),
        ["title"],
        STRICT,
    )
    upsert_products(
        shop, enumerate({"item_id": f"n{i}", "title": "N"} for i in range(1001)), ["title"], STRICT
    )
    first, second, third = Change.objects.filter(kind=Change.PRODUCT)
    assert (
        sorted(first.item_ids()) == ['a/"b', "c"]
        and second.item_ids() == ["c"]
        and third.item_ids() is None
    )


def test_a_mask_holds_until_the_next_date_of_a_product(stocked):
    now = timezone.now()
    product_index, nothing = ProductIndex(stocked.pk), select([])
    first, second = stocked.products.order_by("item_id")[:2]
    Product.objects.filter(pk=first.pk).update(available_until=now + timedelta(seconds=10))
    Product.objects.filter(pk=second.pk).update(available_from=now + timedelta(seconds=20))

    def shown(seconds: float) -> set[str]:
        mask = product_index.mask(nothing, now + timedelta(seconds=seconds))
        return set(product_index.frame["item_id"].filter(mask))

    everything = set(stocked.products.values_list("item_id", flat=True))
    assert shown(0) == everything - {second.item_id} == shown(9.9)
    assert shown(10.1) == everything - {first.item_id, second.item_id}
    assert shown(20.1) == everything - {first.item_id}


def test_filters_by_ever_other_attributes_leave_a_bounded_number_of_columns(product_index):
    for i in range(MOST_ATTRIBUTE_COLUMNS):
        product_index.mask(select([f"attributes.a{i} = 'x'"]), timezone.now())
    columns = [name for name in product_index.products().columns if name.startswith("attributes.")]
    assert len(columns) <= MOST_ATTRIBUTE_COLUMNS + 2
    wanted = select(["attributes.a1 is null"])
    assert product_index.mask(wanted, timezone.now()).any()


def test_prices_change_when_a_sale_begins_and_ends(shop, monkeypatch):
    begin, end = timezone.now() + timedelta(hours=1), timezone.now() + timedelta(hours=2)
    Product.objects.create(
        shop=shop, item_id="a", title="A", price=10, sale_price=8, sale_from=begin, sale_until=end
    )
    index, minute = ProductIndex(shop.pk), timedelta(minutes=1)
    moments = [timezone.now(), begin + minute, begin + 2 * minute, end + minute]
    prices = []
    for moment in moments:
        monkeypatch.setattr(timezone, "now", lambda moment=moment: moment)
        prices += index.products()["price"].to_list()
    assert prices == [10, 8, 8, 10]
