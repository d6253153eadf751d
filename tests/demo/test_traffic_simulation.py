"""Simulated traffic: marked, credited, at known rates, and found by the page that looks at it."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from recommender.analytics.attribution import Attribution, attributed_results
from recommender.console.placements.views import Row, _stands_out
from recommender.demo import traffic_simulation
from recommender.management.commands import replay as command
from recommender.models import Event, Product, ServedList, Shopper
from recommender.serving.exposure_log import exposure_buffer
from recommender.shoppers.history import history_of

SITE = {"shop": "tiny", "url": "http://nowhere", "key": "k", "verbosity": 0}


def run(**options) -> str:
    out = StringIO()
    call_command("replay", stdout=out, **{**SITE, **options})
    return out.getvalue()


@pytest.fixture
def few_visits(monkeypatch):
    monkeypatch.setattr(traffic_simulation, "SEEN", 1.0)
    monkeypatch.setattr(traffic_simulation, "BROWSING", 1)
    monkeypatch.setattr(traffic_simulation, "CLICKED", 0.1)


def test_replay_sends_marked_traffic_that_purchases_are_credited_to(
    live_shop, api, monkeypatch, few_visits
):
    def send(path, body):
        reply = api("post", path, body)
        assert reply.status_code < 300, reply.content
        return json.loads(reply.content)

    monkeypatch.setattr(command, "_sender", lambda url, key: send)
    shopper = live_shop.shoppers.get(user_id="shopper-003")
    before = history_of(shopper, live_shop, None)
    number = int(run().split()[0])
    exposure_buffer.flush()
    simulated, today = Event.objects.filter(simulated=True), timezone.localdate()
    assert (
        number > 100
        and live_shop.served.filter(simulated=True).count() == live_shop.served.count() == number
    )
    assert set(simulated.values_list("type", flat=True)) == {"impression", "click"}
    assert (
        history_of(shopper, live_shop, None) == before
        and not live_shop.events.usable().filter(simulated=True).exists()
    )
    rows = attributed_results(live_shop, today - timedelta(days=40), today, ("placement",))
    assert {r.placement for r in rows} == {"home_top", "discover", "product_page"}
    assert (
        all(r.simulated == r.lists and 0 < r.click_rate < 1 for r in rows)
        and sum(r.purchases for r in rows) > 0
    )
    assert run().startswith("0 visits")


def test_replay_needs_a_site(shop, settings, tmp_path):
    settings.VITRINE_HOME = tmp_path
    with pytest.raises(CommandError, match="no demo runs here"):
        run(url=None, key=None)


@pytest.fixture
def fixed_day(monkeypatch):
    """A set day: the shop's purchases end the day before, and their dates seed all draws."""
    day = datetime(2026, 11, 26, 12, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: day)


@pytest.fixture
def traffic(fixed_day, live_shop, monkeypatch):
    """(asks by visit, events) of many visits, without a server: each list holds the first ten
    products.
    """
    monkeypatch.setattr(traffic_simulation, "SEEN", 1.0)
    monkeypatch.setattr(traffic_simulation, "BROWSING", 60)
    items = [
        {"item_id": item_id, "position": place}
        for place, item_id in enumerate(
            live_shop.products.values_list("item_id", flat=True)[:10], 1
        )
    ]
    asks, events = [], []

    def send(path, body):
        if path == "events":
            events.extend(body["events"])
            return {}
        asks.append(body)
        return {
            "recommendation_id": f"r{len(asks)}",
            "placement": body["placement"],
            "items": items,
        }

    todo = traffic_simulation.visits(live_shop, 28)
    *_, done = traffic_simulation.replay(todo, set(traffic_simulation.PLACEMENTS), send)
    assert done == len(todo) == len(asks)
    live_shop.items_ = [item["item_id"] for item in items]
    return todo, asks, events


def test_simulated_rates_are_those_of_shops_and_vary_by_weekday(traffic):
    todo, _, events = traffic
    clicked = {event["recommendation_id"] for event in events if event["type"] == "click"}
    assert 0.02 < len(clicked) / len(todo) < 0.08
    assert len({event["event_id"] for event in events}) == len(events)
    days = Counter(visit.at.weekday() for visit in todo if not visit.item_ids)
    assert max(days, key=days.get) == 6 and days[6] > 1.3 * days[5]
    assert 0.005 < sum(bool(visit.item_ids) for visit in todo) / len(todo) < 0.03


def test_a_day_has_the_same_rate_each_time_and_noise_between_days():
    days = [timezone.localdate() - timedelta(days=7 * week) for week in range(20)]
    rates = [traffic_simulation.click_rate("home_top", day, False, 7) for day in days]
    assert rates == [
        traffic_simulation.click_rate("home_top", day, False, 7) for day in days
    ] and len(set(rates)) == len(rates)
    assert traffic_simulation.click_rate("product_page", days[0], False, 7) == pytest.approx(
        1.5 * rates[0]
    )


def test_the_page_finds_the_uplift_that_was_simulated(traffic, live_shop, staff):
    _, asks, events = traffic
    pks = dict(live_shop.products.values_list("item_id", "pk"))
    shoppers = dict(live_shop.shoppers.values_list("user_id", "pk"))
    rows = [{"item_id": item_id, "source": [], "reason": None} for item_id in live_shop.items_]
    ServedList.objects.bulk_create(
        ServedList(
            shop=live_shop,
            recommendation_id=f"r{number}",
            placement=ask["placement"],
            shopper_id=shoppers[ask["user_id"]],
            items=rows,
            simulated=True,
            created_at=timezone.now(),
        )
        for number, ask in enumerate(asks, 1)
    )
    columns = ("event_id", "type", "occurred_at", "recommendation_id", "placement", "simulated")
    Event.objects.bulk_create(
        Event(
            shop=live_shop,
            shopper_id=shoppers[event["user_id"]],
            product_id=pks[event["items"][0]["item_id"]],
            **{name: event[name] for name in columns},
        )
        for event in events
    )
    page = staff.get("/console/s/tiny/placements/").content.decode()
    result = re.search(
        r"(\w+) is clicked more often than the other placements: [\d.]+ % of its lists "
        r"against [\d.]+ %, ([\d.]+) times",
        page,
    )
    assert result[1] == "product_page" and 1.3 <= float(result[2]) <= 1.7
    assert "visits and clicks are simulated" in page


def test_real_and_simulated_lists_are_never_added(shop, staff):
    shopper = Shopper.objects.create(shop=shop, user_id="ann")
    product = Product.objects.create(shop=shop, item_id="p", title="P")
    rows = [{"item_id": "p", "source": [], "reason": None}]

    def lists(number, simulated, clicked):
        for i in range(number):
            name = f"{simulated}-{number}-{i}"
            ServedList.objects.create(
                shop=shop,
                recommendation_id=name,
                placement="home_top",
                shopper=shopper,
                items=rows,
                simulated=simulated,
                created_at=timezone.now(),
            )
            if i < clicked:
                Event.objects.create(
                    shop=shop,
                    event_id=name,
                    type="click",
                    product=product,
                    shopper=shopper,
                    recommendation_id=name,
                    occurred_at=timezone.now(),
                    simulated=simulated,
                )

    lists(99, False, 3)
    alone = staff.get(f"/console/s/{shop.key}/placements/").content.decode()
    assert "Simulated traffic" not in alone and "too few" in alone and "3.0 %" not in alone
    lists(1, False, 0)
    assert "3.0 %" in staff.get(f"/console/s/{shop.key}/placements/").content.decode()
    lists(150, True, 15)
    page = staff.get(f"/console/s/{shop.key}/placements/").content.decode()
    assert "10.0 %" in page and "3.0 %" not in page and "traffic=simulated" in page
    ServedList.objects.filter(simulated=True).update(created_at=timezone.now() - timedelta(days=60))
    lately = staff.get(f"/console/s/{shop.key}/placements/?days=7").content.decode()
    assert (
        "3.0 %" in lately and "No list in this time" not in lately[: lately.index("home_top") + 300]
    )
    page = staff.get(f"/console/s/{shop.key}/placements/?traffic=real").content.decode()
    assert (
        "3.0 %" in page
        and "1.0 to 8.5" in page
        and "10.0 %" not in page
        and "are simulated" not in page
    )


def earned_by(placement, lists, effective, clicked):
    result = Attribution(
        placement, None, None, None, lists, 0, 0, clicked, 0, clicked, 0, 0, effective
    )
    return Row(placement, None, result, 0)


def test_a_placement_stands_out_by_more_than_chance_alone():
    sentence = _stands_out([earned_by("a", 2000, 2000, 100), earned_by("b", 5000, 5000, 150)])
    assert sentence == (
        "a is clicked more often than the other placements: 5.0 % of its lists against 3.0 "
        "%, 1.7 times as often."
    )
    sampled = _stands_out(
        [
            earned_by("a", 2000, 2000, 100),
            earned_by("b", 10_000, 100, 300),
            earned_by("c", 5000, 5000, 150),
        ]
    )
    assert (
        sampled == "No placement is clicked more often than the others by more than chance."
    )  # 100 rows stand for 10,000 lists
    assert _stands_out([earned_by("a", 2000, 2000, 100), earned_by("b", 50, 50, 0)]) == ""
