"""Whether it pays to read the shop's text first (masked words), then to learn the task: three tasks
on Women's Clothing reviews, the same steps, the same test rows.

The change is that of the served models' measure, row by row, with its 95 % bootstrap interval. Seed
7.
"""

from pathlib import Path

import numpy as np

from bench.__main__ import measure
from bench.fits import KEPT, clothing, fit, sources
from training.data.labeled_texts import TEST, Rows, polarity, review_rows
from training.data.snapshot import read_snapshot
from training.inference.text_predictor import Predictor, load_predictor
from training.metrics.ranking import bootstrap_interval

REVIEWS = 8_000
SHORT = {"text.steps": 150, "text.epochs": 0, "text.frozen_layers": 4, "text.evaluate_every": 75}
UNITS = {"rating": "stars²"}


def run() -> dict:
    snapshot, result = clothing(REVIEWS), {}
    fit("mlm", snapshot, "mlm", {"onnx": False})
    for recipe in ("topic", "rating", "sentiment"):
        fit(recipe, snapshot, f"plain-{recipe}", SHORT)
        fit(
            recipe,
            snapshot,
            f"mlm-first-{recipe}",
            SHORT | {"text.encoder": str(_folder("mlm") / "encoder")},
        )
        result |= _change(recipe, _test_rows(recipe, snapshot))
    return result


def _folder(name: str) -> Path:
    return KEPT / sources() / name / "out"


def _test_rows(recipe: str, snapshot: Path) -> Rows:
    target = polarity if recipe == "sentiment" else lambda row: row[recipe]
    rows = review_rows(read_snapshot(snapshot), target, recipe, 0.2, 0.1)
    return rows.take(rows.at(TEST))


def _change(recipe: str, rows: Rows) -> dict:
    plain, first = (
        _by_row(load_predictor(_folder(f"{name}-{recipe}")), rows)
        for name in ("plain", "mlm-first")
    )
    unit = UNITS.get(recipe, "accuracy")
    change, low, high = bootstrap_interval(first - plain)
    return {
        f"{recipe}.mlm_first": measure(first.mean(), unit, plain.mean()),
        f"{recipe}.change": measure(change, unit),
        f"{recipe}.change_low": measure(low, unit),
        f"{recipe}.change_high": measure(high, unit),
    }


def _by_row(model: Predictor, rows: Rows) -> np.ndarray:
    """(n,) whether the class is right, or the squared error of the stars."""
    predicted = model.predict(rows.texts)
    if not rows.classes:
        return (predicted[:, 0] - rows.target) ** 2
    return (
        np.array(model.facts["classes"])[predicted.argmax(axis=1)]
        == np.array(rows.classes)[rows.target]
    ).astype(float)
