"""POST events, as a shop's program sends them."""

import json

from recommender.models import Event
from tests.api.request_bodies import ask, purchase


def test_events_are_accepted_once_and_each_is_answered(live_shop, api):
    events = [
        purchase("a"),
        purchase("a"),
        purchase("b", items=[{"item_id": "zzz"}]),
        purchase("c", occurred_at="2999-01-01T00:00:00Z"),
        "x",
        purchase("d", user_id=3),
    ]
    reply = api("post", "events", {"events": events})
    assert reply.status_code == 202
    body = reply.json()
    assert (body["accepted"], body["duplicate"], body["rejected"]) == (1, 1, 4)
    assert [r["status"] for r in body["results"]] == [
        "accepted",
        "duplicate",
        "rejected",
        "rejected",
        "rejected",
        "rejected",
    ]
    assert [r["error"]["field"] for r in body["results"][2:]] == [
        "items[0].item_id",
        "occurred_at",
        "event",
        "user_id",
    ]
    again = api("post", "events", {"events": events[:1]}).json()
    assert again["duplicate"] == 1 and Event.objects.filter(event_id="a").count() == 1


def test_the_first_of_two_events_with_one_id_counts(live_shop, api):
    api(
        "post",
        "events",
        {
            "events": [
                purchase("a"),
                purchase("a", items=[{"item_id": "LA/0"}, {"item_id": "LA/1"}]),
            ]
        },
    )
    assert list(Event.objects.filter(event_id="a").values_list("product__item_id", flat=True)) == [
        "GA/1"
    ]


def test_a_number_too_large_for_json_is_refused(shop, api):
    reply = api("put", "items/a", '{"title": "x", "attributes": {"size": 1e400}}')
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == "attributes"


def test_a_date_without_a_zone_is_refused(live_shop, api):
    result = api(
        "post", "events", {"events": [purchase(occurred_at="2026-01-01T10:00:00")]}
    ).json()["results"][0]
    assert result["error"] == {
        "field": "occurred_at",
        "message": "has no time zone; write it with Z or an offset such as +02:00",
    }


def test_too_many_events_and_too_large_a_body(live_shop, api):
    reply = api("post", "events", {"events": [{}] * 10_001})
    assert reply.status_code == 400 and "10,001" in reply.json()["detail"]
    reply = api("post", "events", json.dumps({"events": ["x" * 5_000_000]}))
    assert reply.status_code == 413 and reply.json()["status"] == 413


def test_the_conventions_own_item_is_taken(shop, api):
    item = {
        "item_id": "SKU-8841",
        "title": "Boot",
        "description": "Mid-cut",
        "categories": ["shoes"],
        "attributes": {"brand": "Alto", "size_eu": [37]},
        "price": {"amount": "129.00", "currency": "EUR"},
        "margin_rate": 0.34,
        "stock": {"state": "in_stock", "quantity": 42},
        "images": ["https://cdn.example/1.webp"],
        "locale": "en-GB",
        "available_from": "2026-03-01T00:00:00Z",
        "available_until": None,
        "hidden": False,
        "updated_at": "2026-08-20T09:12:44Z",
    }
    assert api("put", "items/SKU-8841", item).status_code == 201
    body = api("get", "items/SKU-8841").json()
    assert (body["brand"], body["margin_rate"], body["locale"]) == ("Alto", 0.34, "en-GB")
    reply = api("put", "items/SKU-8841", {**item, "price": {"amount": "1", "currency": "USD"}})
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == "price.currency"


def test_a_session_becomes_the_shoppers(live_shop, api):
    api(
        "post",
        "events",
        {"events": [purchase("v", type="view", user_id=None, session_id="anon-1")]},
    )
    assert api("put", "users/new-one", {"merged_from": ["anon-1"]}).status_code == 201
    assert Event.objects.get(event_id="v").shopper.user_id == "new-one"
    assert ask(api, user_id="new-one").json()["fallback"]["used"] is False
