"""What benches that ask a running server share: the demo that they need, a key, how long it
takes until the server answers.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from bench.__main__ import ROOT
from bench.load import Client, request

PREPARE = """
import json
from django.db import connection
from recommender.recommendations import batch_scoring as scoring
from recommender.models import ApiKey, RecommendationList, Shop
from recommender.models.api_keys import SCOPES
shop = Shop.objects.get(key="demo")
version = shop.champion()
rows = list(scoring.due(version).order_by("pk"))
for i in range(0, len(rows), 250):
    scoring.score_shoppers(version, rows[i : i + 250])
with connection.cursor() as cursor:
    cursor.execute("DROP TABLE IF EXISTS bench_unchecked")
    cursor.execute("CREATE TABLE bench_unchecked (LIKE recommender_event INCLUDING ALL)")
    cursor.execute("INSERT INTO bench_unchecked SELECT * FROM recommender_event")
    cursor.execute("SELECT setval(pg_get_serial_sequence('bench_unchecked', 'id'), (SELECT max(id)
        FROM bench_unchecked))")
    cursor.execute("VACUUM ANALYZE")
key = ApiKey.objects.issue(shop, "bench", SCOPES)[1]
ApiKey.objects.filter(name="bench").update(per_minute=10_000_000)
lists = RecommendationList.objects.filter(version=version, shopper__revision__gt=0)
rows = lists.order_by("pk").values_list("shopper__user_id", "item_ids")
users = [user_id for user_id, item_ids in rows if len(item_ids) >= 30][:500]
items = list(shop.products.showable().order_by("item_id").values_list("item_id", flat=True)[:2000])
print(json.dumps({"key": key, "users": users, "items": items, "products": shop.products.count()}))
"""


def prepare(name: str) -> dict:
    """Services up, tables as they are now, every list stored: {"key", "users", "items",
    "products"}. Ends where there is no trained demo.
    """
    os.environ.setdefault("VITRINE_HOME", "var")
    if not (Path(os.environ["VITRINE_HOME"]) / "demo.json").exists():
        sys.exit(
            f"bench {name}: `make demo-check` first; it leaves a trained shop below VITRINE_HOME"
        )
    manage("services", "start")
    manage("migrate", "-v", "0")
    manage("collectstatic", "--no-input", "-v", "0")
    return json.loads(manage("shell", "-v", "0", "-c", PREPARE).splitlines()[-1])


def manage(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if Client(port).ask(request("GET", "/api/v1/health/ready", ""))[0] == 200:
                break
        except OSError:
            pass
        if time.monotonic() > deadline:
            sys.exit("bench: the server does not answer; see its log below VITRINE_HOME")
        time.sleep(0.3)
    time.sleep(8)  # champions load in the background


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def memory_mb(pid: int) -> float:
    """Proportional set size."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return (
        int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1]) / 1024
    )
