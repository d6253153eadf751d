"""Amazon Beauty, leave-last-out, all 12,101 products ranked: with the order of one day's purchases
shuffled, and as published.

The published order of one day's purchases is that of the data; the literature's tables have it, so
both are reported.
"""

from bench.__main__ import measure
from bench.fits import beauty, ranked

LANGUAGE = "language"


def run() -> dict:
    drawn = ranked(
        "fusion",
        beauty(),
        "fusion-beauty",
        {},
        "--protocol",
        "leave-last-out",
        "--shuffle-ties",
        "0",
        "--ablate",
        LANGUAGE,
    )
    published = ranked(
        "fusion", beauty(), "fusion-beauty-published", {}, "--protocol", "leave-last-out"
    )
    return _table("drawn", drawn) | _table("published", published)


def _table(order: str, report: dict) -> dict:
    """Every system against the best other than ours, what language is worth, and new products
    against item-kNN.
    """
    systems, measures = report["systems"], {}
    for name in ("ndcg@10", "recall@10"):
        best = max(
            s[name]["value"] for system, s in systems.items() if not system.startswith("vitrine")
        )
        measures |= {
            f"{order}.{system}.{name}": measure(s[name]["value"], name.upper(), best)
            for system, s in systems.items()
        }
    for end in ("low", "high"):
        measures[f"{order}.vitrine.ndcg@10.{end}"] = measure(
            systems["vitrine"]["ndcg@10"][end], "NDCG@10"
        )
    new = {
        system: result["recall@10"]["value"]
        for system, result in report["segments"]["new_products"]["systems"].items()
    }
    measures[f"{order}.new_products.vitrine.recall@10"] = measure(
        new["vitrine"], "RECALL@10", new["item_knn"]
    )
    if without := report.get("ablation", {}).get(LANGUAGE):
        measures[f"{order}.language_share"] = measure(
            1 - without["ndcg@10"]["value"] / systems["vitrine"]["ndcg@10"]["value"], "share", 1.0
        )
    seconds = measure(report["seconds"]["total"], "s")
    memory = measure(report["peak_memory_mb"], "MB")
    return measures | {f"{order}.seconds": seconds, f"{order}.peak_memory_mb": memory}
