"""What a process does before its first request."""

import subprocess
import sys

import pytest
from django.db import OperationalError

from recommender.inference import model_cache
from recommender.models import Shop
from recommender.recommendations import warm_up
from recommender.serving.shop_state import state_of


@pytest.fixture
def closed(monkeypatch):
    """Stands for the connection of the thread that warms up, which is not the test's own."""
    calls = []
    monkeypatch.setattr(warm_up.connection, "close", lambda: calls.append("closed"))
    return calls


def test_lists_are_made_and_explained_before_anybody_asks(live_shop, closed, monkeypatch):
    made = []
    recommend = warm_up.recommend
    monkeypatch.setattr(
        warm_up, "recommend", lambda *args: made.append(recommend(*args)) or made[-1]
    )
    warm_up.warm_up()
    entered, related = made
    assert entered.fallback == "entry" and entered.version == live_shop.champion()
    assert all(
        items and all(item.reasons for item in items) for items in (entered.items, related.items)
    )
    assert closed == ["closed"]


def test_the_first_request_loads_and_derives_nothing_more(live_shop, closed, api, monkeypatch):
    warm_up.warm_up()
    monkeypatch.setattr(
        model_cache, "load", lambda folder: pytest.fail(f"{folder} is loaded again")
    )
    signals = state_of(live_shop).model().recommender.signals
    derived = set(signals.__dict__)
    assert {"trend", "space"} <= derived
    assert api(
        "post", "recommendations", {"placement": "home_top", "user_id": "shopper-003"}
    ).json()["items"]
    assert set(signals.__dict__) == derived


def test_shops_without_models_take_no_place(live_shop, closed, caplog):
    for n in range(model_cache.CACHED_MODELS):
        Shop.objects.create(key=f"empty-{n}", name="Empty")
    warm_up.warm_up()
    assert not caplog.records and live_shop.champion().folder in model_cache.models.loaded


def test_one_shop_in_trouble_is_no_trouble_for_the_next(
    live_shop, closed, register, caplog, monkeypatch
):
    later = Shop.objects.create(key="later", name="Later")
    register(later).promote()
    made, make = [], warm_up.make_first_lists
    monkeypatch.setattr(
        warm_up,
        "make_first_lists",
        lambda shop: make(shop) or made.append(shop) if shop == live_shop else 1 / 0,
    )
    warm_up.warm_up()
    assert f"shop {later.pk}" in caplog.text and made == [live_shop]


def test_a_database_that_is_gone_is_told_of(live_shop, closed, monkeypatch, caplog):
    def gone(*args):
        raise OperationalError("no answer")

    monkeypatch.setattr(warm_up, "state_of", gone)
    warm_up.warm_up()
    assert "no answer" in caplog.text and closed == ["closed"]


IMPORTED = """
import sys
from pathlib import Path
from recommender.inference import model_cache

model_cache.import_numbers()
before = set(sys.modules)
from training.inference.checkpoint import load_checkpoint
from training.inference.explanations import explain
load_checkpoint(Path(sys.argv[1]))[0].signals.make_ready()
heavy = {"training", "lightgbm", "scipy", "onnxruntime", "tokenizers", "torch"}
late = {name.split(".")[0] for name in set(sys.modules) - before} & heavy
sys.exit(str(late) if late or "torch" in sys.modules else 0)
"""


def test_what_models_need_is_imported_before_there_is_one(tiny_checkpoint):
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(tiny_checkpoint)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
