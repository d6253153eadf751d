"""The catalogue in memory follows the database, row by row."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from recommender.catalog.eligibility import allowed, read_products
from recommender.catalog.filter_language import EVERYTHING, select
from recommender.catalog.product_index import Catalogue
from recommender.models import Change, Product


@pytest.fixture
def catalogue(shop):
    for i in range(6):
        Product.objects.create(
            shop=shop, item_id=f"p{i}", title=f"P {i}", price=i, attributes={"n": i}
        )
    return Catalogue(shop.pk)


def shown(catalogue, text="", now=None):
    selection = select([text])
    return sorted(
        catalogue.products().filter(catalogue.mask(selection, now or timezone.now()))["item_id"]
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
    found = set(frame.filter(allowed(frame, EVERYTHING, now))["item_id"])
    assert (
        found
        == set(Product.objects.showable().values_list("item_id", flat=True))
        == {"p0", "p2", "p5", "p7", "p10"}
    )


def test_only_named_products_are_read_again(catalogue, shop):
    assert shown(catalogue, "attributes.n >= 1 and price < 3") == ["p1", "p2"]
    before = catalogue.products()
    Product.objects.filter(item_id="p1").update(price=9, attributes={"n": 7})
    Product.objects.filter(item_id="p2").delete()
    Product.objects.create(shop=shop, item_id="p9", title="new", price=2, attributes={"n": 1})
    assert shown(catalogue, "attributes.n >= 1 and price < 3") == ["p1", "p2"]
    catalogue.changed(["p1", "p2", "p9", "never seen"])
    assert shown(catalogue, "attributes.n >= 1 and price < 3") == ["p9"] and shown(
        catalogue, "attributes.n = 7"
    ) == ["p1"]
    assert catalogue.products()["item_id"].to_list()[: len(before)] == before["item_id"].to_list()
    assert shown(catalogue) == ["p0", "p1", "p3", "p4", "p5", "p9"]
    catalogue.changed(None)
    assert shown(catalogue) == ["p0", "p1", "p3", "p4", "p5", "p9"]


def test_a_deleted_product_can_come_back(catalogue, shop):
    shown(catalogue)
    Product.objects.filter(item_id="p2").delete()
    catalogue.changed(["p2"])
    assert "p2" not in shown(catalogue)
    Product.objects.create(shop=shop, item_id="p2", title="again")
    catalogue.changed(["p2"])
    assert "p2" in shown(catalogue)


def test_a_mask_follows_the_models_order_and_hides_what_is_unknown(catalogue, shop):
    class Model(SimpleNamespace):
        __hash__ = object.__hash__

    model = Model(item_ids=["p3", "gone", "p0", "p5"])
    assert catalogue.mask_of(model, select(["price > 2"]), timezone.now()).tolist() == [
        True,
        False,
        False,
        True,
    ]
    Product.objects.create(shop=shop, item_id="gone", title="back", price=7)
    catalogue.changed(["gone"])
    assert catalogue.mask_of(model, select(["price > 2"]), timezone.now()).tolist() == [
        True,
        True,
        False,
        True,
    ]


def test_dates_pass_without_news(catalogue):
    now = datetime.now(UTC)
    Product.objects.filter(item_id="p1").update(available_until=now + timedelta(seconds=90))
    assert "p1" in shown(catalogue, now=now) and "p1" not in shown(
        catalogue, now=now + timedelta(seconds=91)
    )


def test_an_empty_shop_has_nothing_to_show(shop):
    catalogue = Catalogue(shop.pk)
    now = timezone.now()
    assert (
        shown(catalogue)
        == catalogue.newest(EVERYTHING, now, 5)
        == catalogue.among(["x"], EVERYTHING, now)
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
    catalogue, nothing = Catalogue(stocked.pk), select([])
    first, second = stocked.products.order_by("item_id")[:2]
    Product.objects.filter(pk=first.pk).update(available_until=now + timedelta(seconds=10))
    Product.objects.filter(pk=second.pk).update(available_from=now + timedelta(seconds=20))

    def shown(seconds: float) -> set[str]:
        mask = catalogue.mask(nothing, now + timedelta(seconds=seconds))
        return set(catalogue.frame["item_id"].filter(mask))

    everything = set(stocked.products.values_list("item_id", flat=True))
    assert shown(0) == everything - {second.item_id} == shown(9.9)
    assert shown(10.1) == everything - {first.item_id, second.item_id}
    assert shown(20.1) == everything - {first.item_id}
