"""Leaderboard of a report: values, intervals on a common axis, differences in words."""

from dataclasses import dataclass

from recommender.model_lifecycle.report_labels import (
    BETTER,
    BEYOND,
    MEASURES,
    WORSE,
    compare,
    compare_with_strongest,
    primary,
)

NAMES = {
    "champion": ("The champion then", "champion"),
    "ease": ("EASE", "popularity"),
    "buy_again": ("Bought again", "popularity"),
    "item_knn": ("Item-kNN", "knn"),
    "sequential_knn": ("Sequential kNN", "popularity"),
    "sequence": ("Sequence only", "popularity"),
    "text_after": ("Text only, after fine-tuning", "textonly"),
    "text_before": ("Text only, before", "textonly"),
    "popularity_30d": ("Popularity, 30 days", "popularity"),
    "popularity": ("Popularity", "popularity"),
    "majority": ("Most frequent class", "popularity"),
    "mean": ("Mean", "popularity"),
    "words": ("Words alone", "knn"),
    "unigram": ("Frequency of words", "popularity"),
    "base_rate": ("Mean rate", "popularity"),
    "history": ("Buying habits alone", "knn"),
    "fused": ("Text and habits together", "popularity"),
    "teacher": ("The teacher", "champion"),
    "incremental": ("Incremental", "challenger"),
    "full": ("Full training", "popularity"),
}
PARTS = {
    "all": "All purchases",
    "discovery": "First purchases of a product",
    "new": "New data",
    "old": "Old data",
}


@dataclass(frozen=True)
class Row:
    """One system: main metric, other metrics, and its interval on an axis of 0 to 100."""

    name: str
    role: str
    value: float
    low: float
    high: float
    others: list[str]
    left: float
    width: float
    at: float


@dataclass(frozen=True)
class Board:
    """Leaderboard of one section of a report: the evaluated systems, best first. `others`: names of
    the columns after the main metric.
    """

    measure: str
    others: list[str]
    rows: list[Row]


def parts(report: dict) -> list[tuple[str, str]]:
    """Sections of a report as (key, label); empty where there is only one."""
    return [
        (key, words)
        for key, words in PARTS.items()
        if isinstance(report.get(key), dict) and "systems" in report[key]
    ]


def systems_of(report: dict, part: str = "") -> dict:
    """Evaluated systems of one section of a report: name -> metrics. Without the section `part`,
    that of the primary metric; the top level of a report without sections.
    """
    part_name = part if part in dict(parts(report)) else primary(report).get("part", "")
    return report.get(part_name, {}).get("systems", {}) if part_name else report.get("systems", {})


def board(report: dict, part: str = "", serves: bool = False) -> Board:
    """Build the leaderboard of a report. A serving version gets the champion's color."""
    deciding = primary(report)
    measure = deciding["measure"]
    systems = {
        name: s
        for name, s in systems_of(report, part).items()
        if (s.get(measure) or {}).get("value") is not None
    }
    others = list(
        dict.fromkeys(
            name for s in systems.values() for name in s if name != measure and name not in BEYOND
        )
    )
    axis = _axis([_bounds(s[measure]) for s in systems.values()], measure)
    rows = [_row(name, s, deciding, others, axis, serves) for name, s in systems.items()]
    rows.sort(key=lambda row: -row.value if deciding["higher_is_better"] else row.value)
    return Board(
        MEASURES.get(measure, measure), [MEASURES.get(name, name) for name in others], rows
    )


def _bounds(measure: dict) -> tuple[float, float, float]:
    """Value, lower and upper bound; without an interval all three are the value."""
    value = measure["value"]
    return (
        value,
        value if measure.get("low") is None else measure["low"],
        value if measure.get("high") is None else measure["high"],
    )


def _axis(bounds: list[tuple[float, float, float]], measure: str) -> tuple[float, float]:
    """Start and length of the axis: from 0 for a ranking, else around the values."""
    low, high = min((b[1] for b in bounds), default=0), max((b[2] for b in bounds), default=1) or 1
    if measure == "ndcg@10":
        return 0.0, high * 1.05
    return low - 0.05 * (high - low), (1.1 * (high - low)) or 1.0


def _row(
    name: str,
    measures: dict,
    deciding: dict,
    others: list[str],
    axis: tuple[float, float],
    serves: bool,
) -> Row:
    is_deciding = name == deciding["system"]
    label, role = (
        ("This version", "champion" if serves else "challenger")
        if is_deciding
        else NAMES.get(name, (name, "popularity"))
    )
    value, low, high = _bounds(measures[deciding["measure"]])
    left, right, at = (100 * (x - axis[0]) / axis[1] for x in (low, high, value))
    return Row(
        label,
        role,
        value,
        low,
        high,
        [_formatted(other, (measures.get(other) or {}).get("value")) for other in others],
        round(left, 2),
        round(max(right - left, 0.5), 2),
        round(at, 2),
    )


def _formatted(measure: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if measure == "coverage@10" else f"{value:.3f}"


def verdict(report: dict, part: str = "", serves: bool = False) -> str:
    """The result in one sentence, from the gate; for a serving version against the previous
    champion.
    """
    comparison = compare(report, part)
    return (
        comparison.sentence("the champion before it" if serves else "the champion")
        if comparison
        else "This version has no report."
    )


def strongest(report: dict, part: str = "") -> str:
    """The strongest classical baseline in a sentence; empty where the verdict names it, or there is
    none.
    """
    comparison, decides = compare_with_strongest(report, part), compare(report, part)
    if comparison is None or comparison.rival == decides.rival:
        return ""
    words = {BETTER: "this version is better", WORSE: "this version is worse"}.get(
        comparison.outcome, "the difference is not clear"
    )
    return f"The strongest baseline is {comparison.rival_words}, {comparison.theirs:.3f}: {words}."


SEGMENTS = {
    "new_shoppers": "New shoppers (up to 2 products)",
    "known_shoppers": "Known shoppers",
    "new_products": "New products (up to 5 sales)",
    "head": "Head: the best-selling fifth",
    "tail": "Tail: the other products",
}


def segment_rows(report: dict, part: str = "all") -> list[dict]:
    """NDCG@10 of this version, item-kNN and popularity by segment."""
    out = []
    for key, segment in report.get(part, {}).get("segments", {}).items():
        systems = segment["systems"]
        values = {
            name: ((systems.get(name) or {}).get("ndcg@10") or {}).get("value")
            for name in ("vitrine", "item_knn", "popularity")
        }
        out.append(
            {
                "name": SEGMENTS.get(key, key[:1].upper() + key[1:]),
                "shoppers": segment["shoppers"],
                **values,
            }
        )
    return out


def beyond_rows(report: dict, part: str = "") -> list[dict]:
    """Metrics beyond accuracy of this version's, item-kNN's and popularity's lists."""
    systems = systems_of(report, part)
    out = []
    for measure, (name, meaning) in BEYOND.items():
        values = {
            system: (systems.get(system, {}).get(measure) or {}).get("value")
            for system in ("vitrine", "item_knn", "popularity")
        }
        if values["vitrine"] is not None:
            out.append({"name": name, "meaning": meaning, **values})
    return out


def _percent(share: float | None, digits: int = 1) -> float | None:
    return None if share is None else round(100 * share, digits or None)


BANDS = {
    "head": "The best-selling fifth",
    "tail": "The other products",
    "unsold": "Products without a sale",
}


def fairness_tables(report: dict) -> dict | None:
    """Tables of a fairness report: groups of shoppers (worst first), popularity bands, cost of each
    minimum exposure, effect of the boost.
    """
    fairness = report.get("fairness")
    if not fairness:
        return None
    groups = []
    for key, group in sorted(fairness["groups"].items(), key=lambda pair: pair[1]["of_all"]):
        name = SEGMENTS.get(key, key[:1].upper() + key[1:])
        groups.append(
            {
                "name": name,
                "shoppers": group["shoppers"],
                "value": group["ndcg@10"]["value"],
                "of_all": _percent(group["of_all"], 0),
            }
        )
    bands = [
        {"name": BANDS[key]} | {k: _percent(v) for k, v in band.items()}
        for key, band in fairness["bands"].items()
        if band["products"]
    ]
    exposure = [
        {
            "least": _percent(e["least"], 0),
            "shown": _percent(e["shown"]),
            "value": (e["ndcg@10"] or {}).get("value"),
            "cost": _percent(e["cost"]),
        }
        for e in fairness["exposure"]
    ]
    boost = report.get("new_products") or {}
    raised = boost | {"cost": _percent(boost["cost"])} if boost.get("value") else None
    return {"groups": groups, "bands": bands, "exposure": exposure, "raised": raised}


DISTURBED = {
    "as_written": "As written",
    "typos": "With typing mistakes",
    "dropped_words": "Words left out",
    "case": "In capitals",
}


def robustness_rows(report: dict) -> list[dict]:
    """Main metric on test texts with typing mistakes, missing words or capitals."""
    measure = primary(report)["measure"]
    metrics = report.get("robustness") or {}
    return [
        {"name": words, "value": metrics[kind][measure]}
        for kind, words in DISTURBED.items()
        if metrics.get(kind, {}).get(measure) is not None
    ]
