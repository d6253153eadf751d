"""A report as rows that a page can draw: value, interval on one axis, difference in words."""

from dataclasses import dataclass

NAMES = {
    "vitrine": ("This version", "challenger"),
    "champion": ("The champion then", "champion"),
    "ease": ("EASE", "other"),
    "buy_again": ("Bought again", "other"),
    "item_knn": ("Item-kNN", "knn"),
    "sequential_knn": ("Sequential kNN", "other"),
    "text_after": ("Text only, after fine-tuning", "textonly"),
    "text_before": ("Text only, before", "textonly"),
    "popularity_30d": ("Popularity, 30 days", "popularity"),
    "popularity": ("Popularity", "popularity"),
}


@dataclass(frozen=True)
class Row:
    """One system: its measures, and where its interval lies on an axis of 0 to 100."""

    name: str
    role: str
    ndcg: float
    low: float
    high: float
    recall: float
    coverage: float
    left: float
    width: float
    at: float


def rows(report: dict, part: str = "all", serves: bool = False) -> list[Row]:
    """Systems of a part of a report, the best first; a version that serves has the champion's colour."""
    systems = report.get(part, {}).get("systems", {})
    top = max((s["ndcg@10"]["high"] for s in systems.values()), default=1) or 1
    found = [_row(name, s, 100 / (top * 1.05), serves) for name, s in systems.items()]
    return sorted(found, key=lambda row: -row.ndcg)


def _row(name: str, measures: dict, scale: float, serves: bool) -> Row:
    label, role = NAMES.get(name, (name, "other"))
    role = "champion" if serves and name == "vitrine" else role
    ndcg = measures["ndcg@10"]
    left, right = ndcg["low"] * scale, ndcg["high"] * scale
    return Row(
        label, role, ndcg["value"], ndcg["low"], ndcg["high"], measures["recall@10"]["value"], 100 * measures["coverage@10"]["value"],
        round(left, 2), round(max(right - left, 0.5), 2), round(ndcg["value"] * scale, 2),
    )  # fmt: skip


def verdict(report: dict, part: str = "all") -> str:
    """The result in one sentence: against the champion where there was one, else against popularity."""
    systems = report.get(part, {}).get("systems", {})
    if "vitrine" not in systems:
        return "This version has no report."
    mine = systems["vitrine"]["ndcg@10"]
    rival_name = "champion" if "champion" in systems else "popularity_30d"
    rival = systems[rival_name]["ndcg@10"]
    name = "the champion" if rival_name == "champion" else "popularity"
    difference = mine["value"] - rival["value"]
    if mine["low"] <= rival["high"] and rival["low"] <= mine["high"]:
        return f"No clear difference from {name}: NDCG@10 {mine['value']:.3f} against {rival['value']:.3f}."
    word = "better" if difference > 0 else "worse"
    return f"{word.capitalize()} than {name}: NDCG@10 {mine['value']:.3f} against {rival['value']:.3f}."


SEGMENTS = {
    "new_shoppers": "New shoppers (up to 2 products)",
    "known_shoppers": "Known shoppers",
    "new_products": "New products (up to 5 sales)",
    "head": "Head: the best-selling fifth",
    "tail": "Tail: the other products",
}


def segment_rows(report: dict, part: str = "all") -> list[dict]:
    """NDCG@10 of this version, item-kNN and popularity in each segment."""
    out = []
    for key, segment in report.get(part, {}).get("segments", {}).items():
        systems = segment["systems"]
        values = {name: (systems.get(name) or {}).get("value") for name in ("vitrine", "item_knn", "popularity")}
        out.append({"name": SEGMENTS.get(key, key), "shoppers": segment["shoppers"], **values})
    return out
