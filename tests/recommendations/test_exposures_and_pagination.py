"""What was served is remembered, and a list goes on without a repeat."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import OperationalError
from django.utils import timezone

from recommender import tasks
from recommender.models import ApiKey, Event, Placement, Product, ServedList, Shop
from recommender.models.exposures import RETENTION_DAYS
from recommender.recommendations import batch_scoring
from recommender.serving import exposure_log
from recommender.serving.exposure_log import (
    INSERT,
    MOST_A_SECOND,
    Exposure,
    RowBuffer,
    exposure_buffer,
)


def request(api, **fields):
    return api(
        "post",
        "recommendations",
        {"placement": "home_top", "user_id": "shopper-003", "limit": 5, **fields},
    ).json()


def remaining():
    exposure_buffer.flush()
    return list(ServedList.objects.order_by("pk"))


def test_a_list_is_remembered_as_it_went_out(live_shop, api):
    reply = request(api)
    (row,) = remaining()
    assert (row.recommendation_id, row.placement, row.version.label) == (
        reply["recommendation_id"],
        "home_top",
        reply["model_version"],
    )
    assert (
        row.shopper.user_id,
        row.session_id,
        row.first_position,
        row.fallback,
        row.weight,
        row.simulated,
    ) == (
        "shopper-003",
        None,
        1,
        "",
        1,
        False,
    )
    assert row.items == [
        {"item_id": i["item_id"], "source": i["source"], "reason": i["reasons"][0]["kind"]}
        for i in reply["items"]
    ]


def test_every_way_to_a_list_is_remembered(live_shop, api):
    request(api, user_id=None, session_id="s-1", simulated=True)
    request(api, placement="basket", context={"item_ids": ["LA/0"]})
    api("get", "items/related?item_id=LA%2F0")
    first, second, third = remaining()
    assert (first.session_id, first.simulated, first.shopper, first.fallback) == (
        "s-1",
        True,
        None,
        "popular",
    )
    assert (second.placement, third.placement) == ("basket", "")


def test_without_consent_nobody_is_named(live_shop, api):
    live_shop.shoppers.filter(user_id="shopper-003").update(consent_personalisation=False)
    request(api, session_id="s-1")
    (row,) = remaining()
    assert (row.shopper, row.session_id, row.fallback) == (None, None, "no_consent")


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user_id": "never seen"},
        {"user_id": None, "session_id": "s-9"},
        {"placement": "discover"},
        {"filter": "price < :most", "params": {"most": 9}},
        {"placement": "product_page", "context": {"item_ids": ["GA/1"]}},
    ],
)
def test_a_continued_list_never_repeats(live_shop, api, stored, fields):
    if stored:
        batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    Event.objects.create(
        shop=live_shop,
        event_id="x",
        session_id="s-9",
        product=Product.objects.get(item_id="GA/1"),
        type="view",
        occurred_at=timezone.now(),
    )
    parts = [request(api, **fields)]
    while parts[-1]["next"]:
        parts.append(api("post", "recommendations", {"next": parts[-1]["next"]}).json())
    items = [item for part in parts for item in part["items"]]
    assert len({i["item_id"] for i in items}) == len(items) >= 25 and [
        i["position"] for i in items
    ] == list(range(1, len(items) + 1))
    for field in ("recommendation_id", "placement"):
        assert len({part[field] for part in parts}) == 1
    assert [row.first_position for row in remaining()] == [1 + 5 * i for i in range(len(parts))]
    if "filter" in fields:
        assert not Product.objects.filter(
            item_id__in=[i["item_id"] for i in items], price__gte=9
        ).exists()


def test_a_part_may_have_another_length(live_shop, api):
    first = request(api)
    more = api(
        "post", "recommendations", {"next": first["next"], "limit": 2, "explain": "off"}
    ).json()
    assert [i["position"] for i in more["items"]] == [6, 7] and not any(
        i["reasons"] for i in more["items"]
    )


def test_a_next_is_only_good_where_it_came_from(live_shop, api, client):
    token = request(api)["next"]
    other = Shop.objects.create(key="other", name="Other")
    Placement.objects.create(shop=other, key="home_top", name="Home")
    _, key = ApiKey.objects.issue(other, "other", ["recs:read"])
    for fields, who in (
        ({"next": token}, key),
        ({"next": token[:-1]}, api.key),
        ({"next": "x"}, api.key),
        ({"next": ""}, api.key),
    ):
        reply = api("post", "recommendations", fields, key=who)
        assert reply.status_code == 400 and reply.json()["errors"][0]["field"] == "next"
    neighbor = api("post", "recommendations", {"next": token, "user_id": "somebody else"})
    assert neighbor.json()["errors"][0]["field"] == "user_id"
    assert api("post", "recommendations", {}).json()["errors"][0]["field"] == "placement"


def test_a_next_is_forgotten_after_a_day(live_shop, api, monkeypatch):
    token = request(api)["next"]
    monkeypatch.setattr("recommender.recommendations.pagination.VALID", timedelta(seconds=-1))
    assert "expired after a day" in api("post", "recommendations", {"next": token}).json()["detail"]


def row(shop, shopper=None, name="r-1") -> Exposure:
    return Exposure(
        shop.pk,
        name,
        "home_top",
        None,
        shopper,
        None,
        1,
        '[{"item_id": "LA/0"}]',
        "",
        False,
        timezone.now(),
    )


def test_an_erased_shopper_takes_the_lists_along_also_those_on_their_way(live_shop, api):
    request(api)
    exposure_buffer.flush()
    request(api)
    assert api("delete", "users/shopper-003").status_code == 200
    assert remaining() == []


def test_lists_of_a_session_become_the_shoppers(live_shop, api):
    request(api, user_id=None, session_id="s-1")
    exposure_buffer.flush()
    api("put", "users/shopper-003", {"merged_from": ["s-1"]})
    assert remaining()[0].shopper.user_id == "shopper-003"


def test_what_comes_too_fast_is_sampled_and_says_what_it_stands_for(shop, monkeypatch):
    box, second = RowBuffer(INSERT, "served lists"), 100
    monkeypatch.setattr(exposure_log.time, "monotonic", lambda: second)
    for second in (100, 101):  # noqa: B007  the clock reads it
        for _ in range(MOST_A_SECOND * 10):
            box.put(lambda: row(shop))
    first, later = MOST_A_SECOND * 10, len(box.waiting) - MOST_A_SECOND * 10
    assert MOST_A_SECOND / 2 < later < MOST_A_SECOND * 2
    assert [weight for _, weight in box.waiting][:first] == [1.0] * first and {
        weight for _, weight in box.waiting
    } == {1.0, 10.0}
    second = 105
    box.put(lambda: row(shop))
    assert box.waiting[-1][1] == 1.0


def test_rows_wait_while_the_database_is_away(shop, monkeypatch):
    exposure_buffer.put(lambda: row(shop, name="r-1"))
    exposure_buffer.put(lambda: row(shop, name="r-2"))

    def away(*_arguments, **_fields):
        raise OperationalError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(exposure_log, "connection", SimpleNamespace(cursor=away))
        exposure_buffer.flush()
    assert [r.recommendation_id for r in remaining()] == ["r-1", "r-2"]


def test_old_lists_are_forgotten(shop):
    exposure_buffer.put(lambda: row(shop))
    exposure_buffer.flush()
    tasks.forget_old_served_lists()
    assert ServedList.objects.count() == 1
    ServedList.objects.update(created_at=timezone.now() - timedelta(days=RETENTION_DAYS + 1))
    tasks.forget_old_served_lists()
    assert ServedList.objects.count() == 0
