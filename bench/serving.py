"""How fast the service answers, with the load generator on the same machine: stored and live lists,
events, and how soon an event or a product tells.

A server of its own is started on VITRINE_HOME, which must hold a trained demo (`make demo-check`
leaves one), with the site's own settings and two views to compare with (bench/urls.py). What is
absolute moves with the machine; ratios are within one run.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.__main__ import ROOT, measure
from bench.load import Client, Load, request, run_load
from bench.server import children, manage, memory_mb, prepare, wait_until_ready
from recommender.infrastructure.web_server import server_command

PORT, SECONDS, CLIENTS, ROUNDS = 8077, 4, 8, 5
TOOLS = Path(sys.executable).parent


def run() -> dict:
    demo, result = prepare("serving"), {}
    with _processes() as web:
        result |= _stored(demo)
        result |= _live(demo)
        result |= _events(demo)
        result |= _event_to_list(demo)
        result |= _product_to_list(demo)
        result["web_memory_mb"] = measure(max(memory_mb(pid) for pid in web), "MB")
    return result | _batch() | _large()


def _large() -> dict:
    """Live lists from more products than the demo has (bench/large.py), one thread."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "ecomsite.settings",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    }
    result = {}
    for name, n_items in (("12k", 12_000), ("1m", 1_000_000)):
        command = [sys.executable, "-m", "bench.large", str(n_items)]
        outputs = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        result |= {
            f"live_list_{cut}_ms_{name}": measure(value, "ms")
            for cut, value in json.loads(outputs.splitlines()[-1]).items()
        }
    return result


SCORE = """
import json, time
from recommender.recommendations import batch_scoring as scoring
from recommender.models import RecommendationList, Shop
version = Shop.objects.get(key="demo").champion()
def shards():
    RecommendationList.objects.filter(version=version).delete()
    ids = list(scoring.due(version).order_by("pk").values_list("pk", flat=True))
    return [ids[i : i + scoring.SHARD] for i in range(0, len(ids), scoring.SHARD)]
def score(shards):
    begun = time.time()
    shoppers = sum(scoring.score_shard(version, shard[0], shard[-1]) for shard in shards)
    return {"shoppers": shoppers, "begun": begun, "ended": time.time()}
"""
ALONE = """
score(shards()[:1])
half, whole = score(shards()[::2]), score(shards())
print(json.dumps([half, whole]))
"""
ALONGSIDE = """
whole = shards()
score(whole[WHICH : WHICH + 1])
RecommendationList.objects.filter(version=version).delete()
time.sleep(max(0, START - time.time()))
print(json.dumps(score(whole[WHICH::2])))
"""


def _batch() -> dict:
    """One worker alone with every other shard and with all; then two that take every other one
    each.
    """
    half, whole = (
        t["shoppers"] / (t["ended"] - t["begun"])
        for t in json.loads(manage("shell", "-v", "0", "-c", SCORE + ALONE).splitlines()[-1])
    )
    codes = [SCORE + f"WHICH, START = {which}, {time.time() + 25}" + ALONGSIDE for which in (0, 1)]
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c"]
    workers = [
        subprocess.Popen([*command, code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for code in codes
    ]
    outputs = [json.loads(worker.communicate()[0].splitlines()[-1]) for worker in workers]
    two = sum(t["shoppers"] for t in outputs) / (
        max(t["ended"] for t in outputs) - min(t["begun"] for t in outputs)
    )
    return {
        "batch_shoppers_per_s": measure(whole, "1/s"),
        "batch_half_per_s": measure(half, "1/s", whole),
        "batch_two_workers_speedup": measure(two / whole, "x", 1.0),
    }


@contextmanager
def _processes() -> Iterator[list[int]]:
    """The server, and the worker that reads new products; gives the web processes' ids."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "bench.site"}
    server = server_command("ecomsite.rsgi:application", PORT, workers=2, preload=True)
    worker = [
        str(TOOLS / "celery"),
        "-A",
        "ecomsite",
        "worker",
        "-Q",
        "default",
        "-c",
        "1",
        "-l",
        "WARNING",
    ]
    with Path(os.environ["VITRINE_HOME"], "bench.log").open("wb") as log:
        started = [
            subprocess.Popen(c, cwd=ROOT, env=environment, stdout=log, stderr=log)
            for c in (server, worker)
        ]
        try:
            wait_until_ready(PORT)
            yield children(started[0].pid)
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(30)


def _list(demo: dict, placement: str, user: str, **more) -> bytes:
    body = json.dumps({"placement": placement, "user_id": user, "limit": 12, **more}).encode()
    return request("POST", "/api/v1/recommendations", demo["key"], body)


def _best(*makes) -> list[Load]:
    """The best of some rounds of each, in turn, since other work on the machine only ever slows
    one down.
    """
    rounds = [[run_load(PORT, make, SECONDS, CLIENTS) for make in makes] for _ in range(ROUNDS)]
    return [max(loads, key=lambda load: load.per_second) for loads in zip(*rounds, strict=True)]


def _stored(demo: dict) -> dict:
    messages = [_list(demo, "home_top", user) for user in demo["users"]]
    client = Client(PORT)
    outputs = [json.loads(client.ask(message)[1]) for message in messages]
    messages = [m for m, reply in zip(messages, outputs, strict=True) if reply["stored"]]
    empty = request("GET", "/bench/empty", demo["key"])
    reference, result = _best(lambda n: empty, lambda n: messages[n % len(messages)])
    if result.errors or reference.errors:
        sys.exit(f"bench serving: {result.errors} stored lists failed")
    return {
        "stored_list_vs_empty_view": measure(result.per_second / reference.per_second, "x", 1.0),
        "stored_lists_per_s": measure(result.per_second, "1/s", reference.per_second),
    }


def _live(demo: dict) -> dict:
    client, taken = Client(PORT), {"none": [], "top": []}
    for explain, times in taken.items():
        for i, user in enumerate(demo["users"][:220]):
            message = _list(
                demo,
                "discover",
                user,
                filter="price < 1000",
                explain="off" if explain == "none" else "top",
            )
            begun = time.perf_counter()
            status, _ = client.ask(message)
            if status != 200:
                sys.exit(f"bench serving: a live list said {status}")
            if i >= 20:
                times.append((time.perf_counter() - begun) * 1000)
    cuts = statistics.quantiles(taken["none"], n=100)
    reasons = statistics.quantiles(taken["top"], n=100)
    return {
        "live_list_p50_ms": measure(cuts[49], "ms"),
        "live_list_p95_ms": measure(cuts[94], "ms"),
        "live_list_with_reasons_p50_ms": measure(reasons[49], "ms"),
    }


def _event(demo: dict, n: int, **more) -> dict:
    users, items = demo["users"], demo["items"]
    return {
        "event_id": uuid.uuid4().hex,
        "type": "view",
        "user_id": users[n % len(users)],
        "item_id": items[n * 7 % len(items)],
        "occurred_at": datetime.now(UTC).isoformat(),
        **more,
    }


def _events(demo: dict) -> dict:
    """Batches of 500 for some seconds, taken in turn by the API and by the view that copies
    unchecked.
    """
    speeds = {"/api/v1/events": [], "/bench/unchecked": []}
    client = Client(PORT)
    for turn in range(24):
        for path, result in speeds.items():
            body = json.dumps(
                {"events": [_event(demo, turn * 500 + n) for n in range(500)]}
            ).encode()
            message = request("POST", path, demo["key"], body)
            begun = time.perf_counter()
            status, reply = client.ask(message)
            result.append(500 / (time.perf_counter() - begun))
            if status != 202 or (path.startswith("/api") and json.loads(reply)["accepted"] != 500):
                sys.exit(f"bench serving: events said {status}: {reply[:300]!r}")
    accepted, unchecked = (statistics.median(values[4:]) for values in speeds.values())
    return {
        "events_per_s": measure(accepted, "1/s"),
        "events_vs_unchecked_copy": measure(accepted / unchecked, "x", 1.0),
    }


def _event_to_list(demo: dict) -> dict:
    """From sending an event to holding a list that knows it: a product that is bought is not in
    a list of new ones any more.
    """
    client, taken = Client(PORT), []
    for n, user in enumerate(demo["users"][:100]):
        before = json.loads(client.ask(_list(demo, "discover", user, explain="off"))[1])
        bought = before["items"][0]["item_id"]
        body = json.dumps(
            {"events": [_event(demo, n, type="purchase", user_id=user, item_id=bought)]}
        ).encode()
        begun = time.perf_counter()
        client.ask(request("POST", "/api/v1/events", demo["key"], body))
        while bought in [
            i["item_id"]
            for i in json.loads(client.ask(_list(demo, "discover", user, explain="off"))[1])[
                "items"
            ]
        ]:
            pass
        taken.append((time.perf_counter() - begun) * 1000)
    return {"event_to_list_p95_ms": measure(statistics.quantiles(taken, n=100)[94], "ms")}


def _product_to_list(demo: dict) -> dict:
    """From creating a product to its being related, by its text, to the product that it is
    worded after.
    """
    client, taken = Client(PORT), []
    for n in range(20):
        like = json.loads(
            client.ask(request("GET", f"/api/v1/items/{demo['items'][n * 11]}", demo["key"]))[1]
        )
        item_id = f"bench-{uuid.uuid4().hex[:10]}"
        body = json.dumps({"title": f"{like['title']} new", "price": like["price"]}).encode()
        begun = time.perf_counter()
        client.ask(request("PUT", f"/api/v1/items/{item_id}", demo["key"], body))
        related = request(
            "GET",
            f"/api/v1/items/related?item_id={demo['items'][n * 11]}&limit=100&explain=off",
            demo["key"],
        )
        while item_id not in [i["item_id"] for i in json.loads(client.ask(related)[1])["items"]]:
            if time.perf_counter() - begun > 60:
                sys.exit("bench serving: a new product was not related within a minute")
            time.sleep(0.05)
        taken.append(time.perf_counter() - begun)
        client.ask(request("DELETE", f"/api/v1/items/{item_id}", demo["key"]))
    return {"product_to_list_p95_s": measure(statistics.quantiles(taken, n=100)[94], "s")}
