"""Speed of search over REST at CrowdFlower's 9,912 products, with a search champion in service.

A database of its own below VITRINE_HOME/search; a server of its own answers. Latencies are of one
client; each query is asked for once, so that no query vector is cached. Throughput is that of two
processes under eight clients, with queries as frequent as in real traffic (Zipf).

The cross-encoder has the size that the recipe gives it and random weights in its head, which take
the same time as trained ones. It has its default time budget, and is off in all other measures.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from bench.__main__ import ROOT, measure
from bench.fits import KEPT, crowdflower, fit, sources
from bench.load import Client, request, run_load

PORT = 8941
QUERIES, REPEATS, LOAD_SECONDS = 600, 200, 20
FILL = """
import json, pathlib, shutil, sys
import django
django.setup()
from django.conf import settings
from recommender.ingest import Parser, upsert_products
from recommender.model_lifecycle.promotion import promote_version
from recommender.models import ApiKey, ModelVersion, Placement, Shop, TrainingRun
import polars as pl
folder, checkpoint = map(pathlib.Path, sys.argv[1:3])
shop = Shop.objects.create(key=sys.argv[3], name=sys.argv[3])
Placement.objects.create_usual(shop)
names = ["title", "description"]
rows = pl.read_parquet(folder / "products.parquet", columns=["item_id", *names])
upsert_products(shop, enumerate(rows.to_dicts()), names, Parser(shop.zone))
run = TrainingRun.objects.create(shop=shop, recipe="search", status="finished")
kept = f"shop-{shop.pk}/run-{run.pk}/checkpoint"
shutil.copytree(checkpoint, settings.VITRINE_CHECKPOINTS / kept)
about = json.loads((checkpoint / "report.json").read_text())
promote_version(ModelVersion.objects.register(run, kept, about, "search"))
print(ApiKey.objects.issue(shop, "bench", ["admin"], per_minute=0)[1])
"""
CROSS_ENCODER = """
import pathlib, sys
import numpy as np
from training.configuration.text_recipes import SearchConfig
from training.encoders.bert import TextEncoder
from training.recipes.search_cross_encoder import PairModel
from training.search.cross_encoder import CrossHead
folder = pathlib.Path(sys.argv[1])
encoder = TextEncoder.load(str(folder / "encoder"))
encoder.keep_layers(range(SearchConfig().cross_layers))
weight = np.random.default_rng(0).normal(size=encoder.dim).astype(np.float32)
PairModel(encoder, CrossHead(weight, 0.0, 0.1)).save(folder)
"""
BUDGET = """
import sys
import django
django.setup()
from recommender.models import SearchSettings, Shop
shop = Shop.objects.get(key="large")
usual = SearchSettings._meta.get_field("cross_encoder_ms").default
SearchSettings.objects.update_or_create(
    shop=shop, defaults={"cross_encoder_ms": usual if sys.argv[1] == "on" else 0}
)
"""


def run() -> dict[str, dict]:
    snapshot = crowdflower()
    checkpoint = KEPT / "search-cross-encoder"
    shutil.rmtree(checkpoint, ignore_errors=True)
    shutil.copytree(plain_checkpoint(snapshot), checkpoint)
    run_python(dict(os.environ), "-c", CROSS_ENCODER, str(checkpoint))
    with shop_of(snapshot, checkpoint) as (environment, key):
        run_python(environment, "-c", BUDGET, "off")
        with server(environment, 1) as client:
            measures = _latencies(client, key, snapshot)
        with server(environment, 2):
            measures |= _throughput(key, snapshot)
        run_python(environment, "-c", BUDGET, "on")
        with server(environment, 1) as client:
            measures |= _reranked(client, key, snapshot)
    return measures


def plain_checkpoint(snapshot: Path) -> Path:
    """A search checkpoint without a cross-encoder."""
    fit("search", snapshot, "search-serving", {"text.steps": 1, "cross_encoder": "false"})
    return KEPT / sources() / "search-serving" / "out"


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """The environment of servers of their own below VITRINE_HOME/search, with an empty schema."""
    home = Path(os.environ.get("VITRINE_HOME", ROOT / "var")).resolve() / "search"
    shutil.rmtree(home, ignore_errors=True)
    environment = {**os.environ, "VITRINE_HOME": str(home), "LOG_FORMAT": "plain"}
    environment |= {"DJANGO_SETTINGS_MODULE": "ecomsite.settings", "ACCESS_LOG_LEVEL": "WARNING"}
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    run_python(environment, "manage.py", "services", "start")
    try:
        run_python(environment, "manage.py", "migrate", "-v", "0")
        yield environment
    finally:
        run_python(environment, "manage.py", "services", "stop")
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def shop_of(snapshot: Path, checkpoint: Path) -> Iterator[tuple[dict[str, str], str]]:
    """(environment, key) of a shop with the snapshot's products and the search champion."""
    with services() as environment:
        out = run_python(environment, "-c", FILL, str(snapshot), str(checkpoint), "large")
        yield environment, out.split()[-1]


def run_python(environment: dict[str, str], *arguments: str) -> str:
    """What a Python process prints."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


@contextmanager
def server(environment: dict[str, str], workers: int, seconds: float = 180) -> Iterator[Client]:
    """A client of a server that is ready within so many seconds."""
    command = ["manage.py", "serve", "--port", str(PORT), "--workers", str(workers)]
    process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=environment)
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                client = Client(PORT)
                status, _ = client.ask(request("GET", "/api/v1/health/ready", ""))
                if status == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError("the server is not ready")
            time.sleep(0.5)
        yield client
    finally:
        process.terminate()
        process.wait(30)


def queries_of(snapshot: Path, n: int) -> list[str]:
    """Distinct queries: the judged ones, then with one more word of a product's title."""
    judged = pl.read_parquet(snapshot / "judgements.parquet")["query"].unique().sort().to_list()
    titles = pl.read_parquet(snapshot / "products.parquet")["title"].to_list()
    draw, out = random.Random(0), dict.fromkeys(judged)
    while len(out) < n:
        words = draw.choice(titles).split()
        out[f"{draw.choice(judged)} {draw.choice(words)}"] = None
    return list(out)[:n]


def _search(query: str, key: str, **more) -> bytes:
    return request("POST", "/api/v1/search", key, json.dumps({"query": query, **more}).encode())


def _timed(client: Client, message: bytes) -> tuple[float, bytes]:
    """(milliseconds, reply). Raises RuntimeError where it is not 200."""
    begun = time.perf_counter()
    status, body = client.ask(message)
    if status != 200:
        raise RuntimeError(f"{status}: {body[:300]}")
    return 1000 * (time.perf_counter() - begun), body


def _latencies(client: Client, key: str, snapshot: Path) -> dict[str, dict]:
    def timed(message: bytes) -> float:
        return _timed(client, message)[0]

    queries = queries_of(snapshot, QUERIES)
    for query in queries[:20]:
        timed(_search(query, key))
    cold = [timed(_search(query, key)) for query in queries[20:]]
    warm = [timed(_search(query, key)) for query in queries[20:]]
    prefixes = [query[: 1 + i % len(query)] for i, query in enumerate(queries)][:REPEATS]
    suggest = [
        timed(request("GET", f"/api/v1/suggest?q={prefix.replace(' ', '%20')}", key))
        for prefix in prefixes
        if prefix.isascii() and prefix.replace(" ", "").isalnum()
    ]
    faceted = [timed(_search(query, key, facets=["price", "brand"])) for query in queries[:100]]
    return {
        "search_p50_ms": measure(statistics.median(cold), "ms"),
        "search_p95_ms": measure(p95(cold), "ms"),
        "search_repeated_p50_ms": measure(statistics.median(warm), "ms"),
        "search_facets_p50_ms": measure(statistics.median(faceted), "ms"),
        "suggest_p50_ms": measure(statistics.median(suggest), "ms"),
        "suggest_p95_ms": measure(p95(suggest), "ms"),
    } | _visibility(client, key)


def _reranked(client: Client, key: str, snapshot: Path) -> dict[str, dict]:
    taken, skipped = [], 0
    queries = queries_of(snapshot, QUERIES)
    for query in queries[:20]:
        _timed(client, _search(query, key))
    for query in queries[20:]:
        milliseconds, body = _timed(client, _search(query, key))
        taken.append(milliseconds)
        skipped += bool(json.loads(body)["skipped"])
    return {
        "search_cross_encoder_p50_ms": measure(statistics.median(taken), "ms"),
        "search_cross_encoder_p95_ms": measure(p95(taken), "ms"),
        "search_cross_encoder_skipped": measure(skipped / len(taken), "share"),
    }


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[18]


def _visibility(client: Client, key: str) -> dict[str, dict]:
    """Seconds from the reply to a changed title until a search finds it."""
    times = []
    for i in range(40):
        word = f"zq{i}x{random.Random(i).randrange(10**6)}"
        body = json.dumps({"title": f"Lamp {word}"}).encode()
        status, reply = client.ask(request("PUT", f"/api/v1/items/visible-{i}", key, body))
        if status not in (200, 201):
            raise RuntimeError(f"{status}: {reply[:300]}")
        begun = time.perf_counter()
        while True:
            ask = json.dumps({"query": word, "limit": 1}).encode()
            _, found = client.ask(request("POST", "/api/v1/search", key, ask))
            hits = json.loads(found)["hits"]
            if hits and hits[0]["item_id"] == f"visible-{i}":
                break
            time.sleep(0.02)
        times.append(time.perf_counter() - begun)
    return {
        "index_visible_p50_s": measure(statistics.median(times), "s"),
        "index_visible_p95_s": measure(p95(times), "s"),
    }


def _throughput(key: str, snapshot: Path) -> dict[str, dict]:
    queries = queries_of(snapshot, 2_000)
    draw = random.Random(1)
    weights = [1 / (rank + 1) for rank in range(len(queries))]
    order = draw.choices(queries, weights, k=20_000)
    messages = [_search(query, key) for query in order]
    run_load(PORT, lambda n: messages[n % len(messages)], 5, clients=8)
    load = run_load(PORT, lambda n: messages[n % len(messages)], LOAD_SECONDS, clients=8)
    if load.errors:
        raise RuntimeError(f"{load.errors} searches failed")
    return {
        "search_per_s": measure(load.per_second, "queries/s"),
        "search_loaded_p95_ms": measure(load.p(95), "ms"),
    }
