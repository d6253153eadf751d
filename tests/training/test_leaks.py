"""What is judged was not known: whatever happens after the cut, every prediction stays as it was."""

from dataclasses import replace

import numpy as np
import pytest

from training import benchmark
from training.history import histories
from training.progress import Progress
from training.recipes.run import Run
from training.snapshot import DAY, read_snapshot

DAYS = 21


@pytest.fixture
def predictions(tiny_snapshot, tiny_config, monkeypatch):
    """predictions(protocol, change) -> each model's scores of every shopper's candidates, after `change(events, rng)` of what is judged."""
    seen = {}
    monkeypatch.setattr(benchmark, "judge", lambda snapshot, window, models, texts: seen.setdefault("models", (window, models)) and {})

    def run(protocol, change):
        seen.clear()
        snapshot = read_snapshot(tiny_snapshot)
        changed = replace(snapshot, events=change(snapshot.events, np.random.default_rng(0)))
        protocol(Run(changed, "fusion", replace(tiny_config, rounds=10), Progress(quiet=True)))
        window, models = seen["models"]
        users = np.unique(window.fit.user[window.fit.user >= 0])
        past = histories(window.fit, users, snapshot.n_items)
        return {name: [(r.item, r.score) for found in m.recommend(past, window.now, 10) for r in found] for name, m in models.items()}

    return run


def cut_of(events) -> int:
    return int(events.time[-1]) + 1 - DAYS * DAY


def by_time(run):
    benchmark.benchmark_time(run, run.snapshot.events.time[-1] + 1 - DAYS * DAY, DAYS)


def shuffled_after_the_cut(events, rng):
    """Who bought what after the cut, at random."""
    item = events.item.copy()
    later = events.time >= cut_of(events)
    item[later] = rng.permutation(item[later])
    return replace(events, item=item)


def other_last_products(events, rng):
    """Each shopper's last event is of some other product."""
    item, rows = events.item.copy(), np.arange(len(events))
    last = [rows[events.user == user][-1] for user in np.unique(events.user[events.user >= 0])]
    item[last] = rng.integers(0, item.max() + 1, len(last))
    return replace(events, item=item)


@pytest.mark.parametrize(
    ("protocol", "change"), [(by_time, shuffled_after_the_cut), (benchmark.benchmark_leave_last_out, other_last_products)], ids=["time", "last-out"]
)
def test_what_comes_after_the_cut_changes_no_prediction(predictions, protocol, change):
    as_it_was, changed = predictions(protocol, lambda events, rng: events), predictions(protocol, change)
    assert as_it_was == changed and len(as_it_was["vitrine"]) > 100


def test_what_comes_before_the_cut_does(predictions):
    def earlier(events, rng):
        return replace(events, item=np.where(events.time < cut_of(events), rng.permutation(events.item), events.item))

    assert predictions(by_time, lambda events, rng: events)["vitrine"] != predictions(by_time, earlier)["vitrine"]
