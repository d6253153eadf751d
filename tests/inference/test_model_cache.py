"""Models in memory: loading, replacing, freeing."""

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from recommender.inference import model_cache
from recommender.infrastructure import process_memory
from recommender.models import Change, Placement
from recommender.serving import shop_state
from tests.recommendations.list_calls import look_again, recommend


@pytest.mark.parametrize("named", [False, True])
def test_the_champion_before_leaves_memory_once_the_new_one_has_loaded(
    live_shop, home_top, register, named
):
    state, before = shop_state.state_of(live_shop), live_shop.champion()
    Placement.objects.filter(pk=home_top.pk).update(version=before if named else None)
    state.load()
    register(live_shop).promote()
    state.invalidate(Change(kind=Change.CHAMPION))
    assert before.folder in model_cache.models.loaded
    assert state.model() is not None and state.champion() != before
    assert (before.folder in model_cache.models.loaded) == named


def test_a_model_that_loads_keeps_nobody_from_another_one_and_is_loaded_once(monkeypatch):
    begun, go_on, loaded = threading.Event(), threading.Event(), []

    def load(folder):
        loaded.append(folder)
        if folder == "slow":
            begun.set()
            assert go_on.wait(10)
        return f"model of {folder}"

    monkeypatch.setattr(model_cache, "load", load)
    with ThreadPoolExecutor(3) as pool:
        slow = [pool.submit(model_cache.model_of, "slow") for _ in range(2)]
        assert (
            begun.wait(10)
            and pool.submit(model_cache.model_of, "quick").result(10) == "model of quick"
        )
        go_on.set()
        assert [waiting.result(10) for waiting in slow] == ["model of slow"] * 2
    assert sorted(loaded) == ["quick", "slow"]


def test_what_stays_in_memory_is_passed_over_and_what_went_since_is_freed():
    class Kept:
        def __init__(self):
            self.itself = self

    stored = Kept()
    gone = weakref.ref(stored)
    try:
        process_memory.freeze_and_trim()
        assert gc.get_freeze_count() > 0
        del stored
        gc.collect()
        assert gone() is not None
        process_memory.freeze_and_trim()
        assert gone() is None
    finally:
        gc.unfreeze()


def test_a_replaced_champion_has_memory_settled_once_its_requests_are_over(
    live_shop, home_top, register, monkeypatch
):
    settled = threading.Event()
    monkeypatch.setattr(process_memory, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(process_memory, "freeze_and_trim", settled.set)
    look_again(monkeypatch)
    assert recommend(live_shop, home_top, "shopper-003", None, 3).version.number == 1
    register(live_shop).promote()
    assert recommend(live_shop, home_top, "shopper-003", None, 3).version.number == 2
    assert settled.wait(5)
