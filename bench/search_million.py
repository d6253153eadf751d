"""Search over REST at a million products: CrowdFlower's, copied with other words in their titles
and perturbed vectors. `SEARCH_PRODUCTS` sets another size.

The checkpoint is that of 9,912 products with its arrays enlarged; the index is built by the server
that answers. The memory that search adds to a process is the private memory that it has written,
after many searches less before the first one, when it has loaded the shop's products and, by
searching a small shop, the libraries. Pages of mapped files do not count: processes share them.
"""

import json
import os
import random
import shutil
import statistics
import time
from pathlib import Path

import numpy as np
import polars as pl

from bench.__main__ import measure
from bench.fits import KEPT, crowdflower
from bench.large import perturbed
from bench.load import Client, request
from bench.search_serving import (
    FILL,
    p95,
    plain_checkpoint,
    queries_of,
    run_python,
    server,
    shop_of,
)
from training.candidates.ivf_index import build_ivf_index
from training.inference.checkpoint import read_items, read_run, write_arrays_of_ivf, write_items

PRODUCTS = int(os.environ.get("SEARCH_PRODUCTS", 1_000_000))
SEARCHES = 300
COPY = """
import sys
import django
django.setup()
from django.db import connection
from recommender.models import Shop
shop = Shop.objects.get(key="large")
with connection.cursor() as cursor:
    cursor.execute("SET session_replication_role = replica")
    with open(sys.argv[1], "rb") as file:
        cursor.cursor.copy_expert('''COPY recommender_product (shop_id, item_id, title, description,
            brand, categories, price, attributes, locale, images, stock_state, hidden,
            item_group_id) FROM STDIN WITH CSV''', file)
    cursor.execute("SET session_replication_role = origin")
    cursor.execute("VACUUM ANALYZE recommender_product")
"""
MEMORY = """
import json, sys, gc, pathlib, time
import django
django.setup()
from recommender.inference.search_index import IndexNotReady
from recommender.models import Shop
from recommender.search.requests import SearchRequest
from recommender.search.search import search
from recommender.serving.shop_state import state_of

def private_mb():
    gc.collect()
    lines = pathlib.Path("/proc/self/smaps_rollup").read_text().splitlines()
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return kb["Private_Dirty"] / 1024

while True:
    try:
        search(Shop.objects.get(key="small"), SearchRequest("red mug"))
        break
    except IndexNotReady:
        time.sleep(0.5)
shop = Shop.objects.get(key="large")
state = state_of(shop)
state.product_index.products(), state.bestseller_places(), state.model()
before = private_mb()
for query in json.loads(sys.argv[1]):
    search(shop, SearchRequest(query))
print(json.dumps([before, private_mb()]))
"""


def run() -> dict[str, dict]:
    snapshot = crowdflower()
    base = plain_checkpoint(snapshot)
    folder = KEPT / "search-million"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        ids = _rows(snapshot, folder / "products.csv")
        _enlarged(base, folder / "checkpoint", ids)
        return _measured(snapshot, base, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measured(snapshot: Path, base: Path, folder: Path) -> dict[str, dict]:
    with shop_of(snapshot, folder / "checkpoint") as (environment, key):
        run_python(environment, "-c", COPY, str(folder / "products.csv"))
        begun = time.perf_counter()
        with server(environment, 1, 3_000) as client:
            built = time.perf_counter() - begun
            measures = _latencies(client, key, snapshot)
            queries = json.dumps(queries_of(snapshot, SEARCHES))
            _small_shop(environment, folder, base)
            out = run_python(environment, "-c", MEMORY, queries)
        before, after = json.loads(out.split("\n")[-2])
    return measures | {
        "search_1m_ready_s": measure(built, "s"),
        "search_memory_mb_1m": measure(after - before, "MB"),
        "search_memory_shop_mb_1m": measure(before, "MB"),
    }


def _small_shop(environment: dict[str, str], folder: Path, base: Path) -> None:
    """A second shop, of one product, whose search loads the libraries."""
    rows = {"item_id": ["1"], "title": ["red mug"], "description": [""]}
    pl.DataFrame(rows).write_parquet(folder / "products.parquet")
    run_python(environment, "-c", FILL, str(folder), str(base), "small")


def _latencies(client: Client, key: str, snapshot: Path) -> dict[str, dict]:
    def timed(path: str, **body) -> float:
        message = request("POST", f"/api/v1/{path}", key, json.dumps(body).encode())
        begun = time.perf_counter()
        status, reply = client.ask(message)
        if status != 200:
            raise RuntimeError(f"{status}: {reply[:300]}")
        return 1000 * (time.perf_counter() - begun)

    queries = queries_of(snapshot, SEARCHES + 20)
    for query in queries[:20]:
        timed("search", query=query)
    taken = [timed("search", query=query) for query in queries[20:]]
    narrow = [timed("search", query=q, filter="price < 1") for q in queries[:60]]
    browsed = [timed("browse", filter="price > 5", page=i % 5 + 1) for i in range(40)]
    return {
        "search_1m_p50_ms": measure(statistics.median(taken), "ms"),
        "search_1m_p95_ms": measure(p95(taken), "ms"),
        "search_1m_filtered_p50_ms": measure(statistics.median(narrow), "ms"),
        "browse_1m_p50_ms": measure(statistics.median(browsed), "ms"),
    }


def _rows(snapshot: Path, path: Path) -> list[str]:
    """Write the copies as the table has them, without the originals; the ids of all, by copy."""
    products = pl.read_parquet(snapshot / "products.parquet")
    titles = [title.split() for title in products["title"].to_list()]
    descriptions = products["description"].fill_null("").to_list()
    item_ids = products["item_id"].to_list()
    draw, ids, rows = random.Random(0), list(item_ids), []
    for copy in range(1, -(-PRODUCTS // len(item_ids))):
        for item_id, words, description in zip(item_ids, titles, descriptions, strict=True):
            if len(ids) == PRODUCTS:
                break
            changed = list(words) or ["x"]
            for _ in range(1 + len(words) // 5):
                changed[draw.randrange(len(changed))] = draw.choice(draw.choice(titles) or ["x"])
            ids.append(f"{item_id}-{copy}")
            rows.append((ids[-1], " ".join(changed), description, draw.randrange(1, 10_000) / 100))
    names = ["item_id", "title", "description", "price"]
    pl.DataFrame(rows, schema=names, orient="row").select(
        pl.lit(1).alias("shop"),
        "item_id",
        "title",
        "description",
        pl.lit("").alias("brand"),
        pl.lit("{}").alias("categories"),
        "price",
        pl.lit("{}").alias("attributes"),
        pl.lit("").alias("locale"),
        pl.lit("{}").alias("images"),
        pl.lit("").alias("stock"),
        pl.lit("false").alias("hidden"),
        pl.lit("").alias("group"),
    ).write_csv(path, include_header=False, quote_style="necessary")
    return ids


def _enlarged(base: Path, folder: Path, ids: list[str]) -> None:
    """The checkpoint with so many products: copies of its vectors, perturbed."""
    shutil.copytree(base, folder)
    rng, copies = np.random.default_rng(0), -(-len(ids) // len(read_items(base)))
    for name in ("vectors", "title_vectors"):
        vectors = perturbed(np.load(base / f"{name}.npy"), copies, len(ids), rng)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        if name == "vectors":
            write_arrays_of_ivf(folder, build_ivf_index(vectors))
        np.save(folder / f"{name}.npy", vectors.astype(np.float16))
        del vectors
    (folder / "text_digests.npy").unlink()
    write_items(folder, ids)
    about = read_run(folder)
    about["files"] = {}
    (folder / "run.json").write_text(json.dumps(about))


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
