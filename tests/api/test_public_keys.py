"""Public keys: lists from the shop's pages, and nothing else."""

import pytest

from recommender.infrastructure import process_caches
from recommender.models import ApiKey, Product
from tests.api.request_bodies import ask, field_of
from tests.recommendations.list_calls import ids, read_again


@pytest.fixture
def page_key(live_shop):
    live_shop.origins = ["https://shop.example"]
    live_shop.save()
    return ApiKey.objects.issue(live_shop, "page", [], public=True, placements=["home_top"])[1]


def from_page(client, path, body, key, origin="https://shop.example"):
    headers = {"authorization": f"Bearer {key}"} | ({"origin": origin} if origin else {})
    return client.post(f"/api/v1/{path}", body, "application/json", headers=headers)


def test_a_public_key_shows_lists_of_its_placements_on_the_shops_pages(client, page_key, api):
    body = {"placement": "home_top", "session_id": "s-1", "limit": 3}
    reply = from_page(client, "recommendations", body, page_key)
    assert reply.status_code == 200 and len(reply.json()["items"]) == 3
    assert reply["Access-Control-Allow-Origin"] == "https://shop.example"
    assert int(reply["RateLimit-Limit"]) == 300
    more = from_page(client, "recommendations", {"next": reply.json()["next"]}, page_key)
    assert more.status_code == 200
    page = {"session_id": "s-1", "placements": [{"placement": "home_top"}]}
    assert from_page(client, "recommendations:page", page, page_key).status_code == 200
    hydrated = from_page(client, "recommendations", {**body, "fields": ["title"]}, page_key)
    assert hydrated.json()["items"][0]["item"].keys() == {"title"}
    whole = from_page(client, "recommendations", {**body, "hydrate": True}, page_key).json()
    assert "margin_rate" not in whole["items"][0]["item"] and whole["items"][0]["item"]["title"]
    margin = from_page(client, "recommendations", {**body, "fields": ["margin_rate"]}, page_key)
    assert field_of(margin) == "fields"
    preflight = client.options(
        "/api/v1/recommendations",
        headers={"origin": "https://shop.example", "access-control-request-method": "POST"},
    )
    assert preflight.status_code == 204
    assert preflight["Access-Control-Allow-Origin"] == "https://shop.example"


def test_a_public_key_does_nothing_else(client, page_key, api, live_shop):
    body = {"placement": "home_top", "session_id": "s-1"}
    for path, wrong, origin in (
        ("recommendations", body, None),
        ("recommendations", body, "https://evil.example"),
        ("recommendations", {**body, "placement": "discover"}, "https://shop.example"),
        ("recommendations", {**body, "user_id": "shopper-003"}, "https://shop.example"),
        (
            "recommendations:page",
            {"placements": [{"placement": "home_top"}, {"placement": "discover"}]},
            "https://shop.example",
        ),
        ("recommendations", {**body, "filter": "margin_rate > 0.3"}, "https://shop.example"),
        (
            "recommendations",
            {**body, "rules": [{"effect": "hide", "filter": "margin_rate > 0.3"}]},
            "https://shop.example",
        ),
        ("rerank", {"item_ids": ["GA/1"]}, "https://shop.example"),
        ("recommendations:facets", body, "https://shop.example"),
        ("recommendations:batch", {"placement": "home_top", "user_ids": ["a"]}, None),
        ("predictions", {"item_ids": ["GA/1"]}, "https://shop.example"),
    ):
        assert from_page(client, path, wrong, page_key, origin).status_code == 403, (path, wrong)
    assert api("get", "events", key=page_key).status_code == 403
    assert api("delete", "events/x", key=page_key).status_code == 403
    assert api("get", "items/related?item_id=GA/1", key=page_key).status_code == 403
    token = ask(api, limit=3).json()["next"]  # of a shopper, made for a server
    assert from_page(client, "recommendations", {"next": token}, page_key).status_code == 403
    only_events = ApiKey.objects.issue(live_shop, "p", [], public=True)[1]
    assert from_page(client, "recommendations", body, only_events).status_code == 403


def test_the_session_of_a_shopper_has_their_lists(client, page_key, api, live_shop):
    body = {"placement": "home_top", "session_id": "s-merged", "limit": 6}
    before = from_page(client, "recommendations", body, page_key).json()
    assert before["fallback"]["used"]
    api("patch", "users/shopper-003", {"merged_from": ["s-merged"]})
    after = from_page(client, "recommendations", body, page_key)
    assert ids(after) == ids(ask(api, limit=6)) and not after.json()["fallback"]["used"]
    api("patch", "users/shopper-003", {"consent": {"personalisation": False}})
    refused = from_page(client, "recommendations", body, page_key).json()
    assert refused["fallback"]["kind"] == "no_consent"


def test_a_page_cannot_ask_for_margins_by_parameters(client, page_key, api, live_shop):
    Product.objects.update(margin_rate=0.4)
    read_again(live_shop)
    body = {"filter": "margin_rate > :m", "filter_values": {"m": 0.1}}
    assert api("patch", "placements/home_top", body).status_code == 200
    process_caches.clear_all()
    asked = {"placement": "home_top", "session_id": "s"}
    assert from_page(client, "recommendations", asked, page_key).status_code == 200
    refused = from_page(client, "recommendations", {**asked, "params": {"m": 0.3}}, page_key)
    assert refused.status_code == 403
