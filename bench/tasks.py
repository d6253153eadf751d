"""What the recipes reach on public data, each with its defaults; the data lie in the folder that
VITRINE_BENCH_DATA names.

Seeds: 7 everywhere; the few-shot draws have 0 to 9. Validation parts of the training rows choose
everything; test rows only judge.
"""

import statistics

from bench.__main__ import measure
from bench.fits import (
    KEPT,
    beauty,
    before,
    chinese,
    clothing,
    dialogues,
    fit,
    ranked,
    sources,
    value,
)
from bench.online_retail import snapshot as sample

DRAWS = range(10)
FEW = 10
CHINESE_REVIEWS = 12_000
EARLY = {"text.steps": 120, "window_days": 31}


def run() -> dict:
    return _banking() | _clothing() | _chinese() | _beauty() | _incremental()


def _banking() -> dict:
    data = dialogues("banking77")
    whole = fit("intent", data, "banking", {"onnx": False})
    few = [
        fit("intent", data, f"banking-few-{seed}", {"per_class": FEW, "seed": seed, "onnx": False})
        for seed in DRAWS
    ]
    tuned, linear = (
        [value(r, system, "accuracy") for r in few] for system in ("text_after", "text_before")
    )
    return {
        "banking77.accuracy": measure(
            value(whole, "text_after", "accuracy"),
            "accuracy",
            value(whole, "text_before", "accuracy"),
        ),
        "banking77.accuracy_10_shot": measure(
            statistics.mean(tuned), "accuracy", statistics.mean(linear)
        ),
        "banking77.accuracy_10_shot_deviation": measure(statistics.stdev(tuned), "accuracy"),
    }


def _clothing() -> dict:
    data = clothing()
    liked = fit("sentiment", data, "clothing-sentiment", {"onnx": False})
    stars = fit("rating", data, "clothing-rating", {"onnx": False})
    return {
        "womens_clothing.auc": measure(
            value(liked, "text_after", "auc"), "AUC", value(liked, "text_before", "auc")
        ),
        "womens_clothing.mae": measure(
            value(stars, "text_after", "mae"), "stars", value(stars, "text_before", "mae")
        ),
        "womens_clothing.mse": measure(
            value(stars, "text_after", "mse"), "stars²", value(stars, "text_before", "mse")
        ),
    }


def _chinese() -> dict:
    report = fit(
        "sentiment",
        chinese(CHINESE_REVIEWS, 7),
        "chinese",
        {"text.encoder": "multilingual", "onnx": False, **CHINESE},
    )
    return {
        "chinese_reviews.accuracy": measure(
            value(report, "text_after", "accuracy"),
            "accuracy",
            value(report, "text_before", "accuracy"),
        )
    }


CHINESE = {"text.frozen_layers": 9, "text.epochs": 1, "text.max_tokens": 96}
"""Twelve layers are twice MiniLM's: the upper quarter is trained, once over the reviews."""


def _beauty() -> dict:
    report = ranked(
        "retrieval", beauty(), "beauty", {}, "--protocol", "leave-last-out", "--shuffle-ties", "0"
    )
    frozen, tuned = value(report, "text_before", "ndcg@10"), value(report, "text_after", "ndcg@10")
    return {
        "beauty.text_before.ndcg@10": measure(frozen, "NDCG@10"),
        "beauty.text_after.ndcg@10": measure(tuned, "NDCG@10", frozen),
    }


def _incremental() -> dict:
    """The sample: a champion of what came before 2011-10-01, then incremental and full training
    on what came after, judged on the last month.
    """
    data = sample(KEPT / "snapshots" / "online_retail")
    fit("retrieval", before(data, "2011-10-01"), "early", {**EARLY, "onnx": False})
    champion = KEPT / sources() / "early" / "out"
    report = fit("incremental", data, "incremental", {"onnx": False}, "--champion", str(champion))
    shares = report["shares"]
    result = {
        f"incremental.{part}_share": measure(shares[part], "share", 1.0)
        for part in ("new", "old", "time")
    }
    for part in ("new", "old"):
        for system in ("champion", "incremental", "full"):
            result[f"incremental.{part}.{system}.ndcg@10"] = measure(
                value(report, system, "ndcg@10", part), "NDCG@10"
            )
    return result
