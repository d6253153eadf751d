"""Speed of opinions and answers: over REST, and in a worker against a plain loop.

A shop of its own below VITRINE_HOME/search has the reviews of Women's Clothing and the product
questions of Amazon appliances as solved dialogues, which make more than 20,000 passages. The plain
loop does the same job as a tutorial would: it reads every clause padded to 128 tokens in 32-bit
floats. Beside it stands a loop that reads every text once and as a whole, which tells no clauses.
"""

import json
import statistics
import time
from pathlib import Path

import polars as pl

from bench.__main__ import measure
from bench.fits import KEPT, data_folder, dialogues, fit, sources, write_tables
from bench.load import Client, request
from bench.search_serving import run_python, server, services

QUESTIONS, TEXTS, JUDGED = 300, 300, 3_000
FILL = """
import json, pathlib, shutil, sys
import django
django.setup()
from django.conf import settings
from recommender.ingest import Parser, upsert_labelled
from recommender.model_lifecycle.promotion import promote_version
from recommender.models import ApiKey, ModelVersion, Placement, Shop, TrainingRun
from recommender.support.defaults import settings_of
from recommender.support.passages import update_passages
import polars as pl
folder = pathlib.Path(sys.argv[1])
shop = Shop.objects.create(key="listening", name="listening")
Placement.objects.create_usual(shop)
for recipe, checkpoint in json.loads(sys.argv[2]).items():
    run = TrainingRun.objects.create(shop=shop, recipe=recipe, status="finished")
    kept = f"shop-{shop.pk}/run-{run.pk}/checkpoint"
    shutil.copytree(checkpoint, settings.VITRINE_CHECKPOINTS / kept)
    about = json.loads((pathlib.Path(checkpoint) / "report.json").read_text())
    promote_version(ModelVersion.objects.register(run, kept, about, recipe))
for kind in ("reviews", "dialogues"):
    rows = pl.read_parquet(folder / f"{kind}.parquet").to_dicts()
    upsert_labelled(kind, shop, enumerate(rows), rows[0].keys(), Parser(shop.zone))
settings = settings_of(shop)
settings.per_minute = 10**6
settings.save()
update_passages(shop)
print(shop.passages.exclude(text="").count())
print(ApiKey.objects.issue(shop, "bench", ["admin"], per_minute=0)[1])
"""
INDEXED = """
import sys, time
import django
django.setup()
from recommender.inference.search_index import IndexNotReady
from recommender.models import Shop
from recommender.serving.shop_state import state_of
from recommender.support.passage_index import PART
shop, ends = Shop.objects.get(key="listening"), time.monotonic() + 300
while True:
    part = state_of(shop).parts[PART]
    try:
        if len(part.read()) and part.vectors().vectors is not None:
            break
    except IndexNotReady:
        pass
    if time.monotonic() > ends:
        sys.exit("the passages are not indexed after 5 minutes")
    time.sleep(0.5)
"""
"""Waits for the index of passages, so that latencies are those of a shop in operation."""
WORKER = """
import json, pathlib, sys, time
import django
django.setup()
import torch
from recommender.models import Shop
from recommender.reviews import judging
from training.encoders.bert import TextEncoder
from recommender.inference.checkpoint_files import checkpoint_path
from training.opinions.clauses import clauses
from safetensors.numpy import load_file
shop, n = Shop.objects.get(key="listening"), int(sys.argv[1])
shop.reviews.update(judged_at=None)
keep = list(shop.reviews.order_by("pk").values_list("pk", flat=True)[:n])
shop.reviews.exclude(pk__in=keep).update(judged_at="2026-01-01T00:00:00Z")
texts = [review.whole for review in shop.reviews.filter(pk__in=keep)]
version = judging.judge_version(shop)
judging.judged(shop, version, texts[:8])
begun = time.perf_counter()
while not judging.judge_pending(shop):
    pass
ours = n / (time.perf_counter() - begun)
path = checkpoint_path(version.folder)
encoder = TextEncoder.load(str(path / "encoder"), 128, 0).eval()
head = load_file(path / "head.safetensors")
weight, bias = torch.from_numpy(head["weight"]), torch.from_numpy(head["bias"])

def plain(some):
    begun = time.perf_counter()
    with torch.inference_mode():
        for i in range(0, len(some), 32):
            batch = encoder.tokenizer(
                some[i : i + 32], padding="max_length", truncation=True, max_length=128,
                return_tensors="pt",
            )
            vectors = encoder(batch["input_ids"], batch["attention_mask"].bool())
            (vectors @ weight.T + bias).softmax(1).argmax(1)
    return time.perf_counter() - begun

some = texts[: max(64, n // 20)]
parts = [text[begin:end] for text in some for begin, end in clauses(text)]
speeds = {"ours": ours, "plain": len(some) / plain(parts), "whole": len(some) / plain(some)}
print(json.dumps(speeds))
"""


def run() -> dict[str, dict]:
    fits = {
        "opinion": ("opinion-zero_labels", write_tables("opinions-none")),
        "intent": ("banking-whole", dialogues("banking77")),
        "answers": ("product-questions", product_questions()),
    }
    checkpoints = {}
    for recipe, (name, data) in fits.items():
        fit(recipe, data, name, {})
        checkpoints[recipe] = KEPT / sources() / name / "out"
    folder = _rows()
    with services() as environment:
        names = json.dumps({name: str(path) for name, path in checkpoints.items()})
        out = run_python(environment, "-c", FILL, str(folder), names).split()
        key = out[-1]
        run_python(environment, "-c", INDEXED)
        with server(environment, 1) as client:
            measures = _latencies(client, key, folder)
        speed = json.loads(run_python(environment, "-c", WORKER, str(JUDGED)).splitlines()[-1])
    return measures | {
        "passages": measure(float(out[-2]), "passages"),
        "texts_per_s": measure(speed["ours"], "texts/s", speed["plain"]),
        "texts_speedup": measure(speed["ours"] / speed["plain"], "ratio", 1.0),
        "texts_whole_speedup": measure(speed["ours"] / speed["whole"], "ratio", 1.0),
    }


def _rows() -> Path:
    """A folder with the reviews and dialogues of the shop."""
    folder = KEPT / "snapshots" / "listening"
    folder.mkdir(parents=True, exist_ok=True)
    reviews = pl.read_csv(
        data_folder("womens_clothing_reviews") / "reviews.csv.gz", infer_schema_length=None
    ).with_row_index("n")
    reviews = reviews.filter(pl.col("review_text").is_not_null()).head(12_000)
    reviews.select(
        review_id=pl.format("r-{}", "n"),
        item_id=pl.format("item-{}", pl.col("n") % 1_000),
        title=pl.col("title").fill_null(""),
        text="review_text",
    ).write_parquet(folder / "reviews.parquet")
    questions(folder)
    return folder


def product_questions() -> Path:
    """A snapshot with the questions on appliances as solved dialogues."""
    folder = KEPT / "snapshots" / "questions"
    folder.mkdir(parents=True, exist_ok=True)
    questions(folder)
    rows = pl.read_parquet(folder / "dialogues.parquet")
    return write_tables("product-questions", dialogues=rows.drop("dialogue_id"))


def questions(folder: Path) -> None:
    """Write the product questions with their answers as solved dialogues."""
    rows = pl.read_csv(
        data_folder("amazon_product_qa") / "qa_appliances.csv.gz", infer_schema_length=None
    ).with_row_index("n")
    rows.filter(pl.col("question").is_not_null() & pl.col("answer").is_not_null()).select(
        dialogue_id=pl.format("d-{}", "n"),
        text="question",
        intent=pl.lit("question"),
        answer="answer",
    ).write_parquet(folder / "dialogues.parquet")


def _latencies(client: Client, key: str, folder: Path) -> dict[str, dict]:
    asked = pl.read_parquet(folder / "dialogues.parquet")["text"].gather_every(29).to_list()
    said = pl.read_parquet(folder / "reviews.parquet")["text"].gather_every(37).to_list()
    taken: dict[str, list[float]] = {"assist": [], "opinions:analyze": []}
    for i in range(QUESTIONS + 20):
        body = {"question": asked[i % len(asked)][:1_500], "session_id": f"s-{i}"}
        taken["assist"].append(_timed(client, key, "assist", body))
    for i in range(TEXTS + 20):
        text = ". ".join(said[i % len(said)].split(". ")[:2])
        taken["opinions:analyze"].append(_timed(client, key, "opinions:analyze", {"texts": [text]}))
    assist, opinion = (values[20:] for values in taken.values())
    return {
        "assist_p50_ms": measure(statistics.median(assist), "ms"),
        "assist_p95_ms": measure(statistics.quantiles(assist, n=20)[18], "ms"),
        "opinion_p50_ms": measure(statistics.median(opinion), "ms"),
        "opinion_p95_ms": measure(statistics.quantiles(opinion, n=20)[18], "ms"),
    }


def _timed(client: Client, key: str, path: str, body: dict) -> float:
    """Milliseconds of one call. Raises RuntimeError where the reply is not 200."""
    message = request("POST", f"/api/v1/{path}", key, json.dumps(body).encode())
    begun = time.perf_counter()
    status, reply = client.ask(message)
    if status != 200:
        raise RuntimeError(f"{status}: {reply[:300]}")
    return 1000 * (time.perf_counter() - begun)
