"""What a service meets on the open net: bombs, ids like paths and SQL, contradictory events,
clocks that are wrong, other shops' keys.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.models import ApiKey, Event, Product, Shop

ODD = [
    "../../etc/passwd",
    "a/b/../c",
    "x'; DROP TABLE recommender_product; --",
    '" OR 1=1 --',
    "%2e%2e%2f",
    "{{7*7}}",
    "<script>",
    "名前",
    "a b",
    "?q=1&x",
    "#",
]


def event(**fields):
    return {
        "event_id": "e-1",
        "type": "view",
        "user_id": "u",
        "item_id": "LA/0",
        "occurred_at": timezone.now().isoformat(),
        **fields,
    }


def send(api, *events):
    reply = api("post", "events", {"events": list(events)})
    assert reply.status_code == 202, reply.content
    return reply.json()


@pytest.mark.parametrize(
    "bomb",
    [
        "(" * 5000 + "price < 1" + ")" * 5000,
        "not " * 20_000 + "price < 1",
        " or ".join(["price < 1"] * 20_000),
        "price in (" + ",".join(["1"] * 40_000) + ")",
        "title contains '" + "a" * 150_000 + "'",
        "x" * 100_000,
    ],
    ids=["brackets", "nots", "ors", "in", "text", "word"],
)
def test_a_filter_bomb_is_refused(live_shop, api, bomb):
    reply = api("post", "recommendations", {"placement": "home_top", "filter": bomb})
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == "filter"


@pytest.mark.parametrize("item_id", ODD)
def test_odd_ids_are_ids(live_shop, api, item_id):
    from urllib.parse import quote

    address = f"items/{quote(item_id, safe='')}"
    assert api("put", address, {"title": "Odd"}).status_code == 201
    assert api("get", address).json()["item_id"] == item_id
    assert send(api, event(item_id=item_id, user_id=item_id, session_id=item_id))["accepted"] == 1
    reply = api(
        "post",
        "recommendations",
        {
            "placement": "home_top",
            "user_id": item_id,
            "session_id": item_id,
            "context": {"entry_item_id": item_id},
        },
    )
    assert reply.status_code == 200 and reply.json()["items"]
    assert api("get", f"items/related?item_id={quote(item_id, safe='')}").status_code == 200
    assert (
        api("delete", f"users/{quote(item_id, safe='')}").status_code == 200
        and api("delete", address).status_code == 204
    )
    assert Product.objects.filter(shop=live_shop).exists()


def test_a_replayed_event_counts_once_and_a_contradictory_one_changes_nothing(live_shop, api):
    first = event(type="purchase", quantity=2)
    assert send(api, first)["accepted"] == 1
    again = send(api, first, {**first, "type": "return", "quantity": 9, "item_id": "LA/1"})
    assert (again["accepted"], again["duplicate"]) == (0, 2)
    stored = Event.objects.get(event_id="e-1")
    assert (stored.type, stored.quantity, stored.product.item_id) == ("purchase", 2, "LA/0")


@pytest.mark.parametrize(
    "ahead, taken",
    [
        (timedelta(minutes=4), True),
        (timedelta(minutes=6), False),
        (timedelta(days=400), False),
        (timedelta(days=-4000), True),
    ],
)
def test_clocks_may_be_a_little_wrong_and_events_very_late(live_shop, api, ahead, taken):
    outcome = send(api, event(occurred_at=(timezone.now() + ahead).isoformat()))
    assert outcome["accepted"] == int(taken)
    if not taken:
        assert outcome["results"][0]["error"] == {
            "field": "occurred_at",
            "message": "lies in the future",
        }


def test_another_shops_key_finds_nothing_and_is_told_nothing(live_shop, api):
    other = Shop.objects.create(key="other", name="Other")
    _, key = ApiKey.objects.issue(other, "x", ["admin"])
    run = live_shop.runs.first()
    for method, path in (
        ("get", "items/LA%2F0"),
        ("patch", "items/LA%2F0"),
        ("delete", "items/LA%2F0"),
        ("get", "users/shopper-003"),
        ("delete", "users/shopper-003"),
        ("get", "items/related?item_id=LA%2F0"),
        ("get", "items/shoppers?item_id=LA%2F0"),
        ("get", f"training-jobs/job-{run.pk}"),
        ("post", f"training-jobs/job-{run.pk}/cancel"),
        ("post", "models/1/promote"),
    ):
        assert (
            api(method, path, {} if method in ("patch", "post") else None, key=key).status_code
            == 404
        ), path
    assert api("post", "recommendations", {"placement": "home_top"}, key=key).status_code == 400
    assert api("post", "rerank", {"item_ids": ["LA/0"]}, key=key).json()["left_out"] == ["LA/0"]


def test_a_list_of_ten_thousand_candidates_is_refused(live_shop, api):
    reply = api("post", "rerank", {"item_ids": [f"p{i}" for i in range(10_000)]})
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == "item_ids"


STRICT = [0, -1, 10**9, 10**30, 1.5, "5", None, True]


@pytest.mark.parametrize(
    "path, limit",
    [("recommendations", limit) for limit in STRICT]
    + [("recommendations:batch", limit) for limit in STRICT]
    + [("recommendations:rows", limit) for limit in (0, -1, 10**9, 10**30, None)],
)
def test_a_limit_out_of_range_is_refused(live_shop, api, path, limit):
    more = {"user_ids": ["u"]} if path.endswith("batch") else {}
    more |= {} if path.endswith("rows") else {"placement": "home_top"}
    reply = api("post", path, {"limit": limit, **more})
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == "limit"
