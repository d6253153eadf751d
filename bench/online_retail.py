"""The sample, judged by the time protocol: trained on what came before 2011-11-09, asked for
the 31 days from it.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

from bench.__main__ import ROOT, measure
from training.data.snapshot import write_snapshot

SAMPLE = ROOT / "recommender" / "sample" / "online_retail"
TEXT = {"invoice": pl.String, "stock_code": pl.String, "customer_id": pl.String}


def snapshot(folder: Path) -> Path:
    """Purchases of known shoppers at a price, as the literature cleans this shop."""
    items = pl.read_csv(SAMPLE / "items.csv.gz", schema_overrides=TEXT).filter(
        pl.col("is_product") == 1
    )
    lines = pl.read_csv(SAMPLE / "transactions.csv.gz", schema_overrides=TEXT, try_parse_dates=True)
    known = (
        pl.col("customer_id").is_not_null() & (pl.col("quantity") > 0) & (pl.col("unit_price") > 0)
    )
    lines = lines.filter(known & pl.col("stock_code").is_in(items["stock_code"].implode())).sort(
        "timestamp", maintain_order=True
    )
    price = lines.group_by("stock_code", maintain_order=True).agg(
        price=pl.col("unit_price").first().cast(pl.Float64)
    )
    products = items.join(price, on="stock_code", how="left").select(
        item_id="stock_code", title="title", price="price", hidden=pl.lit(False)
    )
    moment = pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    events = lines.select(
        user_id="customer_id",
        item_id="stock_code",
        type=pl.lit("purchase"),
        occurred_at=moment,
        session_id="invoice",
    )
    write_snapshot(folder, "online_retail", {"products": products, "events": events}, "GBP")
    return folder


def run() -> dict:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "report.json"
        command = [
            sys.executable,
            "-m",
            "training",
            "benchmark",
            snapshot(Path(scratch) / "snapshot"),
            "--protocol",
            "time",
            "--cut",
            "2011-11-09",
        ]
        subprocess.run(
            [str(c) for c in [*command, "--days", "31", "--out", out]],
            check=True,
            cwd=ROOT,
            env=os.environ,
            stdout=subprocess.DEVNULL,
        )
        report = json.loads(out.read_text())
    measures = {
        "seconds": measure(report["seconds"]["total"], "s"),
        "peak_memory_mb": measure(report["peak_memory_mb"], "MB"),
    }
    for part in ("all", "discovery"):
        systems = {
            name: system["ndcg@10"]["value"] for name, system in report[part]["systems"].items()
        }
        for name, value in systems.items():
            measures[f"{part}.{name}.ndcg@10"] = measure(
                value, "NDCG@10", systems["popularity_30d"]
            )
        measures[f"{part}.text_after_vs_before"] = measure(
            systems["text_after"] / systems["text_before"], "ratio", 1.0
        )
    return measures
