"""Explanations are what they say: contributions sum to the score, shares are the falls without
a product, "why not" names the stage.
"""

from dataclasses import replace

import numpy as np
import pytest

from training.data.snapshot import read_snapshot
from training.inference.checkpoint import load_checkpoint
from training.inference.explanations import HISTORY_READ, explain, why_not
from training.inference.recommender import Recommender


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint)[0]


@pytest.fixture(scope="module")
def events(tiny_snapshot):
    return read_snapshot(tiny_snapshot).events


def listed(model, events, k: int = 10, **more):
    past = model.histories(events, np.unique(events.user))
    return past, model.recommend(past, model.signals.popularity.now, k, **more)[0]


@pytest.mark.parametrize("user", [0, 7, 41])
def test_contributions_sum_to_the_score_of_the_list(model, events, user):
    own_events = events.take(events.user == user)
    _, places = listed(model, own_events)
    result = explain(model, own_events, [p.item for p in places], model.signals.popularity.now)
    assert [e.score for e in result] == [p.score for p in places]
    for explanation in result:
        assert explanation.base + sum(explanation.contributions.values()) == pytest.approx(
            explanation.score, abs=1e-6
        )


@pytest.mark.parametrize("user", [3, 20])
def test_a_share_is_the_fall_without_the_product(model, events, user):
    own_events = events.take(events.user == user)
    now = model.signals.popularity.now
    past, places = listed(model, own_events)
    explanation = explain(model, own_events, [places[2].item], now)[0]
    falls = {}
    for item in past.item.tolist():
        _, without = listed(model, own_events.take(own_events.item != item), k=model.n_items)
        fall = places[2].score - {p.item: p.score for p in without}[places[2].item]
        falls |= {item: fall} if fall > 0 else {}
    assert explanation.falls == pytest.approx(falls) and falls
    assert explanation.shares == pytest.approx(
        {item: fall / sum(falls.values()) for item, fall in falls.items()}
    )
    assert list(explanation.shares.values()) == sorted(
        explanation.shares.values(), reverse=True
    ) and sum(explanation.shares.values()) == pytest.approx(1)


def test_only_the_latest_products_are_taken_out(model, events):
    busy = events.take(np.isin(events.user, np.arange(0, 80, 4)))
    past, places = listed(model, busy.take(busy.user == 0))
    many = replace(busy, user=np.zeros(len(busy), dtype=np.int32))
    past, places = listed(model, many)
    assert len(past.item) > HISTORY_READ
    explanation = explain(model, many, [places[0].item], model.signals.popularity.now)[0]
    assert set(explanation.falls) <= set(past.item[-HISTORY_READ:].tolist())


def test_without_a_history_nothing_of_it_is_named(model, events):
    explanation = explain(
        model, events.take(events.user == 10**6), [3, 1], model.signals.popularity.now
    )
    assert len(explanation) == 2 and not any(e.falls or e.shares for e in explanation)


def test_why_not_names_the_stage(model, events):
    own_events = events.take(events.user == 3)
    now = model.signals.popularity.now
    past, places = listed(model, own_events, k=model.n_items)

    def ask(item, **more):
        return why_not(model, past, item, now, 5, **more)

    assert ask(places[0].item).stage == "shown" and ask(places[0].item).place == 1
    lost = ask(places[12].item)
    assert (lost.stage, lost.place, lost.score) == (
        "ranked",
        13,
        places[12].score,
    ) and lost.last_score == places[4].score
    assert sum(lost.against.values()) == pytest.approx(lost.score - lost.last_score, abs=1e-6)
    assert any(lost.sources.values()) and set(lost.sources) >= {"again", "next", "text", "trending"}
    showable = np.ones(model.n_items, dtype=bool)
    showable[5] = False
    assert ask(5, showable=showable).stage == "hidden"
    assert ask(int(past.item[past.bought > 0][0]), only_new=True).stage == "bought"


def test_why_not_of_what_no_source_proposed(model, events):
    narrow = Recommender(
        model.signals, model.facts, model.ranker, replace(model.config, candidates_per_source=2)
    )
    past, places = listed(narrow, events.take(events.user == 3), k=model.n_items)
    other = next(i for i in range(model.n_items) if i not in {p.item for p in places})
    result = why_not(narrow, past, other, model.signals.popularity.now, 5)
    assert (
        result.stage == ("not_proposed" if result.place > 5 else "shown")
        and not any(result.sources.values())
        and result.of == len(places) + 1
    )
