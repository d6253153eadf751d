"""Collections by cursor: 1,000,000 products, 10,000,000 events, first and last page, under writes.

An own database below VITRINE_HOME/listing is filled by SQL; a server of its own answers. Each
collection is walked from end to end while rows are written, and what was there before has to be
seen once. `LISTING_PRODUCTS` and `LISTING_EVENTS` set other sizes.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.__main__ import ROOT, measure

PRODUCTS = int(os.environ.get("LISTING_PRODUCTS", 1_000_000))
EVENTS = int(os.environ.get("LISTING_EVENTS", 10_000_000))
SHOPPERS, REPEATS, PAGE, PORT = 200_000, 200, 100, 8931
FILL = """
import sys
from django.db import connection
from recommender.models import ApiKey, Placement, Shop
products, shoppers, events = map(int, sys.argv[1:])
shop = Shop.objects.create(key="large", name="Large")
Placement.objects.create_usual(shop)
with connection.cursor() as cursor:
    cursor.execute("SET session_replication_role = replica")
    cursor.execute('''INSERT INTO recommender_product (shop_id, item_id, title, description, brand,
        categories, price, attributes, locale, images, stock_state, hidden, item_group_id)
        SELECT %s, 'item-' || lpad(i::text, 8, '0'), 'Product ' || i, repeat('words ', 20),
            'Brand ' || i %% 500, ARRAY['Home > Shelf ' || i %% 100], (i %% 10000) / 100.0,
            jsonb_build_object('colour', ARRAY['red', 'blue'], 'size', i %% 50), '', '{}', '',
            false, '' FROM generate_series(1, %s) i''', [shop.pk, products])
    cursor.execute('''INSERT INTO recommender_shopper (shop_id, user_id, attributes,
        consent_personalisation, consent_training) SELECT %s, 'user-' || i, '{}', true, true
        FROM generate_series(1, %s) i''', [shop.pk, shoppers])
    cursor.execute("SELECT min(id) FROM recommender_product")
    first_product = cursor.fetchone()[0]
    cursor.execute("SELECT min(id) FROM recommender_shopper")
    first_shopper = cursor.fetchone()[0]
    cursor.execute('''INSERT INTO recommender_event (shop_id, event_id, line, shopper_id,
        session_id, product_id, type, occurred_at, quantity, value)
        SELECT %s, 'event-' || i / 3, i %% 3, %s + (i::bigint / 3 * 7919) %% %s, 's-' || i / 30,
            %s + (i::bigint * 104729) %% %s, 'purchase',
            '2024-01-01Z'::timestamptz + i / 3 * interval '15 seconds', 1, 10
        FROM generate_series(0, %s) i''', [shop.pk, first_shopper, shoppers, first_product,
        products, events - 1])
    cursor.execute("SET session_replication_role = origin")
    cursor.execute("VACUUM ANALYZE")
key = ApiKey.objects.issue(shop, "bench", ["admin"], per_minute=0)[1]
print(key)
"""


def run() -> dict[str, dict]:
    home = Path(os.environ.get("VITRINE_HOME", ROOT / "var")).resolve() / "listing"
    shutil.rmtree(home, ignore_errors=True)
    environment = {**os.environ, "VITRINE_HOME": str(home), "LOG_FORMAT": "plain"}
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    _manage(environment, "services", "start")
    try:
        _manage(environment, "migrate", "-v", "0")
        fill = ["-c", f"import django; django.setup()\n{FILL}"]
        settings = {"DJANGO_SETTINGS_MODULE": "ecomsite.settings"}
        sizes = [str(PRODUCTS), str(SHOPPERS), str(EVENTS)]
        key = _run(environment | settings, *fill, *sizes).split()[-1]
        server = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(PORT), "--workers", "1"],
            cwd=ROOT,
            env=environment | {"ACCESS_LOG_LEVEL": "WARNING"},
        )
        try:
            return _measures(_Api(key))
        finally:
            server.terminate()
            server.wait(30)
    finally:
        _manage(environment, "services", "stop")
        shutil.rmtree(home, ignore_errors=True)


def _manage(environment: dict[str, str], *arguments: str) -> str:
    return _run(environment, "manage.py", *arguments)


def _run(environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


class _Api:
    """Calls of the server with a key; waits until it answers."""

    def __init__(self, key: str) -> None:
        self.key, deadline = key, time.monotonic() + 120
        while True:
            try:
                self.call("GET", "health/ready")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}/api/v1/{path}?{urlencode(query)}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=300) as reply:
            return json.loads(reply.read())


def _measures(api: _Api) -> dict[str, dict]:
    measures = {}
    for path, name, key in (
        ("items", "items", "item_id"),
        ("users", "users", "user_id"),
        ("events", "events", "event_id"),
    ):
        with _Writer(api) as writer:
            seen, repeats, last = _walk(api, path, key)
            first_ms = _p95(api, path, {})
            last_ms = _p95(api, path, {"cursor": last})
        before = {"items": PRODUCTS, "users": SHOPPERS, "events": -(-EVENTS // 3)}[name]
        measures[f"{name}_first_page_p95_ms"] = measure(first_ms, "ms")
        measures[f"{name}_last_page_p95_ms"] = measure(last_ms, "ms", first_ms)
        measures[f"{name}_missed"] = measure(before - seen, "rows of before")
        measures[f"{name}_repeated"] = measure(repeats, "rows")
        measures[f"{name}_written_meanwhile"] = measure(writer.written, "calls")
    shopper = {"user_id": f"user-{SHOPPERS // 2}"}
    measures["events_of_a_shopper_p95_ms"] = measure(_p95(api, "events", shopper), "ms")
    api.call("GET", "items", filter="price < 1", limit=1)  # reads the product index
    filtered = {"filter": "price < 1"}
    measures["items_filtered_p95_ms"] = measure(_p95(api, "items", filtered, 40), "ms")
    return measures


def _walk(api: _Api, path: str, key: str) -> tuple[int, int, str]:
    """(rows of before that were seen, repeated rows, the cursor of the last pages)."""
    seen, repeats, cursor, cursors = set(), 0, None, []
    while True:
        query = {"limit": 1000, "fields": key} | ({"cursor": cursor} if cursor else {})
        page = api.call("GET", path, **query)
        for row in page["items"]:
            if "new" not in row[key]:
                repeats += row[key] in seen
                seen.add(row[key])
        if page["next_cursor"] is None:
            return len(seen), repeats, cursors[-1]
        cursor = page["next_cursor"]
        cursors.append(cursor)


def _p95(api: _Api, path: str, query: dict[str, str], repeats: int = REPEATS) -> float:
    """95th percentile of the time of a page, in milliseconds, by one client over HTTP."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        api.call("GET", path, limit=PAGE, **query)
        times.append(1000 * (time.perf_counter() - started))
    return statistics.quantiles(times, n=20)[18]


class _Writer:
    """Writes products, shoppers and events, some calls a second, until it is left."""

    def __init__(self, api: _Api) -> None:
        self.api, self.written = api, 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._write, daemon=True)

    def _write(self) -> None:
        stamp = time.time_ns()
        while not self.stopped.wait(0.2):
            n = self.written
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            event = {"event_id": f"new-{stamp}-{n}", "type": "view", "occurred_at": now}
            event |= {"user_id": f"new-{stamp}-{n}", "item_id": f"item-{n + 1:08d}"}
            self.api.call("POST", "events", {"events": [event]})
            self.api.call("PATCH", f"items/item-{7 * n + 1:08d}", {"title": f"Changed {n}"})
            self.api.call("PUT", f"items/item-{n:08d}-new", {"title": "New"})
            self.written += 3

    def __enter__(self) -> "_Writer":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join()
