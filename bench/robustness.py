"""What a shop's shoppers notice when something goes wrong: bodies that never end, a web process or
the database killed under load, slow calls.

The site runs as `manage.py demo` runs it, under its supervisor, on VITRINE_HOME, which must hold a
trained demo with the embedded servers.
"""

import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from bench.__main__ import ROOT, measure
from bench.load import Client, request
from bench.server import children, prepare, wait_until_ready

PORT = 8079
SLOW_CONNECTIONS = 64
LISTS = 400
A_SECOND = 200
"""Lists a second while a web process is killed."""
FUZZ_CASES = int(os.environ.get("VITRINE_FUZZ_CASES", "20000"))


def run() -> dict:
    site = prepare("robustness")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")
    import django

    django.setup()
    from recommender.demo.supervisor import Supervisor

    supervisor = Supervisor(PORT)
    supervisor.clear_leftovers()
    stop, keeper = threading.Event(), threading.Thread(target=lambda: _tend(supervisor, stop))
    try:
        supervisor.start("web")
        wait_until_ready(PORT)
        supervisor.watch_embedded()
        keeper.start()
        return (
            _slow_bodies(site)
            | _slow_calls(site)
            | _killed_web(site, supervisor)
            | _killed_postgres(site)
            | _fuzz(site)
        )
    finally:
        stop.set()
        keeper.join()
        supervisor.stop()


def _tend(supervisor, stop: threading.Event) -> None:
    while not stop.wait(0.5):
        supervisor.tend()


def _list(site: dict, user: str) -> bytes:
    body = json.dumps({"placement": "home_top", "user_id": user, "limit": 12}).encode()
    return request("POST", "/api/v1/recommendations", site["key"], body)


def _lists(site: dict) -> tuple[int, float]:
    """(lists that were answered of LISTS, p95 in milliseconds), by one client."""
    client, taken = Client(PORT), []
    client.socket.settimeout(10)
    for n in range(LISTS):
        begun = time.perf_counter()
        with suppress(OSError, ValueError, IndexError):
            if client.ask(_list(site, site["users"][n % len(site["users"])]))[0] == 200:
                taken.append((time.perf_counter() - begun) * 1000)
    return len(taken), statistics.quantiles(taken, n=100)[94]


def _slow_bodies(site: dict) -> dict:
    """Lists for one client while 64 connections have sent half a body and wait; against a quiet
    server.
    """
    _lists(site)
    ratios, answered = [], []
    for _ in range(3):
        quiet = _lists(site)[1]
        slow = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(SLOW_CONNECTIONS)]
        for connection in slow:
            connection.sendall(_list(site, site["users"][0])[:-20])
        time.sleep(0.5)
        done, other = _lists(site)
        for connection in slow:
            connection.close()
        ratios.append(other / quiet)
        answered.append(done / LISTS)
    return {
        "slow_bodies_answered": measure(min(answered), "share", 1.0),
        "slow_bodies_p95_ratio": measure(statistics.median(ratios), "x", 1.0),
    }


def _slow_calls(site: dict) -> dict:
    """`GET items/shoppers` alone, then twelve at once, beside which lists are asked for."""
    paths = [f"/api/v1/items/shoppers?item_id={item}" for item in site["items"][:120:10]]
    taken = [_timed(request("GET", path, site["key"])) for path in paths]
    threads = [
        threading.Thread(target=_timed, args=(request("GET", path, site["key"]),)) for path in paths
    ]
    quiet = _lists(site)[1]
    for thread in threads:
        thread.start()
    done, other = _lists(site)
    for thread in threads:
        thread.join()
    return {
        "item_shoppers_s": measure(statistics.median(taken), "s"),
        "item_shoppers_worst_s": measure(max(taken), "s"),
        "slow_calls_answered": measure(done / LISTS, "share", 1.0),
        "slow_calls_p95_ratio": measure(other / quiet, "x", 1.0),
    }


def _timed(message: bytes) -> float:
    begun = time.perf_counter()
    status, reply = Client(PORT).ask(message)
    if status not in (200, 503):
        sys.exit(f"bench robustness: {status} {reply[:200]!r}")
    return time.perf_counter() - begun


class Shoppers:
    """Clients that ask A_SECOND times a second together, each on a connection that it opens
    again where it broke.
    """

    def __init__(self, ask: Callable[[int], bytes], clients: int = 8) -> None:
        self.ask, self.clients, self.over = ask, clients, threading.Event()
        self.results: list[tuple[float, bool]] = []
        self.threads = [threading.Thread(target=self._work, args=(n,)) for n in range(clients)]

    def __enter__(self) -> "Shoppers":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def failed_since(self, moment: float) -> int:
        return sum(not right for at, right in self.results if at >= moment)

    def _work(self, number: int) -> None:
        client, n, due = None, number, time.perf_counter()
        while not self.over.is_set():
            due += self.clients / A_SECOND
            time.sleep(max(0.0, due - time.perf_counter()))
            right = False
            try:
                client = client or Client(PORT)
                right = client.ask(self.ask(n))[0] in (200, 202)
            except (OSError, ValueError, IndexError):
                client = None
            self.results.append((time.monotonic(), right))
            n += self.clients


def _killed_web(site: dict, supervisor) -> dict:
    """kill -9 of one of the two web processes under 200 requests a second: failed requests,
    seconds until both serve.
    """
    failed, seconds = [], []
    parent = supervisor.running["web"].pid
    with Shoppers(lambda n: _list(site, site["users"][n % len(site["users"])])) as shoppers:
        for _ in range(3):
            time.sleep(
                8
            )  # granian takes two deaths of a worker within 5.5 seconds for a crash loop
            before, killed = set(children(parent)), time.monotonic()
            os.kill(max(before), signal.SIGKILL)
            while len(fresh := set(children(parent)) - before) < 1:
                time.sleep(0.01)
            while not all(_listens(pid) for pid in fresh):
                time.sleep(0.02)
            seconds.append(time.monotonic() - killed)
            time.sleep(1)
            failed.append(shoppers.failed_since(killed))
    return {
        "web_kill_failed_requests": measure(statistics.median(failed), "requests"),
        "web_kill_worst_failed": measure(max(failed), "requests"),
        "web_kill_recovery_s": measure(max(seconds), "s"),
    }


def _listens(pid: int) -> bool:
    """Does the process accept connections?

    Workers share the port, each with a socket of its own.
    """
    inodes = set()
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(
        row[3] == "0A" and int(row[1].split(":")[1], 16) == PORT and row[9] in inodes
        for row in rows
    )


def _killed_postgres(site: dict) -> dict:
    """kill -9 of the embedded PostgreSQL under load: lists go on, events are taken again after
    so long, none that was accepted is lost.
    """
    home, accepted, taken = Path(os.environ["VITRINE_HOME"]).resolve(), [], []
    with Shoppers(lambda n: _list(site, site["users"][n % len(site["users"])]), 4) as shoppers:
        sender, client = random.Random(1), None
        killed, until = None, time.monotonic() + 40
        while time.monotonic() < until:
            if killed is None and len(accepted) >= 50:
                os.kill(
                    int((home / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL
                )
                killed = time.monotonic()
            event = {
                "event_id": uuid.uuid4().hex,
                "type": "view",
                "user_id": sender.choice(site["users"]),
                "item_id": sender.choice(site["items"]),
                "occurred_at": datetime.now(UTC).isoformat(),
            }
            message = request(
                "POST", "/api/v1/events", site["key"], json.dumps({"events": [event]}).encode()
            )
            try:
                client = client or Client(PORT)
                status = client.ask(message)[0]
            except (OSError, ValueError, IndexError):
                client, status = None, 0
            if status == 202:
                accepted.append(event["event_id"])
                if killed:
                    taken.append(time.monotonic())
            time.sleep(0.02)
        failed = shoppers.failed_since(killed)
    from recommender.models import Event

    gaps = [b - a for a, b in zip([killed, *taken], taken, strict=False)]
    present = set(Event.objects.filter(event_id__in=accepted).values_list("event_id", flat=True))
    return {
        "postgres_kill_events_lost": measure(len(set(accepted) - present), "events"),
        "postgres_kill_recovery_s": measure(max(gaps), "s"),
        "postgres_kill_lists_failed": measure(failed, "requests"),
    }


def _fuzz(site: dict) -> dict:
    """schemathesis over the schema, all checks that a server's faults show in."""
    schema = Path(os.environ["VITRINE_HOME"]) / "bench-openapi.yml"
    subprocess.run(
        [sys.executable, "manage.py", "spectacular", "--file", schema],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    command = [
        sys.executable,
        "-m",
        "bench.fuzz",
        str(schema),
        f"http://127.0.0.1:{PORT}",
        site["key"],
        str(FUZZ_CASES),
    ]
    result = json.loads(
        subprocess.run(
            command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
        ).stdout.splitlines()[-1]
    )
    return {
        "fuzz_cases": measure(result["cases"], "requests"),
        "fuzz_5xx": measure(len(result["faults"]), "requests"),
    }
