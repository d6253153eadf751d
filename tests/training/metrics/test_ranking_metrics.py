from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from training.evaluation.ranking import Ranked
from training.metrics.ranking import (
    bootstrap_interval,
    coverage_at_k,
    diversity_at_k,
    gini,
    mean_shown,
    miscalibration_at_k,
    ndcg_at_k,
    recall_at_k,
    self_information,
)

LOG3 = np.log2(3)


def hits(*rows: str) -> np.ndarray:
    return np.array([[c == "x" for c in row] for row in rows])


def test_ndcg_of_a_hit_on_the_second_rank():
    assert ndcg_at_k(hits(".x."), np.array([1]), 3) == pytest.approx([1 / LOG3])


def test_ndcg_ideal_is_cut_at_k():
    assert ndcg_at_k(hits("xx"), np.array([7]), 2) == pytest.approx([1.0])


def test_ndcg_of_two_of_three():
    ideal = 1 + 1 / LOG3 + 0.5
    assert ndcg_at_k(hits("x.x"), np.array([3]), 3) == pytest.approx([(1 + 0.5) / ideal])


def test_nothing_to_find_is_nan():
    assert np.isnan(ndcg_at_k(hits("..."), np.array([0]), 3)[0])
    assert np.isnan(recall_at_k(hits("..."), np.array([0]), 3)[0])


def test_recall():
    assert recall_at_k(hits("x.x."), np.array([4]), 3) == pytest.approx([0.5])


def test_coverage_counts_products_once_and_no_gaps():
    assert coverage_at_k(np.array([[0, 1], [1, -1]]), 4, 2) == 0.5


@given(st.integers(0, 2**32 - 1))
def test_ndcg_equals_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    relevance = rng.random((5, 12)) < 0.3
    relevance[:, 0] |= ~relevance.any(axis=1)
    scores = rng.permuted(np.tile(np.arange(12.0), (5, 1)), axis=1)
    order = np.argsort(-scores, axis=1)
    ours = ndcg_at_k(np.take_along_axis(relevance, order, axis=1), relevance.sum(axis=1), 10)
    theirs = [ndcg_score(relevance[i : i + 1], scores[i : i + 1], k=10) for i in range(5)]
    assert ours == pytest.approx(theirs)


@given(st.integers(1, 20), st.integers(0, 2**32 - 1))
def test_measures_stay_between_zero_and_one(n_relevant, seed):
    result = np.random.default_rng(seed).random((1, 10)) < 0.5
    result[0, np.flatnonzero(result[0])[n_relevant:]] = False
    for measure in (ndcg_at_k, recall_at_k):
        assert 0 <= measure(result, np.array([n_relevant]), 10)[0] <= 1


def test_bootstrap_interval_holds_the_mean_and_ignores_nan():
    values = np.array([0.0, 1.0] * 50 + [np.nan])
    value, low, high = bootstrap_interval(values)
    assert value == 0.5
    assert (
        pytest.approx(low, abs=0.011) == 0.5 - 1.96 * 0.05
        and pytest.approx(high, abs=0.011) == 0.5 + 1.96 * 0.05
    )


def test_an_empty_place_is_no_hit():
    """The place of the shopper before's last product is one before this shopper's first."""
    window = SimpleNamespace(
        users=np.arange(2), start=np.array([0, 1, 2]), target=np.array([3, 0]), n_items=4
    )
    assert Ranked(window, np.array([[1, 2], [1, -1]])).hits().tolist() == [
        [False, False],
        [False, False],
    ]
    assert Ranked(window, np.array([[3, 2], [0, -1]])).hits().tolist() == [
        [True, False],
        [True, False],
    ]


def test_diversity_is_the_mean_distance_of_pairs():
    vectors = np.array([[1.0, 0], [0, 1.0], [1.0, 0], [-1.0, 0]])
    result = diversity_at_k(np.array([[0, 1, 2], [0, 3, -1], [0, 2, -1], [1, -1, -1]]), vectors, 3)
    assert result[:3] == pytest.approx([2 / 3, 2.0, 0.0]) and np.isnan(result[3])


def test_novelty_is_self_information_averaged_over_the_list():
    bits = self_information(np.array([8, 4, 0, 1]), 8)
    assert bits == pytest.approx([0, 1, 3, 3])
    result = mean_shown(np.array([[0, 1], [2, -1], [-1, -1]]), bits, 2)
    assert result[:2] == pytest.approx([0.5, 3]) and np.isnan(result[2])


def test_gini_of_equal_and_of_single_exposure():
    assert (
        gini(np.array([3, 3, 3])) == pytest.approx(0)
        and gini(np.array([0, 0, 0, 8])) == pytest.approx(3 / 4)
        and np.isnan(gini(np.zeros(3)))
    )
    assert gini(np.array([1, 3])) == pytest.approx(1 / 4)


def test_miscalibration_is_stecks_divergence():
    group = np.array([0, 0, 1, -1])
    history = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    result = miscalibration_at_k(np.array([[0, 2], [0, 1], [0, 1], [3, -1]]), history, group, 2)
    one_sided = 0.5 * np.log(0.5 / (0.99 + 0.005)) + 0.5 * np.log(0.5 / 0.005)
    assert result[:2] == pytest.approx([0, one_sided]) and np.isnan(result[2:]).all()
