"""What a process does before its first request."""

import pytest
from django.db import OperationalError

from recommender import engine, warmup
from recommender.models import Shop
from recommender.serving import state_of


@pytest.fixture
def closed(monkeypatch):
    """Stands for the connection of the thread that warms up, which is not the test's own."""
    calls = []
    monkeypatch.setattr(warmup.connection, "close", lambda: calls.append("closed"))
    return calls


def test_lists_are_made_and_explained_before_anybody_asks(live_shop, closed, monkeypatch):
    made = []
    recommend = warmup.recommend
    monkeypatch.setattr(warmup, "recommend", lambda *args: made.append(recommend(*args)) or made[-1])
    warmup.warm_up()
    entered, related = made
    assert entered.fallback == "entry" and entered.version == live_shop.champion()
    assert all(items and all(item.reasons for item in items) for items in (entered.items, related.items))
    assert closed == ["closed"]


def test_the_first_request_loads_nothing_from_disk(live_shop, closed, monkeypatch):
    warmup.warm_up()
    monkeypatch.setattr(engine, "_load", lambda folder: pytest.fail(f"{folder} is loaded again"))
    signals = state_of(live_shop).model().recommender.signals
    assert {"trend", "space"} <= signals.__dict__.keys()


def test_shops_without_models_or_events_are_no_trouble(live_shop, closed, caplog):
    Shop.objects.create(key="empty", name="Empty")
    warmup.warm_up()
    assert not caplog.records and state_of(live_shop).model() is not None


def test_a_database_that_is_gone_is_told_and_waited_for(live_shop, closed, monkeypatch, caplog):
    def gone(*args):
        raise OperationalError("no answer")

    monkeypatch.setattr(warmup, "state_of", gone)
    warmup.warm_up()
    assert "no answer" in caplog.text and closed == ["closed"]
