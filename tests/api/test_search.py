"""Search by REST: search, browse, suggest, pages, public keys, events that cite a search."""

import json

import pytest

from recommender.inference.search_index import HostIndex, IndexNotReady
from recommender.ingest import Parser, upsert_products
from recommender.models import ApiKey, Event, SearchQuery
from recommender.search import suggest
from recommender.search.query_log import query_buffer
from recommender.serving import change_feed

PAGE = "https://shop.example"


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


@pytest.fixture
def catalog(shop):
    rows = [
        {
            "item_id": f"L/{i}",
            "title": f"{colour} lantern",
            "brand": "Alto",
            "price": 5 + i,
            "categories": ["Home > Lighting"],
            "margin_rate": 0.3,
            "attributes": {"colour": colour},
        }
        for i, colour in enumerate(["red", "blue", "green", "white", "black"])
    ]
    fields = ["title", "brand", "price", "categories", "margin_rate", "attributes"]
    upsert_products(shop, enumerate(rows), fields, Parser(shop.zone))
    shop.origins = [PAGE]
    shop.save()
    return shop


def post(api, path, **body):
    reply = api("post", path, body)
    assert reply.status_code == 200, reply.content
    return reply.json()


def test_a_search_by_rest(catalog, api):
    reply = post(api, "search", query="blue lantren", facets=["brand"], explain="full")
    first = reply["hits"][0]
    assert (first["item_id"], first["position"], first["match"]) == ("L/1", 1, "words")
    assert first["highlights"] == {"title": [[0, 4], [5, 12]]}
    assert first["score_parts"]["lexical_rank"] == 1
    assert reply["corrected"] == "blue lantern"
    assert reply["facets"] == [
        {"field": "brand", "values": [{"value": "Alto", "count": 1}], "more": 0}
    ]
    assert reply["query_id"].startswith("q-")


def test_pages_by_token_and_by_number(catalog, api):
    first = post(api, "search", query="lantern", limit=2)
    second = post(api, "search", next=first["next"])
    last = post(api, "search", next=second["next"])
    assert last["next"] is None
    assert {first["query_id"], second["query_id"], last["query_id"]} == {first["query_id"]}
    found = [hit["item_id"] for page in (first, second, last) for hit in page["hits"]]
    assert sorted(found) == [f"L/{i}" for i in range(5)]
    assert [hit["position"] for hit in last["hits"]] == [5]
    numbered = post(api, "search", query="lantern", limit=2, page=2)
    assert [h["item_id"] for h in numbered["hits"]] == [h["item_id"] for h in second["hits"]]


def test_a_page_token_of_a_search_is_none_of_browse(catalog, api):
    token = post(api, "search", query="lantern", limit=2)["next"]
    reply = api("post", "browse", {"next": token})
    assert reply.status_code == 400 and "page token of search" in reply.content.decode()
    token = post(api, "browse", limit=2)["next"]
    assert len(post(api, "browse", next=token)["hits"]) == 2


def test_a_facet_may_be_asked_for_twice(catalog, api):
    facets = ["attributes.colour", {"field": "attributes.colour", "ranges": [1]}, "brand", "brand"]
    reply = post(api, "search", query="lantern", facets=facets)
    assert [facet["field"] for facet in reply["facets"]] == [
        "attributes.colour",
        "attributes.colour",
        "brand",
        "brand",
    ]


def test_a_category_page(catalog, api):
    reply = post(
        api,
        "browse",
        filter="categories contains 'Home'",
        sort="-price",
        facets=["attributes.colour"],
    )
    assert [hit["item_id"] for hit in reply["hits"]][:2] == ["L/4", "L/3"]
    assert reply["total"] == 5
    assert len(reply["facets"][0]["values"]) == 5
    assert "corrected" not in reply


def test_products_come_with_the_hits(catalog, api):
    reply = post(api, "search", query="red", fields=["price", "title"])
    assert reply["hits"][0]["item"] == {
        "title": "red lantern",
        "price": {"amount": "5.00", "currency": "EUR"},
    }
    assert "margin_rate" in post(api, "search", query="red", hydrate=True)["hits"][0]["item"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": 5}, "query"),
        ({"query": "a" * 10_001}, "query"),
        ({"query": "a", "limit": 0}, "limit"),
        ({"query": "a", "limit": 101}, "limit"),
        ({"query": "a", "page": 10**6}, "page"),
        ({"query": "a", "page": 0}, "page"),
        ({"query": "a", "sort": "colour"}, "sort"),
        ({"query": "a", "filter": "nonsense ="}, "filter"),
        ({"query": "a", "filter": "price < :most"}, "params.most"),
        ({"query": "a", "facets": ["title"]}, "facets"),
        ({"query": "a", "facets": ["description"]}, "facets"),
        ({"query": "a", "facets": ["nothing"]}, "facets"),
        ({"query": "a", "facets": [{"field": "brand", "limit": 1001}]}, "facets.0.limit"),
        ({"query": "a", "facets": [5]}, "facets.0"),
        ({"query": "a", "next": "x"}, "query"),
        ({"next": "x"}, "next"),
        ({"query": "a", "unknown": 1}, "unknown"),
        ({"query": "a\x00b"}, "query"),
        ({"query": "a", "fields": ["nothing"]}, "fields"),
    ],
)
def test_bad_fields_are_named(catalog, api, body, field):
    reply = api("post", "search", body)
    assert reply.status_code == 400, reply.content
    assert next(error["field"] for error in reply.json()["errors"]).startswith(field)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "a" * 10_000,
        "שלום עולם",
        "\u202e\u0007",
        "the of",
        "zqxj",
        '"red AND (',
        "<b>red</b>",
        "'; DROP TABLE x; --",
        "title:red",
        "🎁",
        "9" * 400,
    ],
)
def test_any_query_gives_a_list(catalog, api, query):
    for path in ("search", f"suggest?q={'x'}"):
        reply = api("post", path, {"query": query}) if path == "search" else api("get", path)
        assert reply.status_code == 200, reply.content


def test_many_values_of_a_facet(catalog, api):
    reply = post(
        api, "search", query="lantern", facets=[{"field": "attributes.colour", "limit": 1000}]
    )
    assert len(reply["facets"][0]["values"]) == 5
    reply = post(
        api, "search", query="lantern", facets=[{"field": "attributes.colour", "limit": 2}]
    )
    assert reply["facets"][0]["more"] == 3
    assert (
        post(api, "search", query="lantern", facets=["attributes.no"])["facets"][0]["values"] == []
    )


def test_suggestions(catalog, api, monkeypatch):
    for session in "abc":
        post(api, "search", query="Red lantern", session_id=session)
    post(api, "search", query="reddish secret", session_id="a")
    query_buffer.flush()
    assert SearchQuery.objects.count() == 4
    reply = api("get", "suggest?q=red&limit=3").json()
    assert reply["queries"] == [{"query": "red lantern"}]
    assert reply["products"][0] == {
        "item_id": "L/0",
        "title": "red lantern",
        "highlights": [[0, 3]],
    }
    assert api("get", "suggest?q=ligh").json()["categories"] == [
        {"name": "Home > Lighting", "products": 5}
    ]
    assert api("get", "suggest?q=al").json()["brands"] == [{"name": "Alto", "products": 5}]
    assert api("get", "suggest?q=").json()["products"] == []
    assert api("get", "suggest").status_code == 400
    monkeypatch.setattr(suggest, "FEWEST_VISITORS", 4)


def public(client, secret, path, body=None, origin=PAGE):
    headers = {"authorization": f"Bearer {secret}"} | ({"origin": origin} if origin else {})
    if body is None:
        return client.get(f"/api/v1/{path}", headers=headers)
    return client.post(
        f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=headers
    )


def test_a_public_key_searches_from_the_shops_pages_only(catalog, client):
    _, secret = ApiKey.objects.issue(catalog, "page", [], public=True, search=True)
    reply = public(client, secret, "search", {"query": "red", "session_id": "s", "hydrate": True})
    assert reply.status_code == 200
    assert reply.headers["Access-Control-Allow-Origin"] == PAGE
    assert "margin_rate" not in reply.json()["hits"][0]["item"]
    assert public(client, secret, "suggest?q=red").status_code == 200
    refused = [
        public(client, secret, "search", {"query": "red"}, origin=None),
        public(client, secret, "search", {"query": "red"}, origin="https://other.example"),
        public(client, secret, "search", {"query": "red", "user_id": "u"}),
        public(client, secret, "search", {"query": "red", "filter": "margin_rate > 0.2"}),
        public(client, secret, "search", {"query": "red", "facets": ["margin_rate"]}),
        public(client, secret, "suggest?q=red", origin=None),
    ]
    assert [reply.status_code for reply in refused] == [403] * len(refused)


def test_a_public_key_without_search_is_refused(catalog, client):
    _, secret = ApiKey.objects.issue(catalog, "page", [], public=True)
    assert public(client, secret, "search", {"query": "red"}).status_code == 403


def test_events_cite_the_search(catalog, api):
    found = post(api, "search", query="red", session_id="s-1")
    event = {
        "event_id": "e-1",
        "type": "click",
        "session_id": "s-1",
        "query_id": found["query_id"],
        "occurred_at": "2026-01-05T10:00:00Z",
        "items": [{"item_id": "L/0", "position": 1}],
    }
    assert post_events(api, event)["accepted"] == 1
    assert Event.objects.get().recommendation_id == found["query_id"]
    both = {**event, "event_id": "e-2", "recommendation_id": "r-1"}
    assert post_events(api, both)["results"][0]["error"]["field"] == "query_id"


def post_events(api, event):
    return api("post", "events", {"events": [event]}).json()


def test_an_index_that_is_being_built_is_a_503(catalog, api, monkeypatch):
    def building(self):
        raise IndexNotReady("the search index is being built")

    monkeypatch.setattr(HostIndex, "read", building)
    reply = api("post", "search", {"query": "red"})
    assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
    assert "being built" in reply.json()["detail"]


def test_more_like_this_names_its_product(catalog, api):
    reply = post(api, "search", like="L/0", limit=2)
    assert reply["hits"] and "L/0" not in [hit["item_id"] for hit in reply["hits"]]
    following = post(api, "search", next=reply["next"])
    assert "L/0" not in [hit["item_id"] for hit in following["hits"]]
    for body, field in (
        ({"like": "no such"}, "like"),
        ({"like": "L/0", "query": "red"}, "like"),
        ({"like": None}, "query"),
    ):
        refused = api("post", "search", body)
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["field"] == field
