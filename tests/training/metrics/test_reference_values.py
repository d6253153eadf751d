"""Measures of classification, rating and graded lists: by hand, and against scikit-learn on
random input.
"""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from training.evaluation.classification import summary
from training.metrics import classification, ranking


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(6, 60))
def test_classification_measures_are_scikit_learns(seed, classes, n):
    rng = np.random.default_rng(seed)
    label, output = rng.integers(0, classes, n), rng.dirichlet(np.ones(classes), n)
    predicted = output.argmax(1)
    assert classification.accuracy(label, predicted) == pytest.approx(
        reference.accuracy_score(label, predicted)
    )
    assert classification.f1_macro(label, predicted) == pytest.approx(
        reference.f1_score(label, predicted, average="macro", zero_division=0)
    )
    assert classification.log_loss(label, output) == pytest.approx(
        reference.log_loss(label, output, labels=range(classes))
    )
    if len(np.unique(label)) == classes:
        theirs = (
            reference.roc_auc_score(label, output[:, 1])
            if classes == 2
            else reference.roc_auc_score(label, output, multi_class="ovr")
        )
        assert classification.auc_one_vs_rest(label, output) == pytest.approx(theirs)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 50))
def test_auc_with_ties_and_rating_errors_are_scikit_learns(seed, n):
    rng = np.random.default_rng(seed)
    label, score = rng.integers(0, 2, n), rng.integers(0, 4, n) / 4
    if 0 < label.sum() < n:
        assert classification.auc(label, score) == pytest.approx(
            reference.roc_auc_score(label, score)
        )
    rating, predicted = rng.integers(1, 6, n).astype(float), rng.random(n) * 5
    assert classification.mae(rating, predicted) == pytest.approx(
        reference.mean_absolute_error(rating, predicted)
    )
    assert classification.mse(rating, predicted) == pytest.approx(
        reference.mean_squared_error(rating, predicted)
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 12))
def test_graded_ndcg_is_scikit_learns(seed, n, k):
    grades = np.random.default_rng(seed).integers(0, 4, n).astype(float)
    if grades.any():
        gains = (2**grades - 1)[None, :]
        assert ranking.ndcg_graded(grades, k) == pytest.approx(
            reference.ndcg_score(gains, -np.arange(n)[None, :], k=k)
        )
    else:
        assert np.isnan(ranking.ndcg_graded(grades, k))


def test_calibration_error_by_hand():
    assert classification.calibration_error(
        np.array([1, 0, 1, 1]), np.array([0.95, 0.95, 0.15, 0.15])
    ) == pytest.approx((2 * 0.45 + 2 * 0.85) / 4)
    assert classification.calibration_error(np.array([1.0]), np.array([1.0])) == 0.0


def test_the_calibration_error_of_a_report_is_that_of_the_predicted_class():
    right, output = np.array([0, 0, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    by_hand = classification.calibration_error(np.array([1, 0, 0]), np.array([0.9, 0.8, 0.6]))
    assert (
        summary(right, output, rounds=10)["calibration_error"]["value"]
        == pytest.approx(by_hand)
        == pytest.approx((0.1 + 0.8 + 0.6) / 3)
    )


def test_empty_and_one_sided_input_is_nan():
    nothing = np.zeros(0)
    assert all(
        np.isnan(f(nothing, nothing))
        for f in (
            classification.accuracy,
            classification.f1_macro,
            classification.mae,
            classification.mse,
            classification.auc,
        )
    )
    assert np.isnan(classification.auc(np.ones(3), np.arange(3)))


def test_the_interval_of_a_statistic_holds_its_value():
    label = np.random.default_rng(0).integers(0, 2, 200)
    value, low, high = ranking.bootstrap_statistic(lambda r: label[r].mean(), 200)
    assert low < value < high and value == label.mean() and high - low < 0.2


def test_peak_memory_is_that_of_this_process_alone(tmp_path):
    big = (
        "import subprocess, sys; held = b'x' * 600_000_000; subprocess.run([sys.executable, "
        "'-c', sys.argv[1]])"
    )
    small = (
        "from training.runs.run import peak_memory_mb; held = b'x' * 50_000_000; "
        "print(peak_memory_mb())"
    )
    alone = int(
        subprocess.run(
            [sys.executable, "-c", small], capture_output=True, text=True, check=True
        ).stdout
    )
    below = int(
        subprocess.run(
            [sys.executable, "-c", big, small], capture_output=True, text=True, check=True
        ).stdout
    )
    assert alone > 50 and abs(below - alone) < 100
