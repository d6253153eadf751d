"""What a request and a placement change in a ranking: rules, scores, rotation, groups, tests."""

import shutil
from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.experiments.assignment import arm_of
from recommender.infrastructure import process_caches
from recommender.models import ApiKey, Placement, Product, ServedList
from recommender.models.changes import Change
from recommender.serving.exposure_log import exposure_buffer
from tests.api.request_bodies import ask, field_of, purchase


def ids(reply):
    assert reply.status_code == 200, reply.content
    return [item["item_id"] for item in reply.json()["items"]]


def regroup(shop, **groups):
    for item_id, group in groups.items():
        item_id = item_id.replace("_", "/")
        Product.objects.filter(shop=shop, item_id=item_id).update(item_group_id=group)
    read_again(shop)


def read_again(shop):
    """What a process does once it knows of a change; others poll each second."""
    Change.objects.tell_products(shop, None)
    process_caches.clear_all()


@pytest.fixture
def usual(live_shop, api):
    """The usual list of a shopper, long enough to see what moves."""
    return ids(ask(api, limit=20))


def test_a_boost_divides_ranks_and_names_its_rule(live_shop, api, usual):
    rules = [{"effect": "boost", "item_ids": [usual[9]], "factor": 3, "name": "Tea", "id": "r1"}]
    reply = ask(api, limit=20, rules=rules)
    assert ids(reply).index(usual[9]) in (2, 3)  # rank 10 / 3
    moved = next(i for i in reply.json()["items"] if i["item_id"] == usual[9])
    assert moved["rule"] == {"id": "r1", "effect": "boost", "name": "Tea"}
    others = [i for i in ids(reply) if i != usual[9]]
    assert others == [i for i in usual if i != usual[9]][: len(others)]
    assert all(i["rule"] is None for i in reply.json()["items"] if i["item_id"] != usual[9])


def test_hide_and_bury_take_a_filter(live_shop, api, usual):
    first = Product.objects.get(item_id=usual[0])
    text = f"item_id = '{usual[0]}' or item_id = '{usual[1]}'"
    hidden = ids(ask(api, limit=20, rules=[{"effect": "hide", "filter": text}]))
    assert hidden[:18] == usual[2:]
    buried = ids(ask(api, limit=40, rules=[{"effect": "bury", "filter": text}]))
    assert buried[:18] == usual[2:] and {usual[0], usual[1]} <= set(buried[-2:])
    rules = [{"effect": "hide", "filter": "price = :p"}]
    assert usual[0] not in ids(ask(api, rules=rules, params={"p": float(first.price)}))


def test_a_pin_stands_at_its_place_if_it_is_eligible(live_shop, api, usual):
    last = usual[-1]
    reply = ask(api, limit=5, rules=[{"effect": "pin", "item_ids": [last], "position": 2}])
    assert ids(reply) == [usual[0], last, *usual[1:4]]
    assert reply.json()["items"][1]["rule"]["effect"] == "pin"
    everything = set(Product.objects.values_list("item_id", flat=True))
    unranked = sorted(everything - set(ids(ask(api, limit=100))) or everything - set(usual))[0]
    pins = [{"effect": "pin", "item_ids": [unranked, "nosuch", usual[3]]}]
    reply = ask(api, limit=5, rules=pins, explain="full")
    assert ids(reply)[:2] == [unranked, usual[3]]
    assert reply.json()["items"][0]["rule"]["id"] == "request-1"
    Product.objects.filter(item_id=last).update(hidden=True)
    read_again(live_shop)
    assert last not in ids(ask(api, limit=5, rules=[{"effect": "pin", "item_ids": [last]}]))
    page = ask(api, limit=3, rules=[{"effect": "pin", "item_ids": [usual[8]], "position": 5}])
    more = api("post", "recommendations", {"next": page.json()["next"]})
    assert ids(page) == usual[:3] and ids(more)[1] == usual[8]
    assert api("post", "recommendations", {"next": more.json()["next"]}).status_code == 200


def test_rules_of_a_placement_hold_for_all_its_lists(live_shop, api, usual):
    rules = [{"effect": "hide", "item_ids": [usual[0]]}]
    assert api("patch", "placements/home_top", {"rules": rules}).json()["rules"] == rules
    process_caches.clear_all()
    assert ids(ask(api, limit=19)) == usual[1:]
    why = f"recommendations/why-not?placement=home_top&user_id=shopper-003&item_id={usual[0]}"
    assert api("get", why).json()["stage"] == "filtered"
    assert ids(ask(api, limit=3, rules=[{"effect": "pin", "item_ids": [usual[5]]}]))[0] == usual[5]
    assert api("patch", "placements/home_top", {"rules": []}).status_code == 200
    process_caches.clear_all()
    assert ids(ask(api, limit=20)) == usual


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ("x", "rules"),
        ([1], "rules[0]"),
        ([{"effect": "lift", "item_ids": ["a"]}], "rules[0].effect"),
        ([{"effect": "hide"}], "rules[0]"),
        ([{"effect": "hide", "item_ids": ["a"], "filter": "price < 3"}], "rules[0]"),
        ([{"effect": "hide", "filter": "prize < 3"}], "rules[0].filter"),
        ([{"effect": "hide", "filter": "price < :p"}], "params.p"),
        ([{"effect": "pin", "filter": "price < 3"}], "rules[0].item_ids"),
        ([{"effect": "pin", "item_ids": ["a"], "position": 0}], "rules[0].position"),
        ([{"effect": "pin", "item_ids": ["a"], "position": 1.5}], "rules[0].position"),
        ([{"effect": "boost", "item_ids": ["a"], "factor": 0}], "rules[0].factor"),
        ([{"effect": "boost", "item_ids": ["a"], "factor": "2"}], "rules[0].factor"),
        ([{"effect": "hide", "item_ids": ["a"], "factor": 2}], "rules[0].factor"),
        ([{"effect": "hide", "item_ids": [3]}], "rules[0].item_ids"),
        ([{"effect": "hide", "item_ids": ["a"], "x": 1}], "rules[0].x"),
        ([{"effect": "hide", "item_ids": ["a"]}] * 51, "rules"),
    ],
)
def test_a_wrong_rule_names_its_place(live_shop, api, rules, field):
    assert field_of(ask(api, rules=rules)) == field
    assert field_of(api("patch", "placements/home_top", {"rules": rules})).startswith(
        ("rules", "params")
    )


def test_a_minimal_score_shortens_the_list_and_fills_nothing_up(live_shop, api, usual):
    items = ask(api, limit=20).json()["items"]
    cut = items[4]["score"]
    kept = ask(api, limit=20, min_score=cut)
    assert ids(kept) == [i["item_id"] for i in items if i["score"] >= cut]
    assert kept.json()["fallback"] == {"used": False, "kind": None}
    none = ask(api, limit=20, min_score=1e9).json()
    assert none["items"] == [] and none["fallback"]["kind"] == "below_min_score"
    stranger = ask(api, user_id="nobody", min_score=0).json()
    assert stranger["items"] == []
    assert field_of(ask(api, min_score="1")) == "min_score"


def test_rotation_moves_what_was_shown_lately(live_shop, api, usual):
    exposure_buffer.flush()
    ServedList.objects.all().delete()
    assert ids(ask(api, limit=4)) == usual[:4]
    exposure_buffer.flush()
    assert ids(ask(api, limit=8, rotation=0)) == usual[:8]
    rotated = ids(ask(api, limit=8, rotation=1))
    assert rotated == usual[4:12]
    exposure_buffer.waiting.clear()
    mild = ids(ask(api, limit=8, rotation=0.5))  # ranks 1 to 4 become 2, 4, 6, 8
    assert mild[:3] == [usual[0], usual[1], usual[4]] or set(mild) != set(usual[:8])
    exposure_buffer.waiting.clear()
    ServedList.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert ids(ask(api, limit=4, rotation=1)) == usual[:4]
    exposure_buffer.waiting.clear()
    assert ids(ask(api, limit=4, rotation=1, rotation_hours=48)) == usual[4:8]
    for wrong in ({"rotation": 2}, {"rotation_hours": 0}, {"rotation_hours": 1.5}):
        assert field_of(ask(api, **wrong)) == next(iter(wrong))


def test_rotation_knows_a_session(live_shop, api):
    event = purchase("e-s", user_id=None, session_id="s-7")
    api("post", "events", {"events": [event]})
    body = {"placement": "home_top", "session_id": "s-7", "limit": 4}
    first = ids(api("post", "recommendations", body))
    exposure_buffer.flush()
    assert not set(ids(api("post", "recommendations", {**body, "rotation": 1}))) & set(first)


def test_one_product_of_a_group_is_shown(live_shop, api, usual):
    a, b, c = usual[0], usual[1], usual[6]
    names = {i.replace("/", "_"): "shirt" for i in (a, b, c)}
    regroup(live_shop, **names)
    shown = ids(ask(api, limit=18))
    assert shown[0] == a and not {b, c} & set(shown)
    page = ask(api, limit=2)
    more = api("post", "recommendations", {"next": page.json()["next"], "limit": 20})
    assert not {b, c} & set(ids(more))
    related = ids(api("get", f"items/related?item_id={a}&limit=30"))
    assert not {b, c} & set(related)
    both = [{"placement": "home_top", "limit": 1}, {"placement": "home_top", "limit": 15}]
    lists = api("post", "recommendations:page", {"user_id": "shopper-003", "placements": both})
    assert not {b, c} & {i["item_id"] for part in lists.json()["lists"] for i in part["items"]}
    assert [
        i["item_id"] for i in api("get", "items?filter=item_group_id = 'shirt'").json()["items"]
    ]
    regroup(live_shop, **dict.fromkeys(names, ""))
    assert ids(ask(api, limit=18)) == usual[:18]


def test_precomputed_lists_join_groups_too(live_shop, api):
    from recommender.recommendations.batch_scoring import score_shard

    shopper = live_shop.shoppers.get(user_id="shopper-003")
    score_shard(live_shop.champion(), shopper.pk, shopper.pk)
    ask(api, limit=6)
    stored = ask(api, limit=6).json()
    assert stored["stored"]
    first = [item["item_id"] for item in stored["items"]]
    regroup(live_shop, **{i.replace("/", "_"): "g" for i in first[:2]})
    again = ask(api, limit=5).json()
    assert again["stored"] and [i["item_id"] for i in again["items"]] == [first[0], *first[2:]]


def test_hydrate_takes_fields(live_shop, api):
    items = ask(api, fields=["title", "price.amount"]).json()["items"]
    assert all(i["item"].keys() == {"title", "price"} for i in items)
    assert all(i["item"]["price"].keys() == {"amount"} for i in items)
    body = {"user_id": "shopper-003", "placements": [{"placement": "home_top"}]}
    page = api("post", "recommendations:page", {**body, "hydrate": True, "fields": ["title"]})
    assert page.json()["lists"][0]["items"][0]["item"].keys() == {"title"}
    assert field_of(ask(api, fields=["titel"])) == "fields"
    assert field_of(ask(api, fields=[])) == "fields"


def test_facets_follow_the_ranking(live_shop, api):
    for product in Product.objects.all():
        theme = product.title.split()[1]
        product.categories, product.brand = [f"Home > {theme}"], theme.upper()
        product.attributes = {"word": product.title.split()[0]}
        product.save()
    read_again(live_shop)
    body = {"placement": "home_top", "user_id": "shopper-003"}
    reply = api("post", "recommendations:facets", body).json()
    favourite = ask(api, limit=1, hydrate=True).json()["items"][0]["item"]
    assert reply["items"][0]["value"] == favourite["categories"][0] and reply["model_version"]
    shares = [row["share"] for row in reply["items"]]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-4)
    assert [row["position"] for row in reply["items"]] == [1, 2, 3, 4]
    top = api("post", "recommendations:facets", {**body, "level": 1}).json()["items"]
    assert [(row["value"], row["share"]) for row in top] == [("Home", 1.0)]
    brands = api("post", "recommendations:facets", {**body, "facet": "brand", "limit": 1}).json()
    assert [row["value"] for row in brands["items"]] == [favourite["brand"]]
    words = api("post", "recommendations:facets", {**body, "facet": "attributes.word"}).json()
    assert len(words["items"]) == 10
    for wrong in ({"facet": "colour"}, {"facet": "brand", "level": 1}, {"level": 0}, {"limit": 0}):
        reply = api("post", "recommendations:facets", {**body, **wrong})
        assert field_of(reply) == ("level" if "level" in wrong else next(iter(wrong)))


def test_an_experiment_gives_each_shopper_one_arm_for_good(live_shop, api, register):
    second = register(live_shop)
    arms = [
        {"name": "A", "share": 0.5, "model_version": None},
        {"name": "B", "share": 0.5, "model_version": second.label},
    ]
    experiment = {"key": "home-2026", "arms": arms}
    reply = api("patch", "placements/home_top", {"experiment": experiment})
    assert reply.json()["experiment"] == experiment
    process_caches.clear_all()
    seen = {}
    for _ in range(2):
        for n in range(40):
            body = ask(api, user_id=f"shopper-{n:03d}").json()
            arm = body["experiment"]["arm"]
            assert seen.setdefault(n, arm) == arm and body["experiment"]["key"] == "home-2026"
            expected = second.label if arm == "B" else live_shop.champion().label
            assert body["model_version"] in (expected, None)
    assert 8 < sum(arm == "A" for arm in seen.values()) < 32
    page = ask(api, user_id="shopper-000").json()
    more = api("post", "recommendations", {"next": page["next"]}).json()
    assert more["experiment"] == page["experiment"]
    exposure_buffer.flush()
    assert set(ServedList.objects.values_list("experiment", flat=True)) == {
        "home-2026:A",
        "home-2026:B",
    }
    batch = {"placement": "home_top", "user_ids": [f"shopper-{n:03d}" for n in range(40)]}
    lists = api("post", "recommendations:batch", batch).json()["lists"]
    assert [part["experiment"]["arm"] for part in lists] == list(seen.values())
    rows = api("get", "analytics?by=experiment").json()["rows"]
    assert {row["experiment"] for row in rows} == {"home-2026:A", "home-2026:B"}
    assert ask(api, user_id=None).json()["experiment"] is None
    assert api("patch", "placements/home_top", {"experiment": None}).json()["experiment"] is None


def test_arms_are_drawn_by_their_shares_and_independently():
    arms = [{"name": n, "share": s, "version": None} for n, s in (("A", 0.1), ("B", 0.9))]
    first, second = {"key": "one", "arms": arms}, {"key": "two", "arms": arms}
    people = [f"u-{i}" for i in range(20_000)]
    in_a = {p for p in people if arm_of(first, p).name == "A"}
    assert 1_800 < len(in_a) < 2_200
    both = {p for p in in_a if arm_of(second, p).name == "A"}
    assert 140 < len(both) < 270
    assert arm_of({}, "u-1") is None and arm_of(first, None) is None


@pytest.mark.parametrize(
    ("experiment", "field"),
    [
        ({"key": "x"}, "experiment.arms"),
        ({"key": "X Y", "arms": [{"name": "A", "share": 1}] * 2}, "experiment.key"),
        ({"key": "x", "arms": [{"name": "A", "share": 1}]}, "experiment.arms"),
        ({"key": "x", "arms": [{"name": "A", "share": 0.5}] * 2}, "experiment.arms"),
        (
            {"key": "x", "arms": [{"name": "A", "share": 0.5}, {"name": "B", "share": 0.4}]},
            "experiment.arms",
        ),
        (
            {
                "key": "x",
                "arms": [
                    {"name": "A", "share": 0.5, "model_version": "fusion@99"},
                    {"name": "B", "share": 0.5},
                ],
            },
            "experiment.arms[0].model_version",
        ),
    ],
)
def test_a_wrong_experiment_names_its_place(live_shop, api, experiment, field):
    reply = api("patch", "placements/home_top", {"experiment": experiment})
    assert field_of(reply).startswith(field.partition("[")[0])
    assert not Placement.objects.get(key="home_top", shop=live_shop).experiment


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


def test_adjusted_lists_reach_beyond_the_stored_one(live_shop, api, usual, monkeypatch):
    from recommender.recommendations import batch_scoring

    monkeypatch.setattr(batch_scoring, "LENGTH", 8)
    shopper = live_shop.shoppers.get(user_id="shopper-003")
    batch_scoring.score_shard(live_shop.champion(), shopper.pk, shopper.pk)
    assert len(shopper.lists.get().item_ids) == 8
    hidden = ask(api, limit=6, rules=[{"effect": "hide", "item_ids": usual[:6]}])
    assert ids(hidden) == usual[6:12] and not hidden.json()["fallback"]["used"]
    boost = [{"effect": "boost", "item_ids": [usual[15]], "factor": 16}]
    assert ids(ask(api, limit=6, rules=boost))[0] in (usual[0], usual[15])
    assert usual[15] in ids(ask(api, limit=6, rules=boost))[:2]
    regroup(live_shop, **{i.replace("/", "_"): "g" for i in usual[:6]})
    joined = ask(api, limit=6)
    assert ids(joined) == [usual[0], *usual[6:11]] and not joined.json()["fallback"]["used"]


def test_hide_is_stronger_than_a_pin_of_the_placement_or_the_request(live_shop, api, usual):
    pin, hide = ({"effect": e, "item_ids": [usual[3]]} for e in ("pin", "hide"))
    assert usual[3] not in ids(ask(api, limit=6, rules=[pin, hide]))
    api("patch", "placements/home_top", {"rules": [pin]})
    process_caches.clear_all()
    assert ids(ask(api, limit=6))[0] == usual[3]
    assert usual[3] not in ids(ask(api, limit=6, rules=[hide]))


def test_a_pin_takes_the_place_of_its_group(live_shop, api, usual):
    regroup(live_shop, **{i.replace("/", "_"): "g" for i in (usual[0], usual[5], usual[6])})
    pins = [{"effect": "pin", "item_ids": [usual[5], usual[6]], "position": 2}]
    shown = ids(ask(api, limit=8, rules=pins))
    assert shown[:3] == [usual[1], usual[5], usual[2]]
    assert not {usual[0], usual[6]} & set(shown)


def test_a_pin_needs_no_score(live_shop, api, usual):
    pins = [{"effect": "pin", "item_ids": [usual[2]]}]
    reply = ask(api, limit=5, rules=pins, min_score=1e9).json()
    assert [i["item_id"] for i in reply["items"]] == [usual[2]]
    assert reply["fallback"] == {"used": False, "kind": None}


def test_a_buried_product_stays_behind_whatever_boosts_it(live_shop, api, usual):
    both = [{"effect": e, "item_ids": [usual[0]]} for e in ("bury", "boost")]
    shown = ids(ask(api, limit=40, rules=both))
    assert len(shown) > 25 and shown[-1] == usual[0]


def test_rotation_counts_groups_and_this_placement_alone(live_shop, api, usual):
    live_shop.placements.create(key="other", name="Other", kind="personal", size=6)
    process_caches.clear_all()
    exposure_buffer.waiting.clear()
    ask(api, limit=4, placement="other")
    exposure_buffer.flush()
    assert ids(ask(api, limit=4, rotation=1)) == usual[:4]  # another placement showed them
    exposure_buffer.waiting.clear()
    regroup(live_shop, **{i.replace("/", "_"): "g" for i in (usual[0], usual[1])})
    ask(api, limit=1)
    exposure_buffer.flush()
    assert not {usual[0], usual[1]} & set(ids(ask(api, limit=3, rotation=1)))


def test_the_session_of_a_shopper_has_their_arm(live_shop, api, register):
    second = register(live_shop)
    arms = [
        {"name": "A", "share": 0.5, "model_version": None},
        {"name": "B", "share": 0.5, "model_version": second.label},
    ]
    api("patch", "placements/home_top", {"experiment": {"key": "x", "arms": arms}})
    process_caches.clear_all()
    from recommender.serving.shop_state import state_of

    state_of(live_shop).placement("home_top")
    assert state_of(live_shop).placements.chosen_versions() == {second.pk}
    for n in range(12):
        user_id, session = f"shopper-{n:03d}", f"session-{n}"
        api("patch", f"users/{user_id}", {"merged_from": [session]})
        named = ask(api, user_id=user_id).json()["experiment"]
        assert ask(api, user_id=None, session_id=session).json()["experiment"] == named


def test_an_arm_whose_model_cannot_serve_is_not_counted(live_shop, api, register, checkpoints):
    second = register(live_shop)
    arms = [{"name": n, "share": s, "model_version": second.label} for n, s in (("A", 1), ("B", 0))]
    api("patch", "placements/home_top", {"experiment": {"key": "x", "arms": arms}})
    shutil.rmtree(checkpoints / second.folder)
    process_caches.clear_all()
    reply = ask(api, session_id="s").json()
    assert reply["model_version"] == live_shop.champion().label and reply["experiment"] is None


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
