"""bm25s and PostgreSQL (full text with pg_trgm) on the same queries and products, in the same run.

bm25s lives in the peers' environment; PostgreSQL is the embedded one, with a database of its own.
Quality is that of the whole catalog; queries a second are of one process, each query asked for
once. `repeated`: in the next rounds, whose words the engine has met.
"""

import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import psycopg2

from bench import search_quality
from bench.__main__ import ROOT, measure
from bench.fits import KEPT, crowdflower
from bench.peers import environment
from bench.search_serving import run_python
from training.data.snapshot import read_snapshot
from training.metrics.ranking import bootstrap_interval
from training.metrics.search import measures_of
from training.recipes.search_ranking import lexical_index
from training.search.engine import retrieve
from training.search.query_plan import plan_query

REQUIREMENTS = Path(__file__).parent / "requirements-search-peers.txt"
ROUNDS = 3
BM25S = """
import json, sys, time
import bm25s, polars as pl, Stemmer
products, judgements, out = sys.argv[1:]
rows = pl.read_parquet(products)
titles, texts = rows["title"].fill_null(""), rows["description"].fill_null("")
documents = [f"{title} {title} {title} {text}" for title, text in zip(titles, texts)]
stemmer = Stemmer.Stemmer("english")
tokens = bm25s.tokenize(documents, stopwords="en", stemmer=stemmer, show_progress=False)
index = bm25s.BM25()
index.index(tokens, show_progress=False)
queries = pl.read_parquet(judgements)["query"].unique().sort().to_list()
lists, begun = {}, time.perf_counter()
for query in queries:
    asked = bm25s.tokenize([query], stopwords="en", stemmer=stemmer, show_progress=False)
    found, scores = index.retrieve(asked, k=200, show_progress=False)
    lists[query] = [int(i) for i, s in zip(found[0], scores[0]) if s > 0]
print(json.dumps({"seconds": time.perf_counter() - begun, "lists": lists}))
"""
PARAMETERS = """
import json
import django
django.setup()
from django.db import connection
known = connection.get_connection_params()
names = ("host", "port", "user", "password", "dbname")
print(json.dumps({name: known[name] for name in names if known.get(name)}))
"""
SETUP = """
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE TABLE products (row int PRIMARY KEY, title text, description text, words tsvector);
"""
FILL = """
    UPDATE products SET words = setweight(to_tsvector('english', title), 'A')
        || setweight(to_tsvector('english', description), 'D');
    CREATE INDEX ON products USING gin (words);
    CREATE INDEX ON products USING gin (title gin_trgm_ops);
    VACUUM ANALYZE products;
"""
ASK = """
    WITH asked AS (SELECT replace(plainto_tsquery('english', %(q)s)::text, '&', '|')::tsquery AS q)
    SELECT row FROM products, asked
    WHERE words @@ q OR title %% %(q)s
    ORDER BY ts_rank(words, q) + similarity(title, %(q)s) DESC, row LIMIT 200"""


def run() -> dict[str, dict]:
    folder = crowdflower()
    snapshot = read_snapshot(folder)
    table = snapshot.tables["judgements"]
    row = {item_id: i for i, item_id in enumerate(snapshot.item_ids)}
    judged: dict[str, dict[int, float]] = {}
    for query, item_id, grade in table.select("query", "item_id", "grade").iter_rows():
        judged.setdefault(query, {})[row[item_id]] = grade
    lists, per_second = {}, {}
    lists["lexical"], per_second["lexical"], repeated = _ours(snapshot, sorted(judged))
    lists["bm25s"], per_second["bm25s"] = _bm25s(snapshot, folder)
    lists["postgres"], per_second["postgres"] = _postgres(snapshot, sorted(judged))
    quality = {
        name: np.array([measures_of(of[q], judged[q], 3.0)["ndcg@10"] for q in sorted(judged)])
        for name, of in lists.items()
    }
    ranked = search_quality.by_query("ranked", "full_ndcg@10")
    quality["ranked"] = np.array([ranked[q] for q in sorted(judged)])
    measures = {}
    for name in ("bm25s", "postgres"):
        mean, low, high = bootstrap_interval(quality[name])
        for system in ("lexical", "ranked"):
            gain = bootstrap_interval(quality[system] - quality[name])
            for suffix, value in zip(("", ".low", ".high"), gain, strict=True):
                measures[f"{system}_minus_{name}{suffix}"] = measure(value, "full_ndcg@10")
        measures |= {
            f"{name}.full_ndcg@10": measure(mean, "full_ndcg@10"),
            f"{name}.full_ndcg@10.low": measure(low, "full_ndcg@10"),
            f"{name}.full_ndcg@10.high": measure(high, "full_ndcg@10"),
            f"{name}.per_s": measure(per_second[name], "queries/s"),
        }
    best = max(per_second["bm25s"], per_second["postgres"])
    return measures | {
        "lexical.per_s": measure(per_second["lexical"], "queries/s", best),
        "lexical.repeated_per_s": measure(repeated, "queries/s", best),
    }


def _ours(snapshot, queries: list[str]) -> tuple[dict[str, list[int]], float, float]:
    """(lists, queries a second, those of the next rounds)."""
    with lexical_index(snapshot) as index:
        for query in queries[:20]:
            retrieve(index, plan_query(index, query))
        rates = []
        for rounds in (1, ROUNDS):
            begun = time.perf_counter()
            for _ in range(rounds):
                lists = {q: retrieve(index, plan_query(index, q)).keys.tolist() for q in queries}
            rates.append(rounds * len(queries) / (time.perf_counter() - begun))
        return lists, *rates


def _bm25s(snapshot, folder: Path) -> tuple[dict[str, list[int]], float]:
    products = KEPT / "search-products.parquet"
    snapshot.products.select("title", "description").write_parquet(products)
    python = environment(REQUIREMENTS, "search-peers")
    command = [python, "-c", BM25S, products, folder / "judgements.parquet", "-"]
    done = subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True)
    reply = json.loads(done.stdout.splitlines()[-1])
    return reply["lists"], len(reply["lists"]) / reply["seconds"]


def _postgres(snapshot, queries: list[str]) -> tuple[dict[str, list[int]], float]:
    home = Path(os.environ.get("VITRINE_HOME", ROOT / "var")).resolve() / "search-peers"
    shutil.rmtree(home, ignore_errors=True)
    settings = {"VITRINE_HOME": str(home), "DJANGO_SETTINGS_MODULE": "ecomsite.settings"}
    own = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")} | settings
    run_python(own, "manage.py", "services", "start")
    try:
        connection = psycopg2.connect(**json.loads(run_python(own, "-c", PARAMETERS)))
        connection.autocommit = True
        return _asked(connection, snapshot, queries)
    finally:
        run_python(own, "manage.py", "services", "stop")
        shutil.rmtree(home, ignore_errors=True)


def _asked(connection, snapshot, queries: list[str]) -> tuple[dict[str, list[int]], float]:
    with connection.cursor() as cursor:
        cursor.execute(SETUP)
        rows = zip(
            range(snapshot.n_items),
            snapshot.products["title"].fill_null("").to_list(),
            snapshot.products["description"].fill_null("").to_list(),
            strict=True,
        )
        cursor.executemany("INSERT INTO products VALUES (%s, %s, %s)", list(rows))
        for statement in FILL.strip().split(";"):
            if statement.strip():
                cursor.execute(statement)
        lists, times = {}, []
        for query in queries:
            begun = time.perf_counter()
            cursor.execute(ASK, {"q": query})
            lists[query] = [found for (found,) in cursor.fetchall()]
            times.append(time.perf_counter() - begun)
    return lists, 1 / statistics.mean(times)
