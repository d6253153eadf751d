"""The neighbors' vote and its mixture with the head, by hand."""

import numpy as np
import pytest

from training.data.labeled_texts import Rows
from training.evaluation import classification
from training.inference.calibration import (
    SCOPE_SURE,
    WIDTH,
    NeighborVote,
    OutputCalibration,
    scope_scores,
)

EAST, NORTH = [1.0, 0.0], [0.0, 1.0]


def test_the_nearest_vote_by_their_cosine():
    remembered = NeighborVote(
        np.array([EAST, [0.8, 0.6], NORTH], dtype=np.float32), np.array([0, 1, 1]), k=2
    )
    second = np.exp((0.8 - 1) / WIDTH)
    result = remembered.vote(np.array([EAST, NORTH], dtype=np.float32), 3)
    assert result[0] == pytest.approx([1 / (1 + second), second / (1 + second), 0], abs=1e-3)
    assert result[1] == pytest.approx([0, 1, 0], abs=1e-6)


def test_more_voters_than_rows_are_all_of_them():
    remembered = NeighborVote(np.array([EAST, EAST, NORTH]), np.array([0, 1, 1]), k=10)
    assert remembered.vote(np.array([EAST]), 2)[0] == pytest.approx([0.5, 0.5], abs=1e-6)
    assert remembered.vote(np.zeros((0, 2)), 2).shape == (0, 2)


def test_the_answer_is_a_mixture():
    answer = OutputCalibration(2.0, vote_share=0.25)
    logits, vote = np.array([[2.0, 0.0]]), np.array([[0.0, 1.0]])
    head = 1 / (1 + np.exp(-1.0))
    assert answer.apply(logits, vote)[0] == pytest.approx([0.75 * head, 0.75 * (1 - head) + 0.25])
    assert answer.apply(logits)[0] == pytest.approx([head, 1 - head])
    assert OutputCalibration(1.0, 1.0, 5.0).apply(
        np.array([[7.0], [3.0]])
    ).ravel() == pytest.approx([5.0, 3.0])


@pytest.mark.parametrize(("helpful", "share"), [(True, 0.75), (False, 0.0)])
def test_validation_chooses_the_share(helpful, share):
    target = np.array([0, 1] * 20)
    rows = Rows([""] * 40, [""] * 40, target, np.ones(40, dtype=np.int64), ["a", "b"])
    right = np.eye(2)[target]
    wrong = 1 - right
    output, vote = (0.1 * wrong, right) if helpful else (3 * right, wrong)
    assert classification.answer_of(rows, output, vote).vote_share == share


def test_without_validation_rows_nobody_votes():
    rows = Rows(["", ""], ["", ""], np.array([0, 1]), np.zeros(2, dtype=np.int64), ["a", "b"])
    nothing = np.zeros((0, 2))
    assert classification.answer_of(rows, nothing, nothing) == OutputCalibration(1.0)


def test_scope_is_the_mean_cosine_to_the_nearest_texts_and_the_largest_probability():
    remembered = NeighborVote(np.array([EAST, EAST, NORTH], dtype=np.float32), np.arange(3), 1)
    probability = np.array([[0.9, 0.1], [0.5, 0.5]])
    scores = scope_scores(probability, remembered, np.array([EAST, NORTH], dtype=np.float32))
    east, north = np.array(EAST), np.array(NORTH)
    means = [(1 + 1 + east @ north) / 3, (1 + 2 * (east @ north)) / 3]
    assert scores == pytest.approx(np.array(means) + SCOPE_SURE * np.array([0.9, 0.5]), abs=1e-6)
    alone = scope_scores(probability, None, np.zeros((2, 2), dtype=np.float32))
    assert alone == pytest.approx([0.9, 0.5])
