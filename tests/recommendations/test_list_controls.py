"""What a request and a placement change in a ranking: rules, scores, rotation, groups, facets."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.infrastructure import process_caches
from recommender.models import Product, ServedList
from recommender.serving.exposure_log import exposure_buffer
from tests.api.request_bodies import ask, field_of, purchase
from tests.recommendations.list_calls import ids, read_again, regroup


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
