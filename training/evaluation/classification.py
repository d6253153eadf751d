"""Evaluation of classifiers and rating models: baselines, calibration, metrics with intervals."""

from dataclasses import dataclass

import numpy as np

from training.data.labeled_texts import TRAIN, VALIDATION, Rows
from training.evaluation import linear_baselines
from training.inference.calibration import OutputCalibration
from training.metrics import classification, ranking

ROUNDS = 200
TEMPERATURES = np.geomspace(0.25, 4.0, 41)
SHARES = (0.0, 0.25, 0.5, 0.75)
"""Candidate weights of the neighbors' vote."""


@dataclass(frozen=True)
class Baseline:
    """A baseline's predictions. output: (rows, classes) probabilities or (rows, 1) ratings."""

    output: np.ndarray
    fit: linear_baselines.LinearFit | None = None


def baselines(rows: Rows, vectors: np.ndarray, seed: int) -> dict[str, Baseline]:
    """Baselines: the most frequent class (or mean rating), TF-IDF, and a linear model on frozen
    vectors (rows, dim).
    """
    train, validation = rows.at(TRAIN), rows.at(VALIDATION)
    words = linear_baselines.word_features(rows.texts, train)
    y, n = rows.target, len(rows.classes)
    results: dict[str, Baseline] = {}
    strengths = {"words": (10.0,), "text_before": linear_baselines.STRENGTHS}
    if rows.classes:
        share = np.bincount(y[train], minlength=n) / len(train)
        results["majority"] = Baseline(np.tile(share, (len(y), 1)))
        for name, x in (("words", words), ("text_before", vectors)):
            fit = linear_baselines.fit_classes(
                x[train], y[train], x[validation], y[validation], seed, strengths[name]
            )
            results[name] = Baseline(linear_baselines.probabilities(fit, x, n), fit)
    else:
        results["mean"] = Baseline(np.full((len(y), 1), y[train].mean()))
        for name, x in (("words", words), ("text_before", vectors)):
            fit = linear_baselines.fit_ratings(x[train], y[train], x[validation], y[validation])
            results[name] = Baseline(
                np.clip(fit.model.predict(x), y[train].min(), y[train].max())[:, None], fit
            )
    return results


def answer_of(rows: Rows, output: np.ndarray, vote: np.ndarray | None = None) -> OutputCalibration:
    """Temperature and vote weight with the lowest log loss on the validation rows, from their
    outputs and votes, (rows, classes) both.
    """
    if not rows.classes:
        given = rows.target[rows.at(TRAIN)]
        return OutputCalibration(1.0, float(given.min()), float(given.max()))
    if not len(output):
        return OutputCalibration(1.0)
    right, shares = rows.target[rows.at(VALIDATION)], SHARES if vote is not None else (0.0,)
    tried = [
        OutputCalibration(float(t), vote_share=share) for share in shares for t in TEMPERATURES
    ]
    return min(tried, key=lambda a: classification.log_loss(right, a.apply(output, vote)))


def summary(right: np.ndarray, output: np.ndarray, rounds: int = ROUNDS) -> dict[str, dict]:
    """Metrics with 95 % intervals. right: (rows,) classes or ratings; output: (rows, classes)
    probabilities or (rows, 1) ratings.
    """
    costly = output.shape[1] > 10
    if output.shape[1] > 1:
        predicted = output.argmax(axis=1)
        confidence = output.max(axis=1)
        measures = {
            "accuracy": lambda r: classification.accuracy(right[r], predicted[r]),
            "f1_macro": lambda r: classification.f1_macro(right[r], predicted[r]),
            "auc": lambda r: classification.auc_one_vs_rest(right[r], output[r]),
            "log_loss": lambda r: classification.log_loss(right[r], output[r]),
            "calibration_error": lambda r: classification.calibration_error(
                (right == predicted)[r], confidence[r]
            ),
        }
    else:
        measures = {
            "mae": lambda r: classification.mae(right[r], output[r, 0]),
            "mse": lambda r: classification.mse(right[r], output[r, 0]),
        }
    return {
        name: measured(
            f, len(right), 20 if costly and rounds and name in ("auc", "f1_macro") else rounds
        )
        for name, f in measures.items()
    }


def measured(statistic, n: int, rounds: int) -> dict:
    value, low, high = (
        ranking.bootstrap_statistic(statistic, n, rounds=rounds)
        if rounds
        else (statistic(np.arange(n)), None, None)
    )
    return {
        name: None if v is None or np.isnan(v) else v
        for name, v in (("value", value), ("low", low), ("high", high))
    }
