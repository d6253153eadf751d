"""The position-based click model on simulated clicks, of which the truth is known."""

import numpy as np
import polars as pl
import pytest

from training.search.clicks import fit_clicks, relevance_of_shown


@pytest.fixture(scope="module")
def simulated():
    """(pair, position, clicked, relevance): 300 queries with 8 products each, shuffled a little."""
    rng = np.random.default_rng(0)
    relevance = rng.random((300, 8)) ** 2
    looked = 1 / np.arange(1, 9)
    rows = []
    for query in range(300):
        for _ in range(40):
            order = np.argsort(np.arange(8) + rng.normal(0, 2, 8))
            clicked = rng.random(8) < looked * relevance[query, order]
            rows += zip(query * 8 + order, range(8), clicked, strict=True)
    pair, position, clicked = map(np.array, zip(*rows, strict=True))
    return pair, position, clicked, relevance.ravel()


def test_propensities_are_found(simulated):
    pair, position, clicked, _ = simulated
    model = fit_clicks(pair, position, clicked)
    assert model.propensity == pytest.approx(1 / np.arange(1, 9), abs=0.05)


def test_relevance_is_nearer_to_the_truth_than_the_share_of_clicks(simulated):
    pair, position, clicked, relevance = simulated
    fair = fit_clicks(pair, position, clicked).relevance
    naive = fit_clicks(pair, position, clicked, unbiased=False).relevance
    assert np.corrcoef(fair, relevance)[0, 1] > np.corrcoef(naive, relevance)[0, 1] + 0.1


def test_a_pair_that_was_seldom_shown_is_near_the_mean():
    pair = np.array([0] * 100 + [1])
    clicked = np.array([True] * 50 + [False] * 50 + [True])
    model = fit_clicks(pair, np.zeros(101, int), clicked)
    assert 0.5 < model.relevance[1] < 0.8


def test_without_clicks_nothing_is_relevant():
    model = fit_clicks(np.array([0, 1]), np.array([0, 1]), np.array([False, False]))
    assert (model.relevance < 0.01).all() and np.isfinite(model.propensity).all()


SHOWN = {"query": pl.String, "item_id": pl.String, "position": pl.Int64, "clicked": pl.Boolean}


def test_queries_without_a_click_are_left_out():
    rows = [("red", "a", 1, False), ("red", "b", 2, True), ("blue", "a", 1, False)]
    frame, propensity = relevance_of_shown(pl.DataFrame(rows * 30, SHOWN, orient="row"))
    assert frame.select("query", "item_id").rows() == [("red", "a"), ("red", "b")]
    low, high = frame["relevance"]
    assert 0 <= low < high <= 1 and (frame["looks"] > 0).all() and len(propensity)


def test_without_any_click_nothing_is_learned():
    frame, propensity = relevance_of_shown(
        pl.DataFrame([("red", "a", 1, False)], SHOWN, orient="row")
    )
    assert frame.columns == ["query", "item_id", "relevance", "looks"]
    assert frame.is_empty() and not len(propensity)
