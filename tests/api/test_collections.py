"""Collections: one shape, cursors, chosen fields, filters, the same everywhere."""

from datetime import timedelta

import pytest
from django.db.models.expressions import RawSQL
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from recommender.api.events import stored
from recommender.api.http import cursors
from recommender.models import Alert, ApiKey, Product, Shopper, TrainingRun
from tests.api.request_bodies import field_of, purchase

COLLECTIONS = {
    "items": "item_id",
    "users": "user_id",
    "events": "event_id",
    "training-jobs": "job_id",
    "models": "id",
    "placements": "placement",
    "keys": "key_id",
    "alerts": "alert_id",
    "recipes": "recipe",
}


@pytest.fixture
def filled(live_shop, api):
    """A shop with more than one row in each collection."""
    for i in range(3):
        TrainingRun.objects.create(shop=live_shop, status="failed", error=f"reason {i}")
        Alert.objects.create(shop=live_shop, kind="failed", subject=f"s{i}", message="m")
        ApiKey.objects.issue(live_shop, f"key {i}", ["recs:read"])
    return live_shop


def walk(api, path, limit=7, **more):
    """All items of a collection, by its cursors."""
    items, cursor = [], None
    while True:
        query = f"limit={limit}" + "".join(f"&{k}={v}" for k, v in more.items())
        reply = api("get", f"{path}?{query}" + (f"&cursor={cursor}" if cursor else ""))
        assert reply.status_code == 200, reply.content
        body = reply.json()
        assert body.keys() >= {"items", "next_cursor", "total"}
        assert len(body["items"]) <= limit
        items += body["items"]
        cursor = body["next_cursor"]
        if cursor is None:
            return items
        assert len(body["items"]) == limit


@pytest.mark.parametrize("path", COLLECTIONS)
def test_a_collection_is_walked_by_cursor_without_a_repeat(filled, api, path):
    name = COLLECTIONS[path]
    whole = walk(api, path, 1000)
    paged = walk(api, path, 1 if len(whole) < 20 else 7)
    assert paged == whole and len({str(row[name]) for row in whole}) == len(whole) > 0


@pytest.mark.parametrize("path", COLLECTIONS)
def test_fields_choose_what_comes_back(filled, api, path):
    name = COLLECTIONS[path]
    assert all(row.keys() == {name} for row in walk(api, path, 100, fields=name))
    for wrong in ("nosuch", f"{name},nosuch", ",", ""):
        assert field_of(api("get", f"{path}?fields={wrong}")) == "fields"


@pytest.mark.parametrize("path", COLLECTIONS)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1000000000", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
        ("limti=3", "limti"),
        ("cursor=", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor=%00", "cursor"),
    ],
)
def test_a_wrong_query_names_its_parameter(filled, api, path, query, field):
    assert field_of(api("get", f"{path}?{query}")) == field


def test_a_cursor_belongs_to_one_list_one_filter_and_one_key(filled, api, monkeypatch):
    cursor = api("get", "items?limit=2").json()["next_cursor"]
    assert api("get", f"items?limit=3&fields=title&cursor={cursor}").status_code == 200
    for path in (
        f"users?cursor={cursor}",
        f"items?showable=true&cursor={cursor}",
        f"items?cursor={cursor}x",
    ):
        assert field_of(api("get", path)) == "cursor"
    other = ApiKey.objects.issue(filled, "other", ["catalog:read"])
    reply = api("get", f"items?cursor={cursor}", key=other[1])
    assert field_of(reply) == "cursor" and "another key" in reply.json()["detail"]
    monkeypatch.setattr(cursors, "VALID", timedelta(seconds=-1))
    reply = api("get", f"items?cursor={cursor}")
    assert field_of(reply) == "cursor" and "expired" in reply.json()["detail"]


def test_the_successor_of_a_key_continues_its_lists(filled, api):
    row, secret = ApiKey.objects.issue(filled, "old", ["catalog:read"])
    cursor = api("get", "items?limit=2", key=secret).json()["next_cursor"]
    _, successor = row.rotate(7)
    assert api("get", f"items?cursor={cursor}", key=successor).status_code == 200


def test_rows_that_are_written_between_pages_do_not_shift_the_others(filled, api):
    before = [row["item_id"] for row in walk(api, "items", 1000)]
    first = api("get", "items?limit=10").json()
    Product.objects.filter(item_id=before[2]).delete()
    Product.objects.create(shop=filled, item_id="AAA", title="before the cursor")
    Product.objects.filter(item_id=before[20]).update(title="changed")
    rest = api("get", f"items?limit=1000&cursor={first['next_cursor']}").json()["items"]
    assert [row["item_id"] for row in first["items"] + rest] == before


def test_events_that_arrive_between_pages_do_not_shift_the_others(filled, api):
    before = [row["event_id"] for row in walk(api, "events", 1000)]
    first = api("get", "events?limit=50").json()
    api("post", "events", {"events": [purchase("late")]})
    cursor, seen = first["next_cursor"], [row["event_id"] for row in first["items"]]
    while cursor:
        body = api("get", f"events?limit=1000&cursor={cursor}").json()
        seen += [row["event_id"] for row in body["items"]]
        cursor = body["next_cursor"]
    assert seen == before


def test_products_are_filtered_as_in_lists(filled, api):
    Product.objects.filter(item_id="GA/1").update(hidden=True)
    cheap = [row["item_id"] for row in walk(api, "items", 3, filter="price < 3")]
    assert cheap == sorted(cheap) and set(cheap) == {
        *Product.objects.filter(price__lt=3).values_list("item_id", flat=True)
    }
    assert [row["item_id"] for row in walk(api, "items", showable="false")] == ["GA/1"]
    shown = [row["item_id"] for row in walk(api, "items", 7, showable="true", filter="price < 3")]
    assert shown == [item_id for item_id in cheap if item_id != "GA/1"]
    assert field_of(api("get", "items?filter=prize < 3")) == "filter"
    assert field_of(api("get", "items?filter=price < :max")) == "filter"


def test_shoppers_are_filtered_by_consent_and_attribute(filled, api):
    Shopper.objects.filter(user_id="shopper-003").update(
        consent_training=False, attributes={"country": "Sweden"}
    )
    (row,) = walk(api, "users", consent_training="false")
    assert row["user_id"] == "shopper-003" and row["consent"]["training"] is False
    assert walk(api, "users", attribute="country=Sweden") == [row]
    assert walk(api, "users", attribute="country=Norway") == []
    assert field_of(api("get", "users?attribute=Sweden")) == "attribute"


def test_the_events_of_a_shopper_come_whole_and_newest_first(filled, api):
    now = timezone.now()
    event = purchase(
        "order-7",
        items=[
            {"item_id": "GA/1", "quantity": 2, "price": "3.50"},
            {"item_id": "GA/2", "quantity": 1, "price": "2"},
        ],
        recommendation_id="r-1",
        placement="home_top",
        session_id="s-9",
    )
    assert api("post", "events", {"events": [event]}).json()["accepted"] == 1
    rows = walk(api, "events", 5, user_id="shopper-003")
    assert {row["user_id"] for row in rows} == {"shopper-003"}
    times = [row["occurred_at"] for row in rows]
    assert times == sorted(times, reverse=True)
    newest = rows[0]
    assert newest["event_id"] == "order-7" and newest["recommendation_id"] == "r-1"
    assert [(i["item_id"], i["quantity"], i["value"]) for i in newest["items"]] == [
        ("GA/1", 2, 7.0),
        ("GA/2", 1, 2.0),
    ]
    assert api("get", "events/order-7").json() == newest
    for query in ("session_id=s-9", "recommendation_id=r-1", "item_id=GA/2&user_id=shopper-003"):
        assert api("get", f"events?limit=1&{query}").json()["items"] == [newest]
    assert walk(api, "events", user_id="shopper-003", type="view") == []
    assert walk(api, "events", user_id="nobody") == []
    since = (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert walk(api, "events", since=since) == [newest]
    assert newest not in walk(api, "events", 500, until=since)
    oldest = walk(api, "events", 5, user_id="shopper-003", order="oldest")
    assert oldest == rows[::-1]
    assert field_of(api("get", "events?since=2026-01-01T00:00:00")) == "since"


def test_an_event_is_listed_after_one_of_its_products_was_deleted(filled, api):
    lines = [{"item_id": "GA/1", "quantity": 1}, {"item_id": "GA/2", "quantity": 1}]
    api("post", "events", {"events": [purchase("order-8", items=lines)]})
    api("delete", "items/GA/1")
    row = api("get", "events?limit=1&user_id=shopper-003").json()["items"][0]
    assert row["event_id"] == "order-8" and [i["item_id"] for i in row["items"]] == ["GA/2"]


def test_reading_needs_a_reading_scope_alone(filled, api):
    scope_of = {
        "items": "catalog:read",
        "users": "users:read",
        "events": "events:read",
        "training-jobs": "training:read",
        "recipes": "training:read",
        "models": "models:read",
        "placements": "placements:read",
        "keys": "keys:read",
        "alerts": "alerts:read",
    }
    assert scope_of.keys() == COLLECTIONS.keys()
    for path, scope in scope_of.items():
        _, secret = ApiKey.objects.issue(filled, "reader", [scope])
        assert api("get", path, key=secret).status_code == 200, path
        _, other = ApiKey.objects.issue(filled, "other", ["recs:read", "events:write"])
        refused = api("get", path, key=other)
        assert refused.status_code == 403 and scope in refused.json()["detail"]


def test_a_deprecated_name_is_still_there_and_said_to_be_so(filled, api):
    reply = api("get", "models")
    assert reply.json()["models"] == reply.json()["items"] != []
    assert reply["Deprecation"].startswith("@") and "Deprecation" not in api("get", "recipes")


def test_head_and_other_methods(filled, api):
    _, reader = ApiKey.objects.issue(filled, "reader", ["catalog:read"])
    assert api("head", "items?limit=2", key=reader).status_code == 200
    assert api("post", "recipes", {}, key=reader).status_code == 405
    assert api("delete", "items", key=reader).status_code == 405


def test_a_page_that_looks_through_too_much_asks_for_less(filled, api, monkeypatch):
    monkeypatch.setattr(stored, "SECONDS_OF_A_PAGE", 0.05)
    slow = filled.events.annotate(slept=RawSQL("pg_sleep(0.2)::text", []))
    with pytest.raises(ValidationError, match="give user_id"):
        stored.TimedRows(slow, ("occurred_at", "id"), counted=False).after(None, 1)
    assert api("get", "events?limit=1").status_code == 200
