"""Writes of many rows, of parts of a row, and what keeps them safe: dry runs, idempotency keys."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from recommender.ingest import purge as purges
from recommender.ingest.purge import run_purge, tend_purges
from recommender.models import (
    ApiKey,
    Event,
    IdempotentReply,
    Product,
    ProductAttribute,
    Purge,
    Shopper,
    TrainingRun,
)
from recommender.models.products import GoneProduct
from tests.api.request_bodies import ask, field_of, purchase


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """Tasks that were queued, instead of a broker."""
    queued = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue", lambda *call: queued.append(call)
    )
    return queued


def test_patch_sets_and_removes_single_attributes(shop, api):
    api("put", "items/a", {"title": "A", "attributes": {"colour": "red", "size": 38}})
    body = api("patch", "items/a", {"attributes": {"size": 39, "colour": None, "new": [1]}}).json()
    assert body["attributes"] == {"size": 39, "new": [1]}
    body = api("put", "items/a", {"title": "A", "attributes": {"size": 40}}).json()
    assert body["attributes"] == {"size": 40}
    api("put", "users/u", {"attributes": {"country": "SE", "tier": "gold"}})
    body = api("patch", "users/u", {"attributes": {"tier": None, "age": 7}}).json()
    assert body["attributes"] == {"country": "SE", "age": 7}


def test_many_shoppers_are_stored_in_one_call_with_a_result_for_each(live_shop, api):
    users = [
        {"user_id": "new-1", "attributes": {"country": "SE"}, "merged_from": ["s-1"]},
        {"user_id": "shopper-003", "consent": {"training": False}},
        {"user_id": "new-2", "consent": {"training": "no"}},
        {"user_id": "new-3", "colour": "red"},
        "not an object",
        {"attributes": {}},
    ]
    event = purchase("e-1", user_id=None, session_id="s-1")
    api("post", "events", {"events": [event]})
    reply = api("post", "users:batch", {"users": users}).json()
    assert (reply["new"], reply["changed"], reply["rejected"]) == (1, 1, 4)
    assert [row["status"] for row in reply["results"]] == ["accepted"] * 2 + ["rejected"] * 4
    assert [row["error"]["field"] for row in reply["results"][2:]] == [
        "consent.training",
        "colour",
        "user",
        "user_id",
    ]
    assert Event.objects.get(event_id="e-1").shopper.user_id == "new-1"
    assert not Shopper.objects.get(user_id="shopper-003").consent_training
    assert field_of(api("post", "users:batch", {"users": []})) == "users"
    assert field_of(api("post", "users:batch", {"user": []})) == "user"
    assert field_of(api("post", "users:batch", {"users": [{}] * 1001})) == "users"


def test_rows_of_a_batch_keep_their_order_and_their_own_columns(shop, api):
    api("put", "items/A", {"title": "old", "brand": "B", "attributes": {"x": 1}})
    items = [
        {"item_id": "A", "title": "one"},
        {"item_id": "A", "title": "two", "brand": "Alto"},
        {"item_id": "N", "title": "new"},
        {"item_id": "A", "title": "three"},
        {"item_id": "A", "stock": {"quantity": 4}},
    ]
    reply = api("post", "items:batch", {"items": items}).json()
    assert (reply["new"], reply["changed"], reply["rejected"]) == (1, 1, 0)
    body = api("get", "items/A").json()
    assert (body["title"], body["brand"], body["attributes"]) == ("three", "Alto", {"x": 1})
    assert body["stock"]["quantity"] == 4
    again = api("post", "items:batch", {"items": items}).json()
    assert (again["new"], again["changed"], again["same"]) == (0, 0, 2)
    users = [
        {"user_id": "u", "attributes": {"a": 1}},
        {"user_id": "u", "consent": {"training": False}},
    ]
    api("post", "users:batch", {"users": users})
    user = api("get", "users/u").json()
    assert user["attributes"] == {"a": 1}
    assert user["consent"] == {"personalisation": True, "training": False}


def test_parallel_writes_of_parts_keep_each_other(transactional_db, shop, api):
    """Two batches with the same ids in opposite order, and changes of one placement."""
    ids = [f"p{i}" for i in range(30)]
    api("post", "items:batch", {"items": [{"item_id": i, "title": i} for i in ids]})
    first = [{"item_id": i, "brand": "B"} for i in ids]
    second = [{"item_id": i, "description": "D"} for i in reversed(ids)]
    calls = [("post", "items:batch", {"items": first}), ("post", "items:batch", {"items": second})]
    calls += [("patch", "placements/home_top", {name: value}) for name, value in PARTS.items()]
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda call: _in_thread(api.key, *call), calls * 2))
    assert statuses == [200] * len(statuses)
    assert Product.objects.filter(brand="B", description="D").count() == 30
    body = api("get", "placements/home_top").json()
    assert {name: body[name] for name in PARTS} == PARTS


PARTS = {"size": 9, "diversity": 0.3, "tail_percent": 7, "only_new": True}


def _in_thread(key, method, path, body):
    try:
        reply = getattr(Client(), method)(
            f"/api/v1/{path}",
            json.dumps(body),
            content_type="application/json",
            headers={"authorization": f"Bearer {key}"},
        )
        return reply.status_code
    finally:
        connection.close()


def test_parallel_calls_with_one_idempotency_key_create_once(transactional_db, shop, api):
    def create(_):
        try:
            return Client().post(
                "/api/v1/keys",
                {"name": "k", "scopes": ["recs:read"]},
                content_type="application/json",
                headers={"authorization": f"Bearer {api.key}", "idempotency-key": "one"},
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(create, range(6)))
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.json()["key_id"] for reply in replies}) == 1
    assert sum(reply.json()["secret"] is not None for reply in replies) == 1


def test_consent_that_is_no_object_is_refused(shop, api):
    api("put", "users/u", {})
    for wrong in (False, 0, "", [], "no"):
        assert field_of(api("patch", "users/u", {"consent": wrong})) == "consent"
        assert field_of(api("put", "users/u", {"merged_from": wrong or False})) == "merged_from"
        reply = api("post", "users:batch", {"users": [{"user_id": "u", "consent": wrong}]}).json()
        assert reply["results"][0]["error"]["field"] == "consent"


def test_a_parameter_is_given_once(shop, api):
    reply = api("put", "items/a?dry_run=true&dry_run=false", {"title": "A"})
    assert field_of(reply) == "dry_run" and not Product.objects.exists()


def test_one_event_is_deleted_and_may_be_sent_again(live_shop, api):
    path = "users/shopper-003"
    api("get", path)
    before = Shopper.objects.get(user_id="shopper-003").revision
    api("post", "events", {"events": [purchase("wrong/1", items=[{"item_id": "GA/1"}])]})
    assert api("delete", "events/wrong/1").status_code == 204
    assert not Event.objects.filter(event_id="wrong/1").exists()
    assert Shopper.objects.get(user_id="shopper-003").revision == before + 2
    assert api("delete", "events/wrong/1").status_code == 404
    again = api("post", "events", {"events": [purchase("wrong/1", items=[{"item_id": "GA/2"}])]})
    assert again.json()["accepted"] == 1


def test_many_products_are_deleted_by_id(live_shop, api):
    reply = api("post", "items:delete", {"item_ids": ["GA/1", "nosuch", "GA/2"]}).json()
    assert (reply["deleted"], reply["unknown"]) == (2, 1)
    assert [row["status"] for row in reply["results"]] == ["deleted", "unknown", "deleted"]
    assert not {"GA/1", "GA/2"} & {item["item_id"] for item in ask(api, limit=30).json()["items"]}
    assert field_of(api("post", "items:delete", {"item_ids": []})) == "item_ids"
    assert field_of(api("post", "items:delete", {"filter": "price < 3"})) == "filter"


def test_products_are_purged_by_a_filter_once_their_number_is_confirmed(live_shop, api, queue):
    body = {"target": "items", "filter": "item_id is not null"}
    refused = api("post", "purges", body)
    assert refused.status_code == 409 and refused.json()["count"] == 40
    assert api("post", "purges", {**body, "confirm": 39}).status_code == 409
    assert Product.objects.count() == 40 and not Purge.objects.exists()
    body = {"target": "items", "filter": "price < :max", "params": {"max": 3}, "confirm": 8}
    started = api("post", "purges", body)
    assert started.status_code == 202 and started.json()["status"] == "queued"
    purge_id = started.json()["purge_id"]
    assert queue[-1] == ("run_purge", Purge.objects.get().pk)
    run_purge(Purge.objects.get().pk)
    done = api("get", f"purges/{purge_id}").json()
    assert (done["status"], done["deleted"], done["total"]) == ("finished", 8, 8)
    assert Product.objects.count() == 32 and GoneProduct.objects.count() == 8
    assert api("get", "purges?status=finished").json()["items"] == [done]
    assert api("post", f"purges/{purge_id}/cancel").status_code == 409


def test_what_came_or_changed_after_the_request_is_not_purged(live_shop, api, queue):
    body = {"target": "items", "filter": "price < 3", "confirm": 8}
    api("post", "purges", body)
    api("put", "items/later", {"title": "Later", "price": {"amount": "1", "currency": "EUR"}})
    api("patch", "items/GA/0", {"title": "Changed"})
    Product.objects.filter(item_id="GA/0").update(updated_at=timezone.now())  # one transaction here
    run_purge(Purge.objects.get().pk)
    assert {*Product.objects.filter(price__lt=3).values_list("item_id", flat=True)} == {
        "later",
        "GA/0",
    }


def test_what_is_received_after_the_count_is_neither_counted_nor_purged(live_shop, api, queue):
    body = {"target": "events", "types": ["purchase"]}
    refused = api("post", "purges", body).json()
    Event.objects.update(received_at=timezone.now() - timedelta(minutes=1))
    late = purchase("late")
    api("post", "events", {"events": [late]})
    Event.objects.filter(event_id="late").update(received_at=timezone.now())
    confirmed = {**body, "confirm": refused["count"], "as_of": refused["as_of"]}
    assert api("post", "purges", {**body, "confirm": refused["count"]}).status_code == 409
    assert api("post", "purges", confirmed).status_code == 202
    run_purge(Purge.objects.get().pk)
    assert [event.event_id for event in live_shop.events.filter(type="purchase")] == ["late"]


def test_events_are_purged_by_time(live_shop, api, queue):
    cut = timezone.now() - timedelta(days=60)
    older = live_shop.events.filter(occurred_at__lt=cut).count()
    body = {"target": "events", "until": cut.isoformat()}
    assert api("post", "purges", body).json()["count"] == older > 100
    api("post", "purges", {**body, "confirm": older})
    before = Shopper.objects.get(user_id="shopper-003").revision
    run_purge(Purge.objects.get().pk)
    assert not live_shop.events.filter(occurred_at__lt=cut).exists()
    assert live_shop.events.exists() and Purge.objects.get().deleted == older
    assert Shopper.objects.get(user_id="shopper-003").revision > before
    reply = api("post", "purges", {"target": "events", "types": ["view"], "simulated": True})
    assert reply.json()["count"] == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "target"),
        ({"target": "users"}, "target"),
        ({"target": "items"}, "filter"),
        ({"target": "items", "filter": ""}, "filter"),
        ({"target": "items", "filter": "prize < 3"}, "filter"),
        ({"target": "items", "filter": "price < :max"}, "params.max"),
        ({"target": "items", "until": "2026-01-01T00:00:00Z"}, "until"),
        ({"target": "events"}, "since"),
        ({"target": "events", "filter": "price < 3"}, "filter"),
        ({"target": "events", "until": "2026-01-01"}, "until"),
        ({"target": "events", "types": ["bought"]}, "types.0"),
        ({"target": "events", "types": ["view"], "confirm": -1}, "confirm"),
        ({"target": "events", "types": ["view"], "user_id": "x"}, "user_id"),
    ],
)
def test_a_wrong_purge_names_its_field(live_shop, api, body, field):
    assert field_of(api("post", "purges", body)) == field


def test_a_purge_is_canceled_and_an_interrupted_one_is_continued(
    live_shop, api, queue, monkeypatch
):
    monkeypatch.setitem(purges.STEP, "items", 3)
    body = {"target": "items", "filter": "price < 3", "confirm": 8}
    api("post", "purges", body)
    purge = Purge.objects.get()
    steps = purges._items_steps(purge)
    Purge.objects.update(status="running")
    purge.note(next(steps))  # and the worker dies
    run_purge(purge.pk)
    assert Purge.objects.get().deleted == 3  # somebody may still be at work
    Purge.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=3))
    tend_purges()
    assert queue[-1] == ("run_purge", purge.pk)
    run_purge(purge.pk)
    purge.refresh_from_db()
    assert (purge.status, purge.deleted) == ("finished", 8)
    api("post", "purges", {"target": "items", "filter": "price < 4", "confirm": 4})
    second = Purge.objects.first()
    assert api("post", f"purges/purge-{second.pk}/cancel").json()["status"] == "cancelled"
    run_purge(second.pk)
    assert Product.objects.filter(price__lt=4).count() == 4
    api("post", "purges", {"target": "items", "filter": "price < 4", "confirm": 4})
    third = Purge.objects.first()
    Purge.objects.filter(pk=third.pk).update(cancel_requested=True)
    run_purge(third.pk)
    third.refresh_from_db()
    assert (third.status, third.deleted) == ("cancelled", 0)


def test_a_declared_attribute_is_checked_and_what_exists_is_listed(shop, api):
    api("put", "items/a", {"title": "A", "attributes": {"size": 38, "tags": ["x"], "o": {}}})
    api("put", "items/b", {"title": "B", "attributes": {"size": "XL", "tags": []}})
    rows = {row["name"]: row for row in api("get", "attributes").json()["items"]}
    assert rows["size"] == {
        "name": "size",
        "declared": False,
        "type": None,
        "description": "",
        "products": 2,
        "types": {"number": 1, "text": 1},
        "misfits": 0,
        "example": 38,
    }
    assert rows["tags"]["types"] == {"texts": 2} and rows["o"]["types"] == {"other": 1}
    made = api("put", "attributes/size", {"type": "number", "description": "EU"})
    assert made.status_code == 201 and made.json()["misfits"] == 1
    assert api("put", "attributes/size", {"type": "number"}).status_code == 200
    reply = api("put", "items/c", {"title": "C", "attributes": {"size": "L"}})
    assert field_of(reply) == "attributes.size" and "a number" in reply.json()["detail"]
    assert field_of(api("patch", "items/a", {"attributes": {"size": True}})) == "attributes.size"
    assert api("patch", "items/b", {"attributes": {"tags": ["y"]}}).status_code == 200  # a misfit
    assert api("patch", "items/a", {"attributes": {"size": None}}).status_code == 200
    result = api(
        "post",
        "items:batch",
        {"items": [{"item_id": "d", "title": "D", "attributes": {"size": "M"}}]},
    ).json()["results"][0]
    assert result["error"]["field"] == "attributes.size"
    assert field_of(api("put", "attributes/x", {"type": "colour"})) == "type"
    assert field_of(api("put", "attributes/" + "x" * 101, {"type": "text"})) == "name"
    assert api("delete", "attributes/size").status_code == 204
    assert api("delete", "attributes/size").status_code == 404
    assert api("get", "attributes/nosuch").status_code == 404
    assert api("get", "attributes/size?fields=types").json() == {"types": {"text": 1}}


def test_dry_run_replies_as_usual_and_stores_nothing(live_shop, api, queue):
    events, products = Event.objects.count(), Product.objects.count()
    batch = {"items": [{"item_id": "n", "title": "N"}, {"item_id": "m"}]}
    reply = api("post", "items:batch?dry_run=true", batch).json()
    assert (reply["new"], reply["rejected"]) == (1, 1)
    body = {"events": [purchase("dry"), purchase("bad", type="x")]}
    reply = api("post", "events?dry_run=true", body)
    assert reply.status_code == 202
    assert [row["status"] for row in reply.json()["results"]] == ["accepted", "rejected"]
    assert api("put", "users/dry?dry_run=true", {}).status_code == 201
    assert api("put", "placements/dry?dry_run=true", {}).status_code == 201
    assert api("post", "users:batch?dry_run=true", {"users": [{"user_id": "d"}]}).json()["new"] == 1
    assert api("post", "training-jobs?dry_run=true", {"recipe": "fusion"}).status_code == 202
    assert field_of(api("post", "training-jobs?dry_run=true", {"recipe": "x"})) == "recipe"
    assert (Event.objects.count(), Product.objects.count()) == (events, products)
    assert not TrainingRun.objects.filter(status="queued").exists()
    assert not live_shop.placements.filter(key="dry").exists()
    assert not Shopper.objects.filter(user_id__startswith="d").exists()
    assert field_of(api("post", "events?dry_run=maybe", body)) == "dry_run"
    assert field_of(api("post", "rerank?dry_run=true", {"item_ids": ["GA/1"]})) == "dry_run"


def test_an_idempotency_key_creates_once(live_shop, api, client, queue):
    def post(path, body, name="first", key=api.key):
        return client.post(
            f"/api/v1/{path}",
            body,
            "application/json",
            headers={"authorization": f"Bearer {key}", "idempotency-key": name},
        )

    body = {"recipe": "fusion", "promote": "ask"}
    first, second = post("training-jobs", body), post("training-jobs", body)
    assert first.status_code == second.status_code == 202 and first.json() == second.json()
    assert second["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first
    assert TrainingRun.objects.filter(status="queued").count() == 1
    assert post("training-jobs", {**body, "promote": "never"}).status_code == 409
    assert post("training-jobs", body, "second").json()["job_id"] != first.json()["job_id"]
    assert field_of(post("training-jobs", body, "x" * 256)) == "Idempotency-Key"
    made = post("keys", {"name": "k", "scopes": ["recs:read"]}, "third")
    repeated = post("keys", {"name": "k", "scopes": ["recs:read"]}, "third")
    assert made.json()["secret"].startswith("vt_") and repeated.json()["secret"] is None
    assert made.json()["key_id"] == repeated.json()["key_id"]
    assert made.json()["secret"] not in str([*IdempotentReply.objects.values()])
    assert post("keys", {"name": "k", "scopes": ["none"]}, "fourth").status_code == 400
    assert post("keys", {"name": "k", "scopes": ["recs:read"]}, "fourth").status_code == 201
    _, other = ApiKey.objects.issue(live_shop, "o", ["admin"])
    assert "Idempotent-Replayed" not in post("training-jobs", body, key=other)
    IdempotentReply.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert "Idempotent-Replayed" not in post("training-jobs", body)
    assert IdempotentReply.objects.forget_old() > 0


def test_declared_types_hold_for_files(shop):
    from recommender.ingest import Parser, upsert_products

    ProductAttribute.objects.create(shop=shop, name="size", type="number")
    rows = [(1, {"item_id": "a", "title": "A", "attributes": '{"size": "XL"}'})]
    report = upsert_products(shop, rows, ["title", "attributes"], Parser(shop.zone))
    assert [(e.line, e.field) for e in report.errors] == [(1, "attributes.size")]
