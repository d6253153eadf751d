"""REST, as a shop's program calls it."""

import json
from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest
from django.utils import timezone

from recommender.models import ApiKey, Event, Product, Shop, Shopper, TrainingRun
from recommender.serving import shop_state


def purchase(event_id="e1", **fields) -> dict:
    when = (timezone.now() - timedelta(minutes=1)).isoformat()
    return {
        "event_id": event_id,
        "type": "purchase",
        "user_id": "shopper-003",
        "items": [{"item_id": "GA/1", "quantity": 1}],
        "occurred_at": when,
        **fields,
    }


def ask(api, **fields):
    return api(
        "post",
        "recommendations",
        {"placement": "home_top", "user_id": "shopper-003", "limit": 5, **fields},
    )


def test_a_personal_list_has_the_contracts_shape(live_shop, api):
    reply = ask(api, explain="full")
    assert reply.status_code == 200
    body = reply.json()
    assert (
        body["fallback"] == {"used": False, "kind": None}
        and body["model_version"] == "fusion@1"
        and body["recommendation_id"].startswith("r-")
    )
    assert [i["position"] for i in body["items"]] == [1, 2, 3, 4, 5]
    first = body["items"][0]
    assert {
        "item_id",
        "position",
        "score",
        "score_kind",
        "source",
        "rule",
        "reasons",
    } <= first.keys()
    assert first["explanation"]["base"] + sum(
        first["explanation"]["contributions"].values()
    ) == pytest.approx(first["score"], abs=1e-4)


def test_shares_of_the_history_are_told_in_full(live_shop, api):
    items = ask(api, explain="full").json()["items"]
    told = next(i for i in items if i["explanation"]["history"])
    shares = [row["share"] for row in told["explanation"]["history"]]
    assert (
        shares == sorted(shares, reverse=True)
        and sum(shares) == pytest.approx(1, abs=1e-2)
        and told["because"] == told["explanation"]["history"][0]
    )


def why(api, **fields):
    return api("get", f"recommendations/why-not?{urlencode(fields)}")


def test_why_not_tells_the_stage_and_what_speaks_against(live_shop, api):
    wanted = {"placement": "home_top", "user_id": "shopper-003"}
    listed = [i["item_id"] for i in ask(api, limit=40).json()["items"]]
    shown = why(api, **{**wanted, "item_id": listed[0]}).json()
    assert (shown["stage"], shown["place"]) == ("shown", 1)
    lost = why(api, **{**wanted, "item_id": listed[20]}).json()
    assert (lost["stage"], lost["place"]) == ("ranked", 21) and lost["score"] < lost["last_score"]
    assert sum(lost["against"].values()) == pytest.approx(
        lost["score"] - lost["last_score"], abs=1e-4
    )
    live_shop.products.filter(item_id=listed[0]).update(hidden=True)
    assert why(api, **{**wanted, "item_id": listed[0]}).json()["stage"] == "hidden"
    assert (
        why(api, **{**wanted, "user_id": "nobody", "item_id": listed[1]}).json()["stage"]
        == "no_list"
    )


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"placement": "basket"}, 400, "placement"),
        ({"item_id": "none"}, 404, "item_id"),
        ({"item_id": None}, 400, "item_id"),
    ],
)
def test_why_not_refuses_what_it_cannot_answer(live_shop, api, fields, status, field):
    asked = {
        k: v
        for k, v in {
            "placement": "home_top",
            "user_id": "shopper-003",
            "item_id": "LA/0",
            **fields,
        }.items()
        if v
    }
    reply = why(api, **asked)
    assert reply.status_code == status and field in reply.content.decode()


def test_explain_off_gives_no_reasons(live_shop, api):
    assert all(
        i["reasons"] == [] and i["because"] is None for i in ask(api, explain="off").json()["items"]
    )


def test_the_next_list_knows_an_event_at_once(live_shop, api):
    before = [i["item_id"] for i in ask(api, limit=20, placement="discover").json()["items"]]
    gone = before[0]
    assert (
        api("post", "events", {"events": [purchase(items=[{"item_id": gone}])]}).json()["accepted"]
        == 1
    )
    after = [i["item_id"] for i in ask(api, limit=20, placement="discover").json()["items"]]
    assert gone not in after and after != before


@pytest.mark.parametrize(
    "who",
    [{"user_id": "nobody/at all ü"}, {"user_id": None, "session_id": "fresh"}, {"user_id": None}],
)
def test_the_unknown_get_a_list_and_are_told_so(live_shop, api, who):
    body = ask(api, **who).json()
    assert len(body["items"]) == 5 and body["fallback"] == {"used": True, "kind": "popular"}


def test_an_empty_shop_is_told_so(shop, api):
    body = ask(api).json()
    assert body["items"] == [] and body["fallback"] == {"used": True, "kind": "empty_catalogue"}


def test_a_basket_and_a_product_page(live_shop, api):
    for placement in ("basket", "product_page"):
        body = ask(api, placement=placement, context={"item_ids": ["LA/0", "LA/1"]}).json()
        assert len(body["items"]) == 5 and not {"LA/0", "LA/1"} & {
            i["item_id"] for i in body["items"]
        }


def test_related_takes_an_id_with_a_slash(live_shop, api):
    body = api("get", "items/related?item_id=LA%2F0&limit=4").json()
    assert (
        len(body["items"]) == 4 and sum(i["item_id"].startswith("LA/") for i in body["items"]) >= 3
    )


def test_a_filter_narrows_every_kind_of_list(live_shop, api):
    for reply in (
        ask(api, filter="price.amount < :max", params={"max": 4}),
        ask(api, user_id="never seen", filter="price < 4"),
        ask(api, placement="basket", context={"item_ids": ["LA/0"]}, filter="price < 4"),
        api("get", "items/related?item_id=LA%2F0&limit=4&filter=price%20%3C%204"),
    ):
        items = [i["item_id"] for i in reply.json()["items"]]
        assert (
            len(items) >= 4
            and not live_shop.products.filter(item_id__in=items, price__gte=4).exists()
        )
    assert (
        api("get", "items/related?item_id=LA%2F0&filter=price").json()["errors"][0]["field"]
        == "filter"
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"placement": "nowhere"}, "placement"),
        ({"placement": None}, "placement"),
        ({"user_id": 5}, "user_id"),
        ({"user_id": "a\x00"}, "user_id"),
        ({"user_id": "x" * 257}, "user_id"),
        ({"explain": "why"}, "explain"),
        ({"filter": "price < cheap"}, "filter"),
        ({"filter": 3}, "filter"),
        ({"filter": "price < :max"}, "params.max"),
        ({"filter": "price < :max", "params": {"max": "3"}}, "params.max"),
        ({"params": 3}, "params"),
        ({"diversity": 2}, "diversity"),
        ({"diversity": "0.3"}, "diversity"),
        ({"diversity": -0.1}, "diversity"),
        ({"context": []}, "context"),
        ({"context": {"item_ids": "a"}}, "context"),
        ({"placement": "basket"}, "context.item_ids"),
    ],
)
def test_a_wrong_request_names_the_field(live_shop, api, fields, field):
    reply = ask(api, **fields)
    assert reply.status_code == 400 and reply["Content-Type"] == "application/problem+json"
    body = reply.json()
    assert (
        body["errors"][0]["field"] == field
        and body["status"] == 400
        and body["title"] == "Bad Request"
    )


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("{", "not JSON"),
        ("[]", "JSON object"),
        (b"\xff\xfe", "UTF-8"),
        ('{"limit": NaN}', "not JSON"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_malformed_json_is_a_clear_400(live_shop, api, body, says):
    reply = api("post", "recommendations", body)
    assert reply.status_code == 400 and says in reply.json()["detail"]


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


def test_keys_open_what_their_scopes_say(live_shop, api):
    _, reading = ApiKey.objects.issue(live_shop, "r", ["recs:read"])
    row, expired = ApiKey.objects.issue(live_shop, "e", ["admin"], days=1)
    ApiKey.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert api("post", "recommendations", {"placement": "home_top"}, key=reading).status_code == 200
    refused = api("post", "events", {"events": []}, key=reading)
    assert refused.status_code == 403 and "events:write" in refused.json()["detail"]
    for key in (expired, "vt_wrong", "ü"):
        reply = api("post", "recommendations", {"placement": "home_top"}, key=key)
        assert (
            reply.status_code == 401
            and reply["WWW-Authenticate"] == "Bearer"
            and key not in reply.content.decode()
        )


def test_no_key_is_a_401(client, shop):
    assert client.post("/api/v1/recommendations").status_code == 401


def test_a_key_sees_only_its_shop(live_shop, api):
    other = Shop.objects.create(key="other", name="Other")
    Product.objects.create(shop=other, item_id="secret", title="Secret")
    _, key = ApiKey.objects.issue(other, "o", ["admin"])
    assert api("get", "items/secret").status_code == 404
    assert api("get", "items/GA/1", key=key).status_code == 404
    assert api("get", "models", key=key).json() == {"models": []}


def test_a_key_is_kept_only_as_its_hash(shop, api):
    assert not ApiKey.objects.filter(hash__contains=api.key).exists() and not any(
        api.key in str(v) for row in ApiKey.objects.values() for v in row.values()
    )


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


def test_deleting_a_user_erases_their_events_and_lists(live_shop, api):
    assert api("delete", "users/shopper-003").status_code == 200
    assert (
        not Event.objects.filter(shopper__user_id="shopper-003").exists()
        and not Shopper.objects.filter(user_id="shopper-003").exists()
    )
    assert ask(api).json()["fallback"] == {"used": True, "kind": "popular"}
    assert api("delete", "users/shopper-003").status_code == 404


def test_a_users_consent_is_kept_and_obeyed(live_shop, api):
    assert (
        api(
            "put",
            "users/shopper-003",
            {"attributes": {"country": "SE"}, "consent": {"personalisation": False}},
        ).status_code
        == 200
    )
    assert api("get", "users/shopper-003").json()["consent"] == {
        "personalisation": False,
        "training": True,
    }
    assert ask(api).json()["fallback"]["kind"] == "no_consent"
    assert api("put", "users/shopper-003", {"consent": {"sharing": True}}).status_code == 400


def test_a_training_job_is_queued_seen_and_cancelled(
    stocked, api, django_capture_on_commit_callbacks, monkeypatch
):
    sent = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue",
        lambda name, pk, *_: name == "train" and sent.append(pk),
    )
    reply = api(
        "post",
        "training-jobs",
        {
            "recipe": "fusion",
            "data": {"from": "2026-01-01", "to": None},
            "set": {"text.steps": 10},
            "promote": "ask",
        },
    )
    assert reply.status_code == 202
    job = reply.json()
    run = TrainingRun.objects.get()
    assert (job["job_id"], job["status"], sent) == (f"job-{run.pk}", "queued", [run.pk]) and str(
        run.data_from
    ) == "2026-01-01"
    assert api("get", f"training-jobs/{job['job_id']}").json()["promote"] == "ask"
    assert api("post", f"training-jobs/{job['job_id']}/cancel").json()["status"] == "cancelled"
    assert api("post", f"training-jobs/{job['job_id']}/cancel").status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"recipe": "magic"}, "recipe"),
        ({"preset": "magic"}, "preset"),
        ({"set": {"text.stepz": 1}}, "set.text.stepz"),
        ({"set": []}, "set"),
        ({"promote": "maybe"}, "promote"),
        ({"data": {"from": "soon"}}, "data.from"),
        ({"data": {"from": "2026-02-01", "to": "2026-01-01"}}, "data.from"),
        ({"speed": 3}, "speed"),
    ],
)
def test_a_wrong_training_job_names_the_field(shop, api, body, field):
    reply = api("post", "training-jobs", body)
    assert (
        reply.status_code == 400
        and reply.json()["errors"][0]["field"] == field
        and not TrainingRun.objects.exists()
    )


def test_models_are_listed_promoted_and_rolled_back(live_shop, api, register):
    register(live_shop)
    models = api("get", "models?purpose=ranking").json()["models"]
    assert [(m["id"], m["status"]) for m in models] == [(2, "candidate"), (1, "champion")]
    assert api("post", "models/2/promote").json()["status"] == "champion"
    assert api("post", "models/rollback", {"purpose": "ranking"}).json()["id"] == 1
    assert api("post", "models/rollback", {}).status_code == 409
    assert api("post", "models/99/promote").status_code == 404


def test_a_broken_version_cannot_be_promoted(live_shop, api, register, checkpoints):
    version = register(live_shop)
    (checkpoints / version.folder / "popularity.npy").write_bytes(b"")
    reply = api("post", "models/2/promote")
    assert (
        reply.status_code == 409
        and "popularity.npy" in reply.json()["detail"]
        and live_shop.champion().number == 1
    )


@pytest.mark.parametrize(
    "path",
    [
        "training-jobs/job-x",
        "training-jobs/99999999999999999999",
        "items/none",
        "users/none",
        "items/related?item_id=none",
        "nothing/here",
    ],
)
def test_what_is_not_there_is_a_404_problem(shop, api, path):
    reply = api("get", path)
    assert reply.status_code == 404 and reply["Content-Type"] == "application/problem+json"


def test_health_needs_no_key(client, db):
    assert client.get("/api/v1/health/live").json() == {"status": "ok"}
    assert client.get("/api/v1/health/ready").json()["checks"] == {"database": "ok", "queue": "ok"}


def test_schema_and_docs_are_open(client, db):
    assert (
        client.get("/api/schema").status_code == 200 and client.get("/api/docs").status_code == 200
    )


def test_a_stored_list_costs_few_queries(live_shop, api, django_assert_max_num_queries):
    ask(api)
    with django_assert_max_num_queries(8):
        ask(api)


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


def test_a_blank_consent_is_refused_and_an_older_no_stays(live_shop, api):
    api("put", "users/shopper-003", {"consent": {"training": False}})
    assert api("put", "users/shopper-003", {"consent": {"training": None}}).status_code == 400
    api("put", "users/shopper-003", {"attributes": {"a": "b"}})
    assert Shopper.objects.get(user_id="shopper-003").consent_training is False


def test_an_offset_that_no_place_has_loses_no_batch(live_shop, api):
    body = api(
        "post",
        "events",
        {"events": [purchase("a", occurred_at="2026-08-20T09:13:01+16:00"), purchase("b")]},
    ).json()
    assert (body["accepted"], body["rejected"]) == (2, 0)


def test_an_unknown_address_is_a_problem_for_any_client(shop):
    from django.test import Client

    for path in ("search/things", "recommendations/"):
        reply = Client(enforce_csrf_checks=True).post(
            f"/api/v1/{path}", b"{}", content_type="application/json"
        )
        assert reply.status_code == 404 and reply["Content-Type"] == "application/problem+json"


def test_promotion_needs_its_own_scope(stocked, api, monkeypatch):
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    _, key = ApiKey.objects.issue(stocked, "t", ["training:write"])
    assert api("post", "training-jobs", {"promote": "always"}, key=key).status_code == 403
    assert api("post", "training-jobs", {}, key=key).json()["promote"] == "ask"
    assert api("post", "training-jobs", {}).json()["promote"] == "if-better"


def test_a_given_list_is_put_in_order_for_a_shopper(live_shop, api):
    hidden = ask(api, limit=4).json()["items"][-1]["item_id"]
    live_shop.products.filter(item_id=hidden).update(hidden=True)
    shop_state.clear()
    personal = [i["item_id"] for i in ask(api, limit=12).json()["items"]]
    live_shop.products.create(item_id="fresh", title="came after the training")
    given = ["fresh", *reversed(personal), "nowhere", personal[0], hidden]
    reply = api("post", "rerank", {"item_ids": given, "user_id": "shopper-003"}).json()
    listed = [i["item_id"] for i in reply["items"]]
    assert listed == [*personal, "fresh"] and reply["left_out"] == ["nowhere", hidden]
    assert [i["position"] for i in reply["items"]] == list(range(1, len(listed) + 1)) and all(
        i["reasons"] for i in reply["items"][:-1]
    )
    full = api(
        "post", "rerank", {"item_ids": given, "user_id": "shopper-003", "explain": "full"}
    ).json()["items"][0]
    assert full["explanation"]["base"] + sum(
        full["explanation"]["contributions"].values()
    ) == pytest.approx(full["score"], abs=1e-4)
    scores = [i["score"] for i in reply["items"]]
    assert (
        scores[:-1] == sorted(scores[:-1], reverse=True)
        and scores[-1] is None
        and reply["fallback"] == {"used": False, "kind": None}
    )


@pytest.mark.parametrize("who", [{}, {"user_id": "nobody"}, {"session_id": "s-1"}])
def test_where_nothing_is_known_a_given_list_stays_as_it_was(live_shop, api, who):
    reply = api("post", "rerank", {"item_ids": ["GA/1", "LA/1", "TE/1"], **who}).json()
    assert [i["item_id"] for i in reply["items"]] == ["GA/1", "LA/1", "TE/1"] and reply["fallback"][
        "kind"
    ] == "as_given"


def test_without_consent_a_given_list_stays_as_it_was(live_shop, api):
    live_shop.shoppers.filter(user_id="shopper-003").update(consent_personalisation=False)
    reply = api("post", "rerank", {"item_ids": ["GA/1", "LA/1"], "user_id": "shopper-003"}).json()
    assert [i["item_id"] for i in reply["items"]] == ["GA/1", "LA/1"] and reply["fallback"][
        "kind"
    ] == "no_consent"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "item_ids"),
        ({"item_ids": []}, "item_ids"),
        ({"item_ids": "LA/1"}, "item_ids"),
        ({"item_ids": ["x"] * 10_000}, "item_ids"),
        ({"item_ids": [3]}, "item_ids.0"),
        ({"item_ids": ["LA/1"], "limit": 3}, "limit"),
    ],
)
def test_a_wrong_list_to_put_in_order_is_refused(live_shop, api, body, field):
    reply = api("post", "rerank", body)
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == field


def test_a_page_shows_no_product_twice(live_shop, api):
    page = [
        {"placement": "home_top", "limit": 6},
        {"placement": "discover"},
        {"placement": "product_page", "context": {"item_ids": ["LA/0"]}},
        {"placement": "home_top", "limit": 4, "filter": "price < :most", "params": {"most": 9}},
    ]
    for user in ("shopper-003", "nobody"):
        reply = api("post", "recommendations:page", {"placements": page, "user_id": user}).json()
        items = [item["item_id"] for found in reply["lists"] for item in found["items"]]
        assert [len(found["items"]) for found in reply["lists"]] == [6, 6, 6, 4] and len(
            set(items)
        ) == len(items)
        assert [found["placement"] for found in reply["lists"]] == [
            one["placement"] for one in page
        ]
        assert all(
            [i["position"] for i in found["items"]] == list(range(1, len(found["items"]) + 1))
            for found in reply["lists"]
        )
        more = api("post", "recommendations", {"next": reply["lists"][1]["next"]}).json()
        assert more["items"] and not {i["item_id"] for i in more["items"]} & {
            i["item_id"] for found in reply["lists"][:2] for i in found["items"]
        }
    assert [i["item_id"] for i in ask(api, limit=6).json()["items"]] == [
        i["item_id"]
        for i in api(
            "post", "recommendations:page", {"placements": page, "user_id": "shopper-003"}
        ).json()["lists"][0]["items"]
    ]


@pytest.mark.parametrize(
    ("placements", "field"),
    [
        ([], "placements"),
        ("home_top", "placements"),
        ([{"placement": "home_top"}] * 21, "placements"),
        ([{"placement": "home_top"}, {}], "placements[1].placement"),
        ([{"placement": "home_top", "user_id": "x"}], "placements[0].user_id"),
        ([{"placement": "home_top", "limit": 0}], "placements[0].limit"),
        ([{"placement": "home_top", "filter": "price"}], "placements[0].filter"),
        ([{"placement": "basket"}], "placements[0].context.item_ids"),
    ],
)
def test_a_wrong_page_names_the_field(live_shop, api, placements, field):
    reply = api(
        "post", "recommendations:page", {"placements": placements, "user_id": "shopper-003"}
    )
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == field
