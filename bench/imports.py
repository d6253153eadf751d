"""Import of files: the sample's 541,909 order lines as a shop's own file, against the columns of
this project; and a Google feed of 1,000,000 products.

Each import runs in a process of its own, into a shop of its own, the two kinds in turn; an own
database lies below VITRINE_HOME/imports. `IMPORT_FEED_ROWS` sets another size of the feed.
`feed_rows_per_s` counts rows that are read, recognized, joined and mapped; `feed_stored_per_s` the
same with the check and the database.
"""

import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.__main__ import ROOT, measure

FEED_ROWS = int(os.environ.get("IMPORT_FEED_ROWS", 1_000_000))
TURNS = 3
SAMPLE = ROOT / "recommender" / "demo" / "online_retail"
MAP = (
    "user_id=customer_id",
    "item_id=stock_code",
    "occurred_at=timestamp",
    "session_id=invoice",
    "price=unit_price",
)
ITEM = (
    "<item><g:id>sku-{n}</g:id><title>Product {n} of the shop</title><description>A solid thing, "
    "number {n}, of oak &amp; steel for kitchen and garden.</description>"
    "<link>https://shop.example/p/{n}</link>"
    "<g:image_link>https://shop.example/i/{n}.jpg</g:image_link><g:price>{price}.99 GBP</g:price>"
    "<g:availability>in stock</g:availability><g:brand>Brand {brand}</g:brand>"
    "<g:product_type>Home &gt; Area {area} &gt; Kind {kind}</g:product_type>"
    "<g:condition>new</g:condition><g:gtin>{gtin}</g:gtin></item>\n"
)
TIMED = """
import resource, sys, time
import django; django.setup()
from django.core.management import call_command
started = time.perf_counter()
call_command(*sys.argv[1:], verbosity=0)
seconds = time.perf_counter() - started
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr)
"""
READ = """
import resource, sys, time
import django; django.setup()
from pathlib import Path
from recommender.ingest.connectors.core import Reading
from recommender.ingest.recognition import recognized, source_of
started = time.perf_counter()
(found,), _ = recognized([source_of(Path(sys.argv[1]))])
reading = Reading("GBP")
rows = sum(1 for _ in found.format.read(reading, found.tables(reading)))
seconds = time.perf_counter() - started
print(rows / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr)
"""


def run() -> dict[str, dict]:
    home = Path(os.environ.get("VITRINE_HOME", ROOT / "var")).resolve() / "imports"
    shutil.rmtree(home, ignore_errors=True)
    environment = {
        **os.environ,
        "VITRINE_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "ecomsite.settings",
    }
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    _manage(environment, "services", "start")
    try:
        _manage(environment, "migrate", "-v", "0")
        return {**_sample(environment, home), **_feed(environment, home)}
    finally:
        _manage(environment, "services", "stop")
        shutil.rmtree(home, ignore_errors=True)


def _sample(environment: dict[str, str], home: Path) -> dict[str, dict]:
    """Order lines by `import` against `import_events`, in turn; medians."""
    lines, items = str(SAMPLE / "transactions.csv.gz"), str(SAMPLE / "items.csv.gz")
    ways = {
        "import_events": ("import_events", lines, "--map", *MAP),
        "import": ("import", lines),
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(TURNS):
        for name, command in ways.items():
            key = f"{name.replace('_', '-')}-{turn}"
            _manage(environment, "create_shop", key, "--currency", "GBP")
            products = ("--map", "item_id=stock_code", "--where", "is_product=1")
            _manage(environment, "import_products", items, "--shop", key, *products)
            rejected = ("--rejected", str(home / "rejected.csv"))
            figures[name].append(_timed(environment, TIMED, *command, "--shop", key, *rejected))
    seconds, memory = (
        {name: statistics.median(figure[i] for figure in figures[name]) for name in ways}
        for i in (0, 1)
    )
    return {
        "sample_import_ratio": measure(
            seconds["import"], "s of import / import_events", seconds["import_events"]
        ),
        "sample_memory_ratio": measure(
            memory["import"], "MB of import / import_events", memory["import_events"]
        ),
    }


def _feed(environment: dict[str, str], home: Path) -> dict[str, dict]:
    """A feed that is read and mapped, and one that is stored."""
    path = home / "feed.xml"
    write_feed(path, FEED_ROWS)
    rate, memory = _timed(environment, READ, str(path))
    _manage(environment, "create_shop", "feed", "--currency", "GBP")
    seconds, stored_memory = _timed(environment, TIMED, "import", str(path), "--shop", "feed")
    path.unlink()
    return {
        "feed_rows_per_s": measure(rate, "rows/s"),
        "feed_memory_mb": measure(max(memory, stored_memory), "MB"),
        "feed_stored_per_s": measure(FEED_ROWS / seconds, "rows/s"),
    }


def write_feed(path: Path, rows: int) -> None:
    """A Google feed of this many products."""
    with path.open("w") as file:
        file.write('<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>\n')
        for n in range(rows):
            file.write(
                ITEM.format(
                    n=n,
                    price=n % 500 + 1,
                    brand=n % 300,
                    area=n % 40,
                    kind=n % 700,
                    gtin=4_000_000_000_000 + n,
                )
            )
        file.write("</channel></rss>\n")


def _timed(environment: dict[str, str], code: str, *arguments: str) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    first, second = done.stderr.split()[-2:]
    return float(first), float(second)


def _manage(environment: dict[str, str], *command: Any) -> None:
    subprocess.run(
        [sys.executable, "manage.py", *map(str, command)],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
