"""Leakage: data after the cut change no prediction."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.tinyshop import events_of
from training import benchmark
from training.configuration.recipes import make_config
from training.data.interactions import histories
from training.data.snapshot import DAY, TYPE_CODE, read_snapshot
from training.inference.checkpoint import load_checkpoint
from training.recipes import behaviour, fusion
from training.runs.progress import Progress
from training.runs.run import Run

DAYS = 21


@pytest.fixture
def predictions(tiny_snapshot, tiny_config, monkeypatch):
    """predictions(protocol, change) -> each model's scores of every shopper's candidates, after
    `change(events, rng)` of what is judged.
    """
    seen = {}
    monkeypatch.setattr(
        benchmark,
        "judge",
        lambda snapshot, window, models, texts: seen.setdefault("models", (window, models)) and {},
    )

    def run(protocol, change):
        seen.clear()
        snapshot = read_snapshot(tiny_snapshot)
        changed = replace(snapshot, events=change(snapshot.events, np.random.default_rng(0)))
        protocol(Run(changed, "fusion", replace(tiny_config, rounds=10), Progress(quiet=True)))
        window, models = seen["models"]
        users = np.unique(window.fit.user[window.fit.user >= 0])
        past = histories(window.fit, users, snapshot.n_items)
        return {
            name: [
                (r.item, r.score) for result in m.recommend(past, window.now, 10) for r in result
            ]
            for name, m in models.items()
        }

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
    ("protocol", "change"),
    [(by_time, shuffled_after_the_cut), (benchmark.benchmark_leave_last_out, other_last_products)],
    ids=["time", "last-out"],
)
def test_what_comes_after_the_cut_changes_no_prediction(predictions, protocol, change):
    as_it_was = predictions(protocol, lambda events, rng: events)
    changed = predictions(protocol, change)
    assert as_it_was == changed and len(as_it_was["vitrine"]) > 100


def test_what_comes_before_the_cut_does(predictions):
    def earlier(events, rng):
        return replace(
            events,
            item=np.where(events.time < cut_of(events), rng.permutation(events.item), events.item),
        )

    assert (
        predictions(by_time, lambda events, rng: events)["vitrine"]
        != predictions(by_time, earlier)["vitrine"]
    )


def test_the_recipes_judged_fit_knows_nothing_of_the_judged_days(
    tiny_snapshot, tiny_config, tmp_path, monkeypatch
):
    """Neither its counts nor what it learned: who bought what after the cut may be anything."""

    class Judged(Exception):
        pass

    seen = []

    def judge(run, window, judged, days):
        seen.append((window, judged.recommender))
        raise Judged

    def predicted(events):
        snapshot = replace(read_snapshot(tiny_snapshot), events=events)
        with pytest.raises(Judged):
            fusion.fit_fusion(
                Run(snapshot, "fusion", replace(tiny_config, rounds=10), Progress(quiet=True)),
                tmp_path,
                [],
            )
        window, model = seen[-1]
        past = histories(
            window.fit, np.unique(window.fit.user[window.fit.user >= 0]), snapshot.n_items
        )
        return window, [
            (r.item, r.score) for result in model.recommend(past, window.now, 10) for r in result
        ]

    monkeypatch.setattr(fusion, "evaluate_run", judge)
    events = read_snapshot(tiny_snapshot).events
    window, as_it_was = predicted(events)
    item, later = events.item.copy(), events.time >= window.now
    item[later] = np.random.default_rng(0).permutation(item[later])
    assert predicted(replace(events, item=item))[1] == as_it_was and len(as_it_was) > 100


def test_the_judged_model_of_a_checkpoint_counts_nothing_of_the_judged_days(
    tiny_checkpoint, tiny_snapshot
):
    """The one that serves has learned them."""
    events = read_snapshot(tiny_snapshot).events
    days = json.loads((tiny_checkpoint / "report.json").read_text())["protocol"]["days"]
    before = events.before(int(events.time[-1]) + 1 - int(days * DAY))
    sold = {}
    for part in ("judged", "served"):
        model = load_checkpoint(tiny_checkpoint, **({"part": part} if part == "judged" else {}))[0]
        sold[part] = model.signals.popularity.column("sold")
    assert sold["judged"].sum() == pytest.approx(len(before)) and sold[
        "served"
    ].sum() == pytest.approx(len(events))
    assert sold["judged"] == pytest.approx(np.bincount(before.item, minlength=len(sold["judged"])))


def test_the_click_head_reads_no_history_after_the_first_judged_impression(monkeypatch):
    class Read(Exception):
        pass

    known = []

    def interactions(events, weights):
        known.extend(events.time.tolist())
        raise Read

    show, click, buy = (TYPE_CODE[kind] for kind in ("impression", "click", "purchase"))
    rows = [(0, 0, buy, 1 * DAY, 1, 1), (1, 1, buy, 2 * DAY, 1, 2)]
    rows += [(day % 2, day % 3, show, day * DAY, 1, day) for day in range(10, 30)]
    rows += [(0, 0, click, 12 * DAY + 60, 1, 12), (1, 2, buy, 20 * DAY + 60, 1, 20)]
    events = events_of(sorted(rows, key=lambda row: row[3]))
    monkeypatch.setattr(behaviour, "FEWEST_IMPRESSIONS", 5)
    monkeypatch.setattr(behaviour, "interactions", interactions)
    run = SimpleNamespace(
        snapshot=SimpleNamespace(events=events, n_items=3), config=make_config("behaviour")
    )
    with pytest.raises(Read):
        behaviour._click(run, None, ["a", "b", "c"])
    assert known == [1 * DAY, 2 * DAY]
