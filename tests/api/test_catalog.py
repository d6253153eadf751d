"""Products over REST."""

from urllib.parse import quote

import pytest

from recommender.models import Product
from tests.api.request_bodies import ask, purchase


def test_a_product_is_made_changed_and_removed(shop, api):
    item = {
        "title": "Boot",
        "price": {"amount": "129.00", "currency": "EUR"},
        "categories": ["Shoes > Boots"],
        "stock": {"state": "in_stock", "quantity": 3},
    }
    path = "items/" + quote("SKU/88 ü", safe="")
    assert api("put", path, item).status_code == 201
    assert api("put", path, item).status_code == 200
    body = api("patch", path, {"stock": {"quantity": 2}}).json()
    assert (
        body["stock"] == {"state": "in_stock", "quantity": 2}
        and body["price"] == {"amount": "129.00", "currency": "EUR"}
        and body["item_id"] == "SKU/88 ü"
    )
    assert api("get", path).json()["categories"] == ["Shoes > Boots"]
    assert api("delete", path).status_code == 204 and api("get", path).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": 5}, "title"),
        ({"title": "x", "price": 5}, "price"),
        ({"title": "x", "price": {"amount": "-1"}}, "price"),
        ({"title": "x", "hidden": "yes"}, "hidden"),
        ({"title": "x", "colour": "red"}, "colour"),
        ({"title": "x", "item_id": "b"}, "item_id"),
        ({"title": "a\x00"}, "title"),
        ({"title": "x", "available_from": "2026-01-01T00:00:00"}, "available_from"),
        ({"title": "x", "categories": "a"}, "categories"),
        ({"title": "x", "attributes": {"a": "\x00"}}, "attributes"),
        ({"title": "x", "attributes": {"a": "\ud800"}}, "attributes"),
        ({"title": "x", "stock": {"quantity": 10**400}}, "stock.quantity"),
        ({"title": "x", "stock": {"state": "lots"}}, "stock.state"),
    ],
)
def test_a_wrong_product_names_the_field(shop, api, body, field):
    reply = api("put", "items/a", body)
    assert (
        reply.status_code == 400
        and reply.json()["errors"][0]["field"] == field
        and not Product.objects.exists()
    )


def test_a_batch_answers_each_product(shop, api):
    body = api(
        "post",
        "items:batch",
        {
            "items": [
                {"item_id": "a", "title": "A"},
                {"item_id": "b", "hidden": 1},
                {"title": "C"},
                {"item_id": "d", "title": "D", "price": {"amount": "2"}},
            ]
        },
    ).json()
    assert (body["new"], body["rejected"]) == (2, 2)
    assert [r["status"] for r in body["results"]] == [
        "accepted",
        "rejected",
        "rejected",
        "accepted",
    ]


def test_hiding_a_product_by_rest_takes_it_from_the_next_list(live_shop, api):
    first = ask(api).json()["items"][0]["item_id"]
    assert api("patch", f"items/{quote(first, safe='')}", {"hidden": True}).status_code == 200
    assert first not in [i["item_id"] for i in ask(api).json()["items"]]


def test_an_offset_that_no_place_has_loses_no_batch(live_shop, api):
    body = api(
        "post",
        "events",
        {"events": [purchase("a", occurred_at="2026-08-20T09:13:01+16:00"), purchase("b")]},
    ).json()
    assert (body["accepted"], body["rejected"]) == (2, 0)
