"""The presets of `fusion` on the sample: what more time buys."""

from bench.__main__ import measure
from bench.fits import KEPT, ranked
from bench.online_retail import snapshot as sample
from training.configuration.recipe import PRESETS
from training.configuration.recipe import STANDARD as USUAL

TIME = ("--protocol", "time", "--cut", "2011-11-09", "--days", "31")


def run() -> dict:
    shop, measures = sample(KEPT / "snapshots" / "online_retail"), {}
    reports = {
        preset: ranked("fusion", shop, f"preset-{preset}", {}, "--preset", preset, *TIME)
        for preset in PRESETS
    }
    usual = reports[USUAL]
    for preset, report in reports.items():
        measures[f"{preset}.seconds"] = measure(
            report["seconds"]["total"], "s", usual["seconds"]["total"]
        )
        for part in ("all", "discovery"):
            result, reference = (
                r[part]["systems"]["vitrine"]["ndcg@10"]["value"] for r in (report, usual)
            )
            measures[f"{preset}.{part}.ndcg@10"] = measure(result, "NDCG@10", reference)
    return measures
