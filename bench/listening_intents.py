"""Intents of messages (BANKING77), and what is out of scope: questions on appliances.

The scope test keeps 95 % of the validation rows of the training part; the test rows say how many
it keeps of unseen messages, and how many questions of another field it detects.
"""

import statistics
from pathlib import Path

import numpy as np
import polars as pl

from bench.__main__ import measure
from bench.fits import KEPT, data_folder, dialogues, fit, sources, value
from training.inference.text_predictor import Predictor, load_predictor
from training.metrics.classification import right_at_coverage

DRAWS, FEW = range(10), 10
ANSWERED = 0.8


def run() -> dict[str, dict]:
    data = dialogues("banking77")
    whole = fit("intent", data, "banking-whole", {})
    few = [
        fit("intent", data, f"banking-few-{seed}", {"per_class": FEW, "seed": seed, "onnx": False})
        for seed in DRAWS
    ]
    accuracies = [value(report, "text_after", "accuracy") for report in few]
    frozen = [value(report, "text_before", "accuracy") for report in few]
    model = load_predictor(KEPT / sources() / "banking-whole" / "out")
    return {
        "intent.accuracy": measure(
            value(whole, "text_after", "accuracy"),
            "accuracy",
            value(whole, "text_before", "accuracy"),
        ),
        "intent.accuracy_10_shot": measure(
            statistics.mean(accuracies), "accuracy", statistics.mean(frozen)
        ),
        "intent.accuracy_10_shot_deviation": measure(statistics.stdev(accuracies), "accuracy"),
        **_selective(model, data),
    }


def _selective(model: Predictor, data: Path) -> dict[str, dict]:
    """Right answers at 80 % answered, and messages out of scope, by the int8 model that serves."""
    test = pl.read_parquet(data / "dialogues.parquet").filter(pl.col("split") == "test")
    probability, in_scope = model.predict_in_scope(test["text"].to_list())
    classes = np.array(model.facts["classes"])
    is_right = classes[probability.argmax(axis=1)] == test["intent"].to_numpy()
    right = right_at_coverage(is_right, probability.max(axis=1), ANSWERED)
    _, other = model.predict_in_scope(_product_questions())
    return {
        "intent.right_at_80_answered": measure(right, "share", float(is_right.mean())),
        "out_of_scope.detected": measure(float((~other).mean()), "share"),
        "out_of_scope.in_scope_kept": measure(float(in_scope.mean()), "share"),
    }


def _product_questions() -> list[str]:
    file = data_folder("amazon_product_qa") / "qa_appliances.csv.gz"
    rows = pl.read_csv(file, infer_schema_length=None)
    return rows["question"].drop_nulls().to_list()
