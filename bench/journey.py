"""A grocer of 92,331 products, 2,469 households and 1.5 million purchases: trained on what came
before 2017-12-04, asked for the 28 days from it.
"""

from bench.__main__ import measure
from bench.fits import complete_journey, ranked

SINGLE = (
    "popularity",
    "popularity_30d",
    "buy_again",
    "item_knn",
    "sequential_knn",
    "ease",
    "sequence",
    "text_after",
)
"""Systems that are one source each."""


def run() -> dict:
    report = ranked(
        "fusion",
        complete_journey(),
        "journey",
        {},
        "--protocol",
        "time",
        "--cut",
        "2017-12-04",
        "--days",
        "28",
    )
    measures = {
        "seconds": measure(report["seconds"]["total"], "s"),
        "peak_memory_mb": measure(report["peak_memory_mb"], "MB", 8_000),
    }
    for part in ("all", "discovery"):
        systems = {
            name: system["ndcg@10"]["value"] for name, system in report[part]["systems"].items()
        }
        best = max((name for name in SINGLE if name in systems), key=systems.get)
        measures |= {
            f"{part}.{name}.ndcg@10": measure(value, "NDCG@10", systems[best])
            for name, value in systems.items()
        }
    return measures
