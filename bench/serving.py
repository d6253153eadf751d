"""How fast lists are served, against the running demo: stored, live, and what an empty view of the same server takes."""

import http.client
import json
import os
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.__main__ import measure

CALLS = 200


def run() -> dict:
    path = Path(os.environ.get("VITRINE_HOME", "var")) / "demo.json"
    if not path.exists():
        sys.exit("bench serving: start `make demo` first and wait until a model serves")
    demo = json.loads(path.read_text())
    client = _Client(demo)
    empty = client.times("GET", "/api/v1/health/live", lambda i: None)
    stored = client.times("POST", "/api/v1/recommendations", lambda i: client.ask("home_top", i))
    live = client.times("POST", "/api/v1/recommendations", lambda i: client.ask("discover", i))
    return {
        "stored_list_p50_ms": measure(_p(stored, 50), "ms", _p(empty, 50)),
        "live_list_p50_ms": measure(_p(live, 50), "ms", _p(empty, 50)),
        "live_list_p95_ms": measure(_p(live, 95), "ms", _p(empty, 95)),
        "web_memory_mb": measure(_web_memory_mb(urlsplit(demo["base_url"]).port), "MB"),
    }


class _Client:
    """One client, one connection, one call at a time."""

    def __init__(self, demo: dict) -> None:
        self.demo = demo
        self.connection = http.client.HTTPConnection(urlsplit(demo["base_url"]).netloc)
        self.headers = {"Authorization": f"Bearer {demo['api_key']}", "Content-Type": "application/json"}

    def ask(self, placement: str, i: int) -> str:
        return json.dumps({"placement": placement, "user_id": self.demo["user_ids"][i % len(self.demo["user_ids"])], "limit": 12})

    def times(self, method: str, path: str, body) -> list[float]:
        """Milliseconds of CALLS calls, after some that warm up."""
        taken = []
        for i in range(CALLS + 20):
            begun = time.perf_counter()
            self.connection.request(method, path, body(i), self.headers)
            reply = self.connection.getresponse()
            content = reply.read()
            taken.append((time.perf_counter() - begun) * 1000)
            if reply.status != 200:
                sys.exit(f"bench serving: {method} {path} said {reply.status}: {content[:200]!r}")
        return taken[20:]


def _p(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _web_memory_mb(port: int) -> float:
    """The largest proportional set size of the web processes on this port."""
    sizes = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            if any(b"granian" in part for part in command) or b"ecomsite.wsgi:application" in command:
                text = (process / "smaps_rollup").read_text()
                sizes.append(int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1]) / 1024)
        except (OSError, StopIteration):
            continue
    return max(sizes, default=float("nan"))
