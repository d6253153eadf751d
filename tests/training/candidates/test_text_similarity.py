"""Text similarity: a sum over the history of weight × kernel, for any memory limit."""

import numpy as np
import pytest

from tests.tinyshop import events_of
from training.candidates import text_similarity
from training.candidates.text_similarity import TEMPERATURE, TextSpace
from training.configuration.tuning import EVENT_WEIGHTS
from training.data.interactions import histories, interactions
from training.data.snapshot import DAY, TYPE_CODE


@pytest.fixture
def vectors():
    x = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    x[5], x[6] = x[1], x[1]
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def past():
    rows = [(0, 1, 1), (0, 5, 2), (0, 3, 3), (2, 6, 1), (2, 1, 2)]
    events = events_of(
        [(u, i, TYPE_CODE["purchase"], day * DAY, 1, 10 * u + day) for u, i, day in rows]
    )
    return histories(interactions(events, EVENT_WEIGHTS), np.arange(3), 7)


@pytest.mark.parametrize("cells", [1, 10**6])
def test_scores_are_the_sum_of_kernels(vectors, past, cells, monkeypatch):
    monkeypatch.setattr(text_similarity, "KERNEL_CELLS", cells)
    weights = np.array([0.5, 1.0, 0.0, 0.25, 2.0], dtype=np.float32)
    expected = np.zeros((3, 7))
    for user, item, weight in zip(past.user, past.item, weights, strict=True):
        expected[user] += weight * np.exp((vectors @ vectors[item] - 1) / TEMPERATURE)
    assert TextSpace(vectors).scores(past, weights) == pytest.approx(expected, rel=1e-4)


def test_equal_texts_are_held_once(vectors):
    different, number = TextSpace(vectors).distinct
    assert (
        len(different) == 5
        and number.tolist() == [0, 1, 2, 3, 4, 1, 1]
        and np.array_equal(different[number], vectors)
    )


def test_the_next_question_computes_only_texts_that_the_last_one_did_not_ask_for(
    vectors, past, monkeypatch
):
    wanted, plain = [], text_similarity.kernel
    monkeypatch.setattr(
        text_similarity,
        "kernel",
        lambda own_texts, all_of_them: (
            wanted.append(len(own_texts)),
            plain(own_texts, all_of_them),
        )[1],
    )
    texts, weights = TextSpace(vectors), np.ones(5, dtype=np.float32)
    first, of_one = texts.scores(past, weights), texts.scores(past.shard(0, 1), weights[:3])
    texts.scores(past, weights)
    assert wanted == [2] and np.array_equal(of_one, first[:1])
