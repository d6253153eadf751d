"""Every task by REST: newcomers, exploration, many shoppers, titled rows, shoppers for a
product, predictions; a placement's own model.
"""

import random

import pytest
from django.utils import timezone

from recommender.analytics.off_policy import estimates
from recommender.models import Event, Product, ServedList, Shopper
from recommender.recommendations.exploration import explored
from recommender.serving import change_feed
from recommender.serving.exposure_log import exposure_buffer
from recommender.serving.items import Item


@pytest.fixture(autouse=True)
def _look_always(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


def request(api, **fields):
    reply = api("post", "recommendations", {"placement": "home_top", "limit": 6, **fields})
    assert reply.status_code == 200, reply.content
    return reply.json()


def ids(reply):
    return [item["item_id"] for item in reply["items"]]


def publish(shop, key="home_top", **fields):
    placement = shop.placements.get(key=key)
    for name, value in fields.items():
        setattr(placement, name, value)
    placement.publish()
    return placement


# newcomers


def test_the_page_somebody_entered_on_leads_their_list(live_shop, api):
    entry = live_shop.products.order_by("item_id").first().item_id
    reply = request(api, session_id="fresh", context={"entry_item_id": entry})
    assert (
        reply["fallback"] == {"used": True, "kind": "entry"}
        and reply["items"][0]["score"] is not None
    )
    assert reply["items"][0]["because"]["item_id"] == entry


def test_what_a_shopper_told_of_themselves_is_not_used_without_their_consent(live_shop, api):
    word = Product.objects.first().title.split()[-1]
    stated = {"interests": [word], "country": "SE"}
    for name, agrees in (("agrees", True), ("refuses", False)):
        api("put", f"users/{name}", {"attributes": stated, "consent": {"personalisation": agrees}})
    assert request(api, user_id="agrees")["fallback"]["kind"] == "interests"
    for context in ({}, stated):
        reply = request(api, user_id="refuses", context=context)
        assert reply["fallback"]["kind"] == "no_consent" and not [
            i for i in reply["items"] if "interests" in i["source"]
        ]
    assert [i["item_id"] for i in reply["items"]] == [
        i["item_id"] for i in request(api, user_id="refuses")["items"]
    ]


def test_stated_interests_lead_a_newcomers_list(live_shop, api):
    wanted = live_shop.products.order_by("item_id").first()
    word = max(wanted.title.split(), key=len)
    reply = request(api, context={"interests": [word]})
    assert (
        reply["fallback"]["kind"] == "interests"
        and reply["items"][0]["reasons"][0]["kind"] == "interests"
    )
    assert all(
        word.lower() in Product.objects.get(item_id=i["item_id"]).title.lower()
        for i in reply["items"]
        if i["source"] == ["interests"]
    )


def test_a_country_has_its_own_bestsellers(live_shop, api):
    rare = live_shop.products.order_by("-item_id").first()
    swede = Shopper.objects.create(shop=live_shop, user_id="swede", attributes={"country": "SE"})
    Event.objects.create(
        shop=live_shop,
        event_id="se-1",
        shopper=swede,
        product=rare,
        type="purchase",
        occurred_at=timezone.now(),
    )
    reply = request(api, context={"country": "SE"})
    assert (
        reply["fallback"]["kind"] == "country"
        and ids(reply)[0] == rare.item_id
        and len(reply["items"]) == 6
    )
    assert request(api, context={"country": "XX"})["fallback"]["kind"] != "country"
    Shopper.objects.create(shop=live_shop, user_id="new-swede", attributes={"country": "SE"})
    assert ids(request(api, user_id="new-swede"))[0] == rare.item_id
    Shopper.objects.filter(user_id="new-swede").update(consent_personalisation=False)
    assert request(api, user_id="new-swede")["fallback"]["kind"] == "no_consent"


def test_what_others_began_with_comes_before_what_sells(live_shop, api):
    first = live_shop.products.order_by("-item_id").first()
    for i in range(3):
        shopper = Shopper.objects.create(shop=live_shop, user_id=f"began-{i}")
        Event.objects.create(
            shop=live_shop,
            event_id=f"b-{i}",
            shopper=shopper,
            product=first,
            type="purchase",
            occurred_at=timezone.now(),
        )
    reply = request(api)
    assert reply["fallback"]["kind"] == "openers" and ids(reply)[0] == first.item_id
    publish(live_shop, fallbacks=["popular"])
    assert request(api)["fallback"]["kind"] == "popular"


def test_without_a_chain_a_list_stays_short(live_shop, api):
    publish(live_shop, fallbacks=[])
    reply = request(api)
    assert reply["items"] == [] and reply["fallback"]["used"]


@pytest.mark.parametrize(
    "context",
    [
        {"interests": "shoes"},
        {"interests": [3]},
        {"interests": ["x" * 300]},
        {"country": 5},
        {"entry_item_id": "a\x00"},
        {"item_ids": "x"},
        [],
    ],
)
def test_a_wrong_context_is_refused_by_name(live_shop, api, context):
    reply = api("post", "recommendations", {"placement": "home_top", "context": context})
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"].startswith("context")


# a placement's own model


def test_a_placement_may_have_its_own_version(live_shop, api, register):
    other = register(live_shop)
    publish(live_shop, "discover", version=other)
    assert request(api, placement="discover", user_id="shopper-003")["model_version"] == other.label
    assert request(api, user_id="shopper-003")["model_version"] == live_shop.champion().label
    publish(live_shop, "discover", version=None)
    assert (
        request(api, placement="discover", user_id="shopper-003")["model_version"]
        == live_shop.champion().label
    )


def test_a_placements_broken_version_gives_way_to_the_champion(
    live_shop, api, register, checkpoints
):
    other = register(live_shop)
    (checkpoints / other.folder / "run.json").unlink()
    publish(live_shop, version=other)
    assert request(api, user_id="shopper-003")["model_version"] == live_shop.champion().label


# exploration


def test_odds_of_places_are_what_they_say():
    """Over many draws each product comes first as often as its kept probability says."""
    draw, counts, stated = random.Random(7), {}, {}
    for _ in range(6000):
        first = explored([Item(str(i), None, []) for i in range(4)], 0.4, 1, draw)[0]
        counts[first.item_id] = counts.get(first.item_id, 0) + 1
        stated[first.item_id] = first.odds.probability
    assert sum(stated.values()) == pytest.approx(1)
    assert all(counts[i] / 6000 == pytest.approx(stated[i], abs=0.02) for i in stated)


def test_served_places_keep_their_odds_and_the_list_its_products(live_shop, api):
    publish(live_shop, explore_percent=50)
    reply = request(api, user_id="shopper-003", limit=12)
    assert len(set(ids(reply))) == 12
    exposure_buffer.flush()
    stored = ServedList.objects.get().items
    assert all(0 < item["p"] <= 1 and item["of"] >= 1 for item in stored)
    assert [item["explored"] for item in reply["items"]] == [not item["best"] for item in stored]
    publish(live_shop, explore_percent=0)
    assert not any(i["explored"] for i in request(api, user_id="shopper-003", limit=12)["items"])


def test_estimates_recover_what_a_policy_would_have_brought():
    """Clicks that depend on being best alone: the estimate for 'best' nears their true rate."""
    draw = random.Random(3)
    rows = []
    for _ in range(4000):
        best = draw.random() < 0.625
        odds = {"p": 0.625 if best else 0.125, "best": best, "of": 4}
        rows.append((odds, draw.random() < (0.30 if best else 0.05)))
    result = {e.policy: e for e in estimates(rows)}
    assert result["best"].snips == pytest.approx(0.30, abs=0.03) and result[
        "best"
    ].ips == pytest.approx(0.30, abs=0.03)
    assert result["random"].snips == pytest.approx((0.30 + 3 * 0.05) / 4, abs=0.02)
    assert result["served"].snips == pytest.approx(sum(c for _, c in rows) / len(rows))
    assert estimates([]) == [] and estimates([({}, True)]) == []


def test_estimates_come_out_of_what_was_served(live_shop, api):
    publish(live_shop, explore_percent=50)
    reply = request(api, user_id="shopper-003")
    exposure_buffer.flush()
    event = {
        "event_id": "c-1",
        "type": "click",
        "user_id": "shopper-003",
        "recommendation_id": reply["recommendation_id"],
        "item_id": ids(reply)[0],
        "occurred_at": timezone.now().isoformat(),
    }
    api("post", "events", {"events": [event]})
    result = api("get", "analytics/exploration?placement=home_top").json()["policies"]
    assert {p["policy"] for p in result} == {"best", "random", "served"}
    assert next(p for p in result if p["policy"] == "served")["snips"] == pytest.approx(1 / 6)


# many shoppers


def test_a_batch_holds_the_lists_that_each_would_get(live_shop, api):
    who = ["shopper-003", "shopper-004", "nobody"]
    single = {user: ids(request(api, user_id=user, explain="off")) for user in who}
    reply = api(
        "post",
        "recommendations:batch",
        {"placement": "home_top", "user_ids": [*who, "shopper-003"], "limit": 6},
    ).json()["lists"]
    assert [one["user_id"] for one in reply] == who and {
        one["user_id"]: ids(one) for one in reply
    } == single
    assert [one["stored"] for one in reply] == [True, True, False]
    exposure_buffer.flush()
    assert (
        ServedList.objects.filter(
            recommendation_id__in=[one["recommendation_id"] for one in reply]
        ).count()
        == 3
    )


@pytest.mark.parametrize("wrong", [None, [], "u", [3], ["x" * 257], ["a\x00"], ["u"] * 1001])
def test_a_wrong_batch_is_refused(live_shop, api, wrong):
    reply = api("post", "recommendations:batch", {"placement": "home_top", "user_ids": wrong})
    assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == "user_ids"
    assert (
        api(
            "post",
            "recommendations:batch",
            {"placement": "home_top", "user_ids": ["u"], "user_id": "u"},
        ).status_code
        == 400
    )


# titled rows


def test_rows_say_because_of_what_and_repeat_nothing(live_shop, api):
    reply = api(
        "post", "recommendations:rows", {"user_id": "shopper-003", "rows": 2, "limit": 4}
    ).json()["rows"]
    assert len(reply) == 2
    for row in reply:
        leader = Product.objects.get(item_id=row["led_by"]["item_id"])
        assert (
            row["title"] == f"Because you bought {leader.title}"
            and row["led_by"]["event"] == "purchase"
        )
        assert (
            leader.events.filter(shopper__user_id="shopper-003").exists()
            and row["recommendation_id"]
        )
    shown = [i for row in reply for i in ids(row)]
    assert len(shown) == len(set(shown)) and not set(shown) & {
        row["led_by"]["item_id"] for row in reply
    }
    again = api(
        "post",
        "recommendations:rows",
        {"user_id": "shopper-003", "rows": 2, "limit": 4, "elsewhere": shown},
    ).json()["rows"]
    assert not set(shown) & {i for row in again for i in ids(row)}


def test_nobody_known_has_no_titled_rows(live_shop, api):
    assert api("post", "recommendations:rows", {"user_id": "nobody"}).json() == {"rows": []}
    Shopper.objects.filter(user_id="shopper-003").update(consent_personalisation=False)
    assert api("post", "recommendations:rows", {"user_id": "shopper-003"}).json() == {"rows": []}


# shoppers for a product


def test_shoppers_for_a_product_are_those_who_score_it_best(live_shop, api):
    from recommender.serving.shop_state import state_of
    from recommender.shoppers.history import history_of

    item_id = live_shop.products.order_by("item_id").first().item_id
    result = api("get", f"items/shoppers?item_id={item_id.replace('/', '%2F')}&limit=5").json()[
        "shoppers"
    ]
    assert len(result) == 5 and [s["score"] for s in result] == sorted(
        (s["score"] for s in result), reverse=True
    )
    first = live_shop.shoppers.get(user_id=result[0]["user_id"])
    alone = (
        state_of(live_shop)
        .model()
        .scores_of([history_of(first, live_shop, None)], item_id, timezone.now())
    )
    assert alone[0] == pytest.approx(result[0]["score"], abs=1e-3)
    Shopper.objects.filter(user_id=result[0]["user_id"]).update(consent_personalisation=False)
    assert result[0]["user_id"] not in [
        s["user_id"]
        for s in api("get", f"items/shoppers?item_id={item_id.replace('/', '%2F')}").json()[
            "shoppers"
        ]
    ]
    assert api("get", "items/shoppers?item_id=none").status_code == 404


# predictions


def test_without_a_behaviour_model_it_is_said_what_to_do(live_shop, api):
    reply = api("post", "predictions", {"user_id": "shopper-003", "item_ids": ["LA/0"]})
    assert reply.status_code == 409 and "behaviour" in reply.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"item_ids": []},
        {"item_ids": ["x"] * 101},
        {"item_ids": [3]},
        {},
        {"item_ids": ["a"], "limit": 3},
    ],
)
def test_a_wrong_question_for_predictions_is_refused(live_shop, api, wrong):
    assert api("post", "predictions", wrong).status_code == 400
