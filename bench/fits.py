"""Runs of `python -m training` for benchmarks: each in its own process, its report kept below
bench/results/tmp while the sources stay the same.
"""

import functools
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl

from bench.__main__ import RESULTS, ROOT
from training.data.snapshot import write_snapshot

KEPT = RESULTS / "tmp"
NO_EVENTS = pl.DataFrame(
    schema={
        "user_id": pl.String,
        "item_id": pl.String,
        "type": pl.String,
        "occurred_at": pl.Datetime("us", "UTC"),
        "session_id": pl.String,
    }
)
NO_PRODUCTS = pl.DataFrame(schema={"item_id": pl.String, "title": pl.String})


def data_folder(name: str) -> Path:
    """A public data set, which is measured on but not shipped."""
    folder = Path(os.environ.get("VITRINE_BENCH_DATA", "")) / name
    if not os.environ.get("VITRINE_BENCH_DATA") or not folder.is_dir():
        sys.exit(f"bench: set VITRINE_BENCH_DATA to the folder that holds {name}")
    return folder


@functools.cache
def sources() -> str:
    """A digest of the library and its data, so that kept reports are those of this code."""
    digest = hashlib.sha256()
    for path in sorted((ROOT / "training").rglob("*.*")):
        if path.suffix in (".py", ".json", ".gz"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def fit(recipe: str, snapshot: Path, name: str, fields: dict, *more: str) -> dict:
    """The report of a fit."""
    folder = KEPT / sources() / name
    report = folder / "out" / "report.json"
    if not report.exists():
        _call("fit", snapshot, folder / "out", "--recipe", recipe, *more, *_set(fields))
    return json.loads(report.read_text())


def ranked(recipe: str, snapshot: Path, name: str, fields: dict, *protocol: str) -> dict:
    """The report of a protocol."""
    report = KEPT / sources() / name / "report.json"
    if not report.exists():
        _call("benchmark", snapshot, "--recipe", recipe, "--out", report, *protocol, *_set(fields))
    return json.loads(report.read_text())


def _set(fields: dict) -> list[str]:
    return ["--set", *(f"{k}={v}" for k, v in fields.items())] if fields else []


def _call(*arguments) -> None:
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    print(" ".join(command[1:]), file=sys.stderr)
    subprocess.run(command, check=True, cwd=ROOT, stdout=sys.stderr)


def value(report: dict, system: str, measure: str, part: str = "") -> float:
    return (report[part] if part else report)["systems"][system][measure]["value"]


def write_tables(name: str, **tables: pl.DataFrame) -> Path:
    folder = KEPT / "snapshots" / name
    write_snapshot(folder, name, {"products": NO_PRODUCTS, "events": NO_EVENTS, **tables})
    return folder


def dialogues(name: str) -> Path:
    """A set of messages with intents, in the parts that its authors gave."""
    parts = [
        pl.read_csv(data_folder(name) / f"{split}.csv.gz").with_columns(split=pl.lit(split))
        for split in ("train", "test")
    ]
    return write_tables(name, dialogues=pl.concat(parts).select("text", "intent", "split"))


def clothing(most: int = 0) -> Path:
    """Women's Clothing reviews, the first `most` of them (0: all); every fifth one is test."""
    rows = pl.read_csv(
        data_folder("womens_clothing_reviews") / "reviews.csv.gz", infer_schema_length=None
    )
    rows = rows.filter(pl.col("review_text").is_not_null()).with_row_index("n")
    rows = rows.head(most) if most else rows
    label = (
        pl.when(pl.col("recommended") == 1)
        .then(pl.lit("recommended"))
        .otherwise(pl.lit("not recommended"))
    )
    part = pl.when(pl.col("n") % 5 == 0).then(pl.lit("test")).otherwise(pl.lit("train"))
    columns = {
        "review_id": pl.col("n").cast(pl.String),
        "rating": pl.col("rating").cast(pl.Float64),
        "text": "review_text",
        "topic": "department",
    }
    return write_tables(
        f"womens_clothing{most or ''}",
        reviews=rows.select("title", **columns, label=label, split=part),
    )


def chinese(most: int, seed: int) -> Path:
    """Chinese shop reviews, so many of them drawn at random; a fifth is test."""
    rows = pl.read_csv(
        data_folder("chinese_reviews") / "online_shopping_10_cats.csv.gz"
    ).with_row_index("n")
    rows = rows.filter(pl.col("review").is_not_null()).sample(most, seed=seed, shuffle=True)
    label = pl.when(pl.col("sentiment") == 1).then(pl.lit("positive")).otherwise(pl.lit("negative"))
    part = pl.when(pl.col("n") % 5 == 0).then(pl.lit("test")).otherwise(pl.lit("train"))
    return write_tables(
        "chinese_reviews",
        reviews=rows.select(
            review_id=pl.col("n").cast(pl.String),
            text="review",
            label=label,
            topic="category",
            split=part,
        ),
    )


def beauty() -> Path:
    """Amazon Beauty 2014, 5-core: titles, brands, categories; only the days between a shopper's
    events are true.
    """
    folder = data_folder("amazon_beauty_2014")
    items = pl.read_csv(folder / "items.csv.gz", infer_schema_length=None)
    path = (
        pl.when(pl.col("categories").is_null())
        .then(pl.lit([], dtype=pl.List(pl.String)))
        .otherwise(pl.concat_list(pl.col("categories")))
    )
    products = items.select(
        item_id=pl.col("item_id").cast(pl.String),
        title=pl.col("title").fill_null(""),
        brand="brand",
        categories=path,
    )
    rows = pl.read_csv(folder / "interactions.csv.gz").sort("user_id", "position")
    when = pl.datetime(2014, 1, 1, time_zone="UTC", time_unit="us") + pl.duration(
        days=pl.col("days_since_first")
    )
    user, item = pl.col("user_id").cast(pl.String), pl.col("item_id").cast(pl.String)
    events = rows.select(
        user_id=user,
        item_id=item,
        type=pl.lit("purchase"),
        occurred_at=when,
        session_id=pl.lit(None, dtype=pl.String),
    )
    target = KEPT / "snapshots" / "beauty"
    write_snapshot(target, "beauty", {"products": products, "events": events}, clock="relative")
    return target


def complete_journey() -> Path:
    """The Complete Journey, a year of a grocer: no names of products, but kinds, sizes, brands
    and categories; some households tell of themselves.
    """
    folder = data_folder("complete_journey")
    text = {"product_id": pl.String, "household_id": pl.String}
    items = pl.read_csv(folder / "products.csv.gz", schema_overrides=text, infer_schema_length=None)
    lines = pl.read_parquet(folder / "transactions.parquet").with_columns(
        pl.col("product_id", "household_id", "basket_id").cast(pl.String)
    )
    lines = lines.filter(
        pl.col("product_id").is_in(items["product_id"].implode())
    )  # 4,836 are of products that the catalog lacks
    paid = lines.filter((pl.col("quantity") > 0) & (pl.col("sales_value") > 0)).group_by(
        "product_id"
    )
    price = paid.agg(price=(pl.col("sales_value") / pl.col("quantity")).median())
    kind, size = pl.col("product_type").fill_null(""), pl.col("package_size").fill_null("")
    products = items.join(price, on="product_id", how="left").select(
        item_id="product_id",
        title=pl.concat_str(kind, size, separator=" ").str.strip_chars(),
        brand="brand",
        price="price",
        categories=pl.concat_list(pl.col("department", "product_category").fill_null("")),
    )
    moment = pl.col("transaction_timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    events = lines.sort("transaction_timestamp", maintain_order=True).select(
        user_id="household_id",
        item_id="product_id",
        type=pl.lit("purchase"),
        occurred_at=moment,
        session_id="basket_id",
    )
    return write_tables("complete_journey", products=products, events=events)


def before(snapshot: Path, day: str) -> Path:
    """The same shop, with the events of earlier days only."""
    folder = KEPT / "snapshots" / f"{snapshot.name}-before-{day}"
    cut = pl.lit(day).str.to_datetime("%Y-%m-%d", time_zone="UTC", time_unit="us")
    events = pl.read_parquet(snapshot / "events.parquet").filter(pl.col("occurred_at") < cut)
    write_snapshot(
        folder,
        snapshot.name,
        {"products": pl.read_parquet(snapshot / "products.parquet"), "events": events},
    )
    return folder


def crowdflower() -> Path:
    """Judged queries of "Search Results Relevance"; folds are by query."""
    data = data_folder("crowdflower_search")
    queries = pl.read_csv(data / "queries.csv.gz")
    products = pl.read_csv(data / "products.csv.gz", infer_schema_length=None)
    judgements = pl.read_csv(data / "judgements.csv.gz").join(queries, on="query_id")
    return write_tables(
        "crowdflower",
        products=products.select(
            item_id=pl.col("product_id").cast(pl.String),
            title=pl.col("title").fill_null(""),
            description="description",
        ),
        events=NO_EVENTS,
        judgements=judgements.select(
            query="query",
            item_id=pl.col("product_id").cast(pl.String),
            grade=pl.col("median_relevance").cast(pl.Float64) - 1,
            fold=(pl.col("query_id") % 5).cast(pl.Int64),
        ),
    )
