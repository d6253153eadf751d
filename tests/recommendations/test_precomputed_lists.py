"""Precomputed lists as rendered JSON: ineligible products are left out at once, for every way of
changing a product.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.models import GoneProduct, Product, ServedList
from recommender.recommendations import batch_scoring
from recommender.serving.exposure_log import exposure_buffer

ASKED = {"placement": "home_top", "user_id": "shopper-003", "limit": 5}
LONG_AGO, SOON = timezone.now() - timedelta(days=9), timezone.now() + timedelta(days=9)


@pytest.fixture
def stored_ids(live_shop, api, monkeypatch):
    """The ids of the precomputed list. Live lists raise once the reasons are rendered."""
    batch_scoring.score_shard(live_shop.champion(), 0, 10**9)

    def request():
        return [
            item["item_id"]
            for item in api(
                "post",
                "recommendations",
                {"placement": "home_top", "user_id": "shopper-003", "limit": 5},
            ).json()["items"]
        ]

    def closed(*_):
        raise AssertionError("the list was not read from the store")

    request()
    monkeypatch.setattr("recommender.recommendations.recommend.make_list", closed)
    return request


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        ({"hidden": True}, False),
        ({"stock_state": "out_of_stock"}, False),
        ({"stock_state": "in_stock", "stock_quantity": 3}, True),
        ({"stock_quantity": 0}, False),
        ({"stock_quantity": -2}, False),
        ({"available_from": SOON}, False),
        ({"available_from": LONG_AGO}, True),
        ({"available_until": LONG_AGO}, False),
        ({"available_until": SOON}, True),
        ({"available_from": LONG_AGO, "available_until": SOON, "stock_quantity": 1}, True),
        ({"available_from": LONG_AGO, "available_until": SOON, "hidden": True}, False),
    ],
)
def test_what_may_not_be_shown_is_left_out_at_once(live_shop, stored_ids, fields, there):
    first, *rest = stored_ids()
    Product.objects.filter(shop=live_shop, item_id=first).update(**fields)
    assert (
        (stored_ids()[0] == first) is there
        and set(rest) <= set(stored_ids())
        and len(stored_ids()) == 5
    )
    assert live_shop.products.showable().filter(item_id=first).exists() is there


def test_a_deleted_product_is_left_out_until_its_id_comes_again(live_shop, stored_ids, api):
    first = stored_ids()[0]
    assert api("delete", f"items/{first}").status_code == 204
    assert first not in stored_ids() and GoneProduct.objects.get().item_id == first
    assert api("put", f"items/{first}", {"title": "Lantern"}).status_code == 201
    assert stored_ids()[0] == first and not GoneProduct.objects.exists()


def test_a_shop_that_goes_leaves_nothing_of_its_products(shop):
    Product.objects.create(shop=shop, item_id="A", title="A").delete()
    Product.objects.create(shop=shop, item_id="B", title="B")
    assert GoneProduct.objects.count() == 1
    shop.delete()
    assert not GoneProduct.objects.exists()


def test_both_ways_are_kept_as_served_alike(stored_ids, api):
    stored_ids()
    exposure_buffer.flush()
    rows = list(ServedList.objects.order_by("pk").values_list("items", flat=True))
    assert (
        len(rows) == 2
        and rows[0] == rows[1]
        and [set(item) for item in rows[0]] == [{"item_id", "source", "reason"}] * 5
    )
    assert all(item["reason"] for item in rows[0])
