"""Monitoring: what has moved raises an alert, once, and closes it when it has passed."""

import random
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from recommender.models import Alert, Event, RecommendationList, ServedList
from recommender.monitoring import drift, operations
from recommender.monitoring.drift import stability
from recommender.recommendations import batch_scoring


def events(shop, kinds, days_ago, tag):
    product, at = shop.products.first(), timezone.now() - timedelta(days=days_ago)
    rows = [
        Event(
            shop=shop,
            event_id=f"{tag}-{i}",
            type=kind,
            product=product,
            session_id="s",
            occurred_at=at,
            received_at=at,
        )
        for i, kind in enumerate(kinds)
    ]
    Event.objects.bulk_create(rows)


@pytest.fixture
def quiet(stocked):
    """The stocked shop, its events long ago."""
    Event.objects.update(received_at=timezone.now() - timedelta(days=100))
    return stocked


def open_alerts(shop):
    operations.monitor(shop)
    return {(a.kind, a.subject): a.message for a in Alert.objects.of(shop).open()}


def test_equal_shares_are_stable_and_others_are_not():
    assert stability({"a": 100, "b": 300}, {"a": 200, "b": 600}) == pytest.approx(0, abs=1e-3)
    assert stability({"a": 100, "b": 300}, {"a": 300, "b": 100}) > 0.25
    assert stability({"a": 400}, {"b": 400}) > 1


def test_other_events_than_before_are_told_once_and_forgotten_when_past(quiet):
    events(quiet, ["view"] * 500 + ["purchase"] * 100, 20, "before")
    events(quiet, ["view"] * 550 + ["purchase"] * 90, 2, "same")
    assert open_alerts(quiet) == {}
    events(quiet, ["click"] * 3000, 0.5, "bots")
    assert "“click” makes up" in open_alerts(quiet)[("input", "")]
    open_alerts(quiet)
    assert Alert.objects.count() == 1
    Event.objects.filter(type="click").delete()
    assert open_alerts(quiet) == {} and Alert.objects.get().until is not None


def test_a_busy_shop_that_falls_silent_is_told(quiet):
    events(quiet, ["view"] * 4000, 3, "busy")
    assert "Is the shop still sending them?" in open_alerts(quiet)[("silence", "")]
    events(quiet, ["view"], 0, "again")
    assert ("silence", "") not in open_alerts(quiet)


def test_scores_that_moved_are_told(live_shop, monkeypatch):
    monkeypatch.setattr(drift, "FEWEST_LISTS", 20)
    batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    assert open_alerts(live_shop) == {}
    for row in RecommendationList.objects.all():
        row.items[0]["score"] += 10
        row.save()
    assert "another distribution" in open_alerts(live_shop)[("scores", "v1")]


@pytest.mark.parametrize("rate, alerts_expected", [(0.09, False), (0.03, True)])
def test_fewer_clicks_than_before_are_told(stocked, rate, alerts_expected):
    draw, product = random.Random(5), stocked.products.first()
    for name, days, share in (("before", 15, 0.10), ("now", 2, rate)):
        at = timezone.now() - timedelta(days=days)
        lists = [
            ServedList(
                shop=stocked,
                recommendation_id=f"{name}-{i}",
                placement="home_top",
                items=[],
                created_at=at,
            )
            for i in range(1500)
        ]
        ServedList.objects.bulk_create(lists)
        clicks = [
            Event(
                shop=stocked,
                event_id=f"c-{name}-{i}",
                type="click",
                product=product,
                session_id="s",
                occurred_at=at,
                recommendation_id=f"{name}-{i}",
            )
            for i in range(1500)
            if draw.random() < share
        ]
        Event.objects.bulk_create(clicks)
    assert (("clicks", "home_top") in open_alerts(stocked)) == alerts_expected


def test_this_week_is_no_part_of_what_it_is_compared_with(stocked):
    """A busy week of few clicks would hide its own fall."""
    product, now = stocked.products.first(), timezone.now()
    for name, days, lists, clicked in (("before", 15, 600, 60), ("now", 2, 6000, 180)):
        at = now - timedelta(days=days)
        ids = [f"{name}-{i}" for i in range(lists)]
        ServedList.objects.bulk_create(
            ServedList(
                shop=stocked, recommendation_id=i, placement="home_top", items=[], created_at=at
            )
            for i in ids
        )
        clicks = [
            Event(
                shop=stocked,
                event_id=f"c-{i}",
                type="click",
                product=product,
                session_id="s",
                occurred_at=at,
                recommendation_id=i,
            )
            for i in ids[:clicked]
        ]
        Event.objects.bulk_create(clicks)
    assert (
        "3.0% of this week’s lists were clicked, 10.0% in the four weeks before"
        in open_alerts(stocked)["clicks", "home_top"]
    )


def test_home_shows_what_needs_a_look(stocked, client):
    Alert.objects.note(stocked, Alert.CLICKS, "home_top", "3.0% of this week’s lists were clicked.")
    client.force_login(User.objects.create_superuser("mia", password="correct horse"))
    page = client.get(f"/console/s/{stocked.key}/").content.decode()
    assert "Needs a look" in page and "3.0% of this week’s lists" in page
