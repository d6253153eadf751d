"""Labels of reports: names of metrics and baselines, the deciding metric, comparisons."""

from dataclasses import dataclass

MEASURES = {
    "ndcg@10": "NDCG@10",
    "recall@10": "Recall@10",
    "recall@1": "Recall@1",
    "mrr": "Mean reciprocal rank",
    "coverage@10": "Coverage",
    "accuracy": "Accuracy",
    "f1_macro": "F1",
    "auc": "AUC",
    "log_loss": "Log loss",
    "calibration_error": "Calibration error",
    "brier": "Brier score",
    "mae": "Mean error, stars",
    "mse": "Mean squared error",
    "loss": "Loss",
    "cosine": "Cosine to the teacher",
}
BEYOND = {
    "diversity@10": (
        "Diversity",
        "Mean distance of the texts of a list’s products; 0: all the same.",
    ),
    "novelty@10": ("Novelty", "Mean bits of surprise: higher for products that few shoppers have."),
    "popularity@10": ("Popularity", "Mean percentile of sales; 1: the best-selling products."),
    "gini@10": (
        "Inequality",
        "Gini index of exposure; 0: equal for all products, 1: one product has all.",
    ),
    "miscalibration@10": (
        "Mix of categories",
        "Distance from the categories of the shopper’s history; 0: the same.",
    ),
}
"""Metrics of the lists themselves, regardless of purchases."""
BASELINES = {
    "popularity_30d": "popularity",
    "text_before": "the text before fine-tuning",
    "words": "words alone",
    "unigram": "the frequency of words",
    "history": "buying habits alone",
    "teacher": "the teacher",
}
CLASSICAL = {
    "popularity": "popularity of all time",
    "popularity_30d": "popularity",
    "item_knn": "item-kNN",
    "sequential_knn": "sequential kNN",
    "ease": "EASE",
    "buy_again": "buying again what was bought",
}
"""Baselines without this version's text model."""
RANKING = {
    "measure": "ndcg@10",
    "system": "vitrine",
    "baseline": "popularity_30d",
    "also": ["popularity"],
    "part": "all",
    "higher_is_better": True,
}


def primary(report: dict) -> dict:
    """The deciding entry of a report: system, metric and baselines; a ranking's where the report
    has none.
    """
    return report.get("primary") or RANKING


BETTER, WORSE, UNCLEAR = "better", "worse", "unclear"


@dataclass(frozen=True)
class Comparison:
    """A version's main measure against a rival on the same data; rival None: there is nothing to
    compare it with.

    outcome: better or worse only where the 95 % interval of the difference lies on one side of 0;
        unclear otherwise
    """

    measure: str
    value: float
    rival: str | None
    theirs: float | None
    outcome: str

    @property
    def rival_words(self) -> str:
        return (
            BASELINES.get(self.rival) or CLASSICAL.get(self.rival) or self.rival.replace("_", " ")
        )

    def sentence(self, champion: str = "the champion") -> str:
        """Such as: Better than popularity: NDCG@10 0.385 against 0.140."""
        words = MEASURES.get(self.measure, self.measure)
        if self.rival is None or self.theirs is None:
            return f"{words} {self.value:.3f}; there is nothing to compare it with."
        name = champion if self.rival == "champion" else self.rival_words
        start = {BETTER: "Better than", WORSE: "Worse than", UNCLEAR: "No clear difference from"}[
            self.outcome
        ]
        return f"{start} {name}: {words} {self.value:.3f} against {self.theirs:.3f}."


def compare(report: dict, part: str = "") -> Comparison | None:
    """The version against the champion where the report has one, else against the best baseline.

    None without a metric of the version itself. The difference is paired per shopper (bootstrap)
    where the report holds it; else two intervals that do not overlap decide, else the values.
    """
    deciding = primary(report)
    systems, body = _measured(report, part)
    if deciding["system"] not in systems:
        return None
    rivals = (
        ["champion"]
        if "champion" in systems
        else [name for name in (deciding["baseline"], *deciding.get("also", [])) if name in systems]
    )
    return _compared(deciding, systems, body, rivals)


def compare_with_strongest(report: dict, part: str = "") -> Comparison | None:
    """The version against the best classical baseline; None where either has no metric."""
    deciding = primary(report)
    systems, body = _measured(report, part)
    rivals = [name for name in CLASSICAL if name in systems]
    return (
        _compared(deciding, systems, body, rivals)
        if rivals and deciding["system"] in systems
        else None
    )


def _measured(report: dict, part: str) -> tuple[dict, dict]:
    """({system: its main metric}, the part of the report)."""
    deciding = primary(report)
    part = (
        part
        if isinstance(report.get(part), dict) and "systems" in report[part]
        else deciding.get("part", "")
    )
    body = report.get(part, {}) if part else report
    measures = {
        name: one.get(deciding["measure"]) or {} for name, one in body.get("systems", {}).items()
    }
    return {
        name: measure for name, measure in measures.items() if measure.get("value") is not None
    }, body


def _compared(deciding: dict, systems: dict, body: dict, rivals: list[str]) -> Comparison:
    decider, up = systems[deciding["system"]], 1 if deciding["higher_is_better"] else -1
    if not rivals:
        return Comparison(deciding["measure"], decider["value"], None, None, UNCLEAR)
    rival = max(rivals, key=lambda name: up * systems[name]["value"])
    theirs = systems[rival]
    low, high = _difference(decider, theirs, body.get("differences", {}).get(rival), up)
    outcome = BETTER if low > 0 else WORSE if high < 0 else UNCLEAR
    return Comparison(deciding["measure"], decider["value"], rival, theirs["value"], outcome)


def _difference(decider: dict, theirs: dict, paired: dict | None, up: int) -> tuple[float, float]:
    """Bounds of how much better this version is; `up` is -1 where less is better."""
    if paired:
        bounds = up * paired["low"], up * paired["high"]
    elif None not in (
        decider.get("low"),
        decider.get("high"),
        theirs.get("low"),
        theirs.get("high"),
    ):
        bounds = up * (decider["low"] - theirs["high"]), up * (decider["high"] - theirs["low"])
    else:
        bounds = (up * (decider["value"] - theirs["value"]),) * 2
    return min(bounds), max(bounds)
