"""Products with variants by REST: one place in a list, any id names them, the variant is linked."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.ingest import Parser, upsert_products

PARTS = ("S", "M", "L", "XL", "2XL", "3XL")


@pytest.fixture
def shirts(shop):
    """Ten shirts of six sizes; the smallest size is sold out."""
    rows = [
        {
            "item_id": f"shirt-{n}",
            "title": f"Shirt {n}",
            "variants": [
                {
                    "id": f"v{n}-{size}",
                    "sku": f"SH{n}-{size}",
                    "price": 20 + n,
                    "stock_quantity": place,
                }
                for place, size in enumerate(PARTS)
            ],
        }
        for n in range(10)
    ]
    columns = ["title", "variants", "price", "images"]
    report = upsert_products(shop, list(enumerate(rows)), columns, Parser())
    assert report.new == 10
    return rows


def send(api, **event):
    at = (timezone.now() - timedelta(hours=1)).isoformat()
    body = {"events": [{"event_id": "e1", "type": "purchase", "occurred_at": at, **event}]}
    reply = api("post", "events", body)
    assert reply.json()["accepted"] == 1, reply.content


def test_a_list_shows_each_product_once_on_all_of_its_pages(shirts, shop, home_top, api):
    seen, token = [], None
    while True:
        body = {"next": token} if token else {"placement": "home_top", "session_id": "s"}
        reply = api("post", "recommendations", {**body, "limit": 4}).json()
        seen += [item["item_id"] for item in reply["items"]]
        token = reply["next"]
        if not token or not reply["items"]:
            break
    assert sorted(seen) == sorted(row["item_id"] for row in shirts)


def test_a_list_names_the_variant_to_link_to(shirts, shop, home_top, api):
    send(api, user_id="u", item_id="SH3-XL", quantity=1, price="23")
    reply = api("post", "recommendations", {"placement": "home_top", "user_id": "u", "limit": 10})
    links = {item["item_id"]: item["variant_id"] for item in reply.json()["items"]}
    assert links["shirt-3"] == "v3-XL"
    assert links["shirt-4"] == "v4-M"  # the first that can be bought


def test_a_bought_variant_that_is_sold_out_is_not_linked(shirts, shop, home_top, api):
    send(api, user_id="u", item_id="SH3-S", quantity=1, price="23")
    reply = api("post", "recommendations", {"placement": "home_top", "user_id": "u", "limit": 10})
    links = {item["item_id"]: item["variant_id"] for item in reply.json()["items"]}
    assert links["shirt-3"] == "v3-M"


@pytest.mark.parametrize("name", ["shirt-2", "SH2-L", "v2-L"])
def test_requests_name_a_product_by_any_id(shirts, shop, api, name):
    related = api("get", f"items/related?item_id={name}")
    assert related.status_code == 200
    assert "shirt-2" not in [item["item_id"] for item in related.json()["items"]]
    reranked = api("post", "rerank", {"item_ids": [name, "shirt-1"]}).json()
    assert {item["item_id"] for item in reranked["items"]} == {"shirt-2", "shirt-1"}
    assert reranked["left_out"] == []


def test_an_unknown_id_is_refused(shirts, api):
    assert api("get", "items/related?item_id=SH99-L").status_code == 404


def test_a_product_with_variants_is_returned_as_it_was_sent(shop, api):
    body = {
        "title": "Shirt",
        "price": {"amount": "30.00", "currency": shop.currency},
        "sale_price": {"amount": "24.90", "currency": shop.currency},
        "sale_until": "2030-01-01T00:00:00Z",
        "compare_at_price": {"amount": "35.00", "currency": shop.currency},
        "tags": ["summer"],
        "url": "https://shop.example/shirt",
        "gtin": "4006381333931",
        "condition": "new",
        "other_ids": ["842"],
        "published": False,
    }
    assert api("put", "items/shirt", body).status_code == 201
    stored = api("get", "items/shirt").json()
    assert {name: stored[name] for name in body} == body
    variants = [{"id": "v-m", "sku": "SH-M", "price": "19.90", "options": {"Size": "M"}}]
    reply = api("patch", "items/shirt", {"variants": variants}).json()
    assert reply["variants"] == variants
    assert reply["price"]["amount"] == "19.90"
    wrong = api("patch", "items/shirt", {"variants": [{"sku": "x", "colour": "red"}]})
    assert wrong.json()["errors"] == [
        {"field": "variants[0].colour", "message": "is not a field of a variant"}
    ]


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("price < 25", True),
        ("published = true", True),
        ("hidden = true", False),
        ("tags = 'summer'", True),
        ("gtin = '4006381333931' and condition = 'new'", True),
        ("sale_until > '2029-01-01'", True),
        ("sale_price > 26", False),
    ],
)
def test_filters_know_the_fields_and_the_price_in_force(shop, api, text, passes):
    row = {
        "item_id": "shirt",
        "title": "Shirt",
        "price": 30,
        "sale_price": 24.9,
        "sale_until": "2030-01-01T00:00:00Z",
        "tags": ["summer"],
        "gtin": "4006381333931",
        "condition": "new",
    }
    upsert_products(shop, [(1, row)], row.keys() - {"item_id"}, Parser())
    reply = api("get", f"items?filter={text}").json()
    assert [item["item_id"] for item in reply["items"]] == ["shirt"] * passes


def test_a_flag_is_compared_with_a_flag(shop, api):
    reply = api("get", "items?filter=published = 'yes'")
    assert "is compared with true or false" in reply.json()["errors"][0]["message"]
