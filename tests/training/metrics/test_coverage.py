"""Shares answered and right at thresholds, by hand."""

import numpy as np
import pytest

from training.metrics.classification import coverage_curve, right_at_coverage

RIGHT = np.array([True, True, False, True])
CONFIDENCE = np.array([0.9, 0.6, 0.55, 0.2])


def test_a_higher_threshold_answers_less():
    curve = coverage_curve(RIGHT, CONFIDENCE, steps=4)
    assert [row["threshold"] for row in curve] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [row["answered"] for row in curve] == [1.0, 0.75, 0.75, 0.25, 0.0]
    assert [row["right"] for row in curve] == [
        0.75,
        pytest.approx(2 / 3),
        pytest.approx(2 / 3),
        1.0,
        None,
    ]


def test_the_most_confident_are_answered():
    assert right_at_coverage(RIGHT, CONFIDENCE, 0.5) == 1.0
    assert right_at_coverage(RIGHT, CONFIDENCE, 0.75) == pytest.approx(2 / 3)
    assert right_at_coverage(RIGHT, CONFIDENCE, 0.0) == 1.0


def test_nothing_is_answered_of_nothing():
    empty = np.zeros(0)
    assert coverage_curve(empty.astype(bool), empty, steps=1) == [
        {"threshold": 0.0, "answered": 0.0, "right": None},
        {"threshold": 1.0, "answered": 0.0, "right": None},
    ]
