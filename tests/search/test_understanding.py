"""Query understanding: brands, attributes, learned categories and prices move products."""

import pytest
from django.utils import timezone

from recommender.ingest import Parser, upsert_products
from recommender.models import SearchSettings
from recommender.search.query_log import query_buffer
from recommender.search.requests import FacetRequest, SearchRequest
from recommender.search.search import search
from recommender.search.understanding import PART, _Names, understand
from recommender.serving import change_feed
from recommender.serving.shop_state import state_of

FIELDS = ["title", "brand", "categories", "price", "attributes"]
NAMES = _Names(
    {
        ("alto",): ("brand", "brand", "Alto"),
        ("dark", "red"): ("attribute", "x", "r"),
        ("weiss",): ("brand", "brand", "Weiß"),
    }
)
KINDS = ("brand", "category", "attribute", "price")


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


@pytest.fixture
def catalog(shop):
    rows = [
        ("A", "Bench lamp", "Corda", 90, "Lamps", "black"),
        ("B", "Lamp", "Corda", 50, "Lamps", "red"),
        ("C", "Lamp for a table", "Alto", 15, "Lamps", "black"),
        ("D", "Lamp oil", "Corda", 5, "Oils", "red"),
        ("E", "Lamp glass", "Corda", 7, "Oils", "black"),
    ]
    products = [
        {
            "item_id": item_id,
            "title": title,
            "brand": brand,
            "price": price,
            "categories": [category],
            "attributes": {"colour": colour},
        }
        for item_id, title, brand, price, category, colour in rows
    ]
    report = upsert_products(shop, enumerate(products), FIELDS, Parser(shop.zone))
    assert not report.rejected
    state_of(shop).parts[PART].load()
    return shop


def find(shop, query, **fields):
    return search(shop, SearchRequest(query, explain="full", **fields))


def ids(result):
    return [hit.item_id for hit in result.hits]


@pytest.mark.parametrize(
    ("query", "low", "high", "rest"),
    [
        ("lamp under 20", None, 20, "lamp"),
        ("lamp between 10 and 20 euro", 10, 20, "lamp"),
        ("shoes over $50", 50, None, "shoes"),
        ("100元以下 灯", None, 100, "灯"),
        ("iphone 15 128gb under 500.50", None, 500.5, "iphone 15 128gb"),
        ("laptop under 1,000", None, 1000, "laptop"),
        ("Laptop unter 1.299,00 €", None, 1299, "Laptop"),
        ("İstanbul kilim UNDER 20", None, 20, "İstanbul kilim"),
        ("cheaper than 3 pounds", None, 3, ""),
    ],
)
def test_price_words(query, low, high, rest):
    understood = understand(query, NAMES, KINDS)
    (price,) = understood.intents
    assert (price.kind, price.low, price.high, understood.text) == ("price", low, high, rest)
    assert query[price.begin : price.end].strip() not in rest


@pytest.mark.parametrize("query", ["rod under 20 cm", "under armour 20", "under 10kg", "iphone 15"])
def test_numbers_that_are_no_prices(query):
    assert understand(query, NAMES, KINDS) == understand(query, NAMES, ())


def test_names_are_folded_like_queries():
    (brand,) = understand("WEISS lamp", NAMES, KINDS).intents
    assert brand.value == "Weiß" and understand("Weiß", NAMES, KINDS).intents


def test_names_of_several_words_and_their_place():
    query = "Alto sofa, dark red"
    intents = understand(query, NAMES, KINDS).intents
    assert {(one.kind, query[one.begin : one.end]) for one in intents} == {
        ("brand", "Alto"),
        ("attribute", "dark red"),
    }


def test_a_brand_moves_its_products_up_and_says_so(catalog):
    result = find(catalog, "alto lamp")
    assert result.understood == [
        {"kind": "brand", "field": "brand", "value": "Alto", "begin": 0, "end": 4}
    ]
    assert ids(result)[0] == "C"
    assert {"kind": "intent", "text": "brand: Alto"} in result.hits[0].reasons


def test_attributes_and_prices_move_products(catalog):
    assert ids(find(catalog, "lamp"))[:2] == ["B", "A"]
    assert set(ids(find(catalog, "red lamp"))[:2]) == {"B", "D"}
    cheap = find(catalog, "lamp under 20")
    assert set(ids(cheap)[:3]) == {"C", "D", "E"} and len(cheap.hits) == 5
    assert cheap.understood[0]["to"] == 20 and cheap.corrected == "" and not cheap.relaxed


def test_a_price_alone_finds_what_costs_that(catalog):
    cheap = find(catalog, "less than 20", facets=(FacetRequest("brand"),))
    prices = {product.item_id: product.price for product in catalog.products.all()}
    assert cheap.hits and cheap.total == sum(price < 20.01 for price in prices.values())
    assert all(prices[hit.item_id] <= 20 and hit.match == "filter" for hit in cheap.hits)
    assert cheap.corrected == "" and cheap.relaxed == [] and cheap.understood[0]["to"] == 20
    assert sum(value["count"] for value in cheap.facets[0]["values"]) == cheap.total
    assert find(catalog, "over 9000").hits == []


def test_it_is_switched_off_by_the_request_and_by_the_shop(catalog):
    assert find(catalog, "lamp under 20", understand=False).understood == []
    SearchSettings.objects.create(shop=catalog, not_understood=["price", "brand"])
    assert find(catalog, "alto lamp under 20").understood == []


def test_a_category_is_learned_from_clicks(catalog, api):
    for i in range(3):
        result = find(catalog, "lamp", session_id=f"s-{i}")
        click = {
            "event_id": f"c-{i}",
            "type": "click",
            "item_id": "D",
            "occurred_at": timezone.now().isoformat(),
            "session_id": f"s-{i}",
            "query_id": result.query_id,
        }
        assert api("post", "events", {"events": [click]}).json()["accepted"] == 1
    query_buffer.flush()
    state_of(catalog).parts[PART].load()
    learned = find(catalog, "Lamp")
    assert learned.understood[0]["value"] == "Oils"
    assert set(ids(learned)[:2]) == {"D", "E"}
