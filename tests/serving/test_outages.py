"""Servers that are really killed, under load: a site of its own with its own PostgreSQL and
Valkey, asked all the time.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from ecomsite import embedded
from recommender.infrastructure.web_server import server_command

ROOT = Path(__file__).resolve().parents[2]
PREPARE = """
import json
from recommender.recommendations import batch_scoring as scoring
from recommender.models import ApiKey, Shop
from recommender.models.api_keys import SCOPES
from tests.stocked_shop import register, stock
shop = Shop.objects.create(key="tiny", name="Tiny")
shop.placements.create_usual(shop)
stock(shop)
version = register(shop, CHECKPOINT)
version.promote()
scoring.score_shard(version, 0, 10**9)
print(json.dumps({"key": ApiKey.objects.issue(shop, "test", SCOPES)[1]}))
"""


class Site:
    """A web process on servers of its own, and what it answers while somebody asks."""

    def __init__(self, home: Path, checkpoint: Path) -> None:
        self.home = home
        self.environment = {
            k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL")
        } | {"VITRINE_HOME": str(home)}
        embedded.start(home)
        self._manage("migrate", "-v", "0")
        self.key = json.loads(
            self._manage(
                "shell", "-v", "0", "-c", f"CHECKPOINT = {str(checkpoint)!r}\n{PREPARE}"
            ).splitlines()[-1]
        )["key"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = server_command("ecomsite.rsgi:application", self.port, preload=True)
        with (home / "web.log").open("wb") as log:
            self.web = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def _manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def ask(self, path: str, body: dict | None = None) -> tuple[int, dict, Mapping[str, str]]:
        """(status, reply, headers); status 0 where there was no answer."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/{path}",
            json.dumps(body).encode() if body else None,
        )
        request.add_header("Authorization", f"Bearer {self.key}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return reply.status, json.loads(reply.read()), reply.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), error.headers
        except OSError:
            return 0, {}, {}

    def list_of(self, user: str) -> tuple[int, dict, Mapping[str, str]]:
        return self.ask("recommendations", {"placement": "home_top", "user_id": user, "limit": 5})

    def send(self, event_id: str) -> tuple[int, dict, Mapping[str, str]]:
        event = {
            "event_id": event_id,
            "type": "view",
            "user_id": "somebody",
            "item_id": "GA/1",
            "occurred_at": datetime.now(UTC).isoformat(),
        }
        return self.ask("events", {"events": [event]})

    def until(self, true, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, (self.home / "web.log").read_text()[-2000:]
            time.sleep(0.1)

    def kill(self, pid_file: str) -> None:
        pid = int((self.home / pid_file).read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: not embedded._alive(pid))

    def stop(self) -> None:
        self.web.terminate()
        self.web.wait(20)
        embedded.stop(self.home)


class Load:
    """Shoppers who look at lists and send events all the time."""

    def __init__(self, site: Site) -> None:
        self.site, self.over = site, threading.Event()
        self.lists, self.events, self.accepted, self.odd = Counter(), Counter(), [], []
        self.threads = [
            threading.Thread(target=target) for target in (self._look, self._look, self._do)
        ]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def _look(self) -> None:
        n = 0
        while not self.over.wait(0.02):
            n += 1
            status, reply, _ = self.site.list_of(f"shopper-{n % 40:03d}")
            self.lists[status, reply.get("fallback", {}).get("kind")] += 1
            if status != 200 or len(reply["items"]) != 5:
                self.odd.append((status, reply))

    def _do(self) -> None:
        while not self.over.wait(0.05):
            event_id = uuid.uuid4().hex
            status, reply, headers = self.site.send(event_id)
            self.events[status] += 1
            if status == 202:
                self.accepted.append(event_id)
            elif status != 503 or "Retry-After" not in headers:
                self.odd.append((status, reply))


@pytest.fixture(scope="module")
def site(tiny_checkpoint, tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site"), tiny_checkpoint)
    try:
        # more than once, so that each shopper's list has its reasons and is in Redis
        site.until(
            lambda: (
                site.ask("health/ready")[0] == 200 and site.list_of("shopper-003")[1].get("stored")
            )
        )
        time.sleep(2)
        yield site
    finally:
        site.stop()


def _stored_events(site: Site) -> set[str]:
    with (
        psycopg2.connect(**embedded.postgres_dsn(site.home)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT event_id FROM recommender_event")
        return {row[0] for row in cursor}


def test_a_killed_database_costs_no_list_and_no_accepted_event(site):
    with Load(site) as load:
        time.sleep(1)
        site.kill("postgres/postmaster.pid")
        site.until(lambda: load.lists[200, "no_database"] > 20 and load.events[503] > 5)
        assert site.ask("health/ready")[1]["checks"]["database"] == "does not answer"
        embedded.start(site.home)
        before = load.events[202]
        site.until(lambda: load.events[202] > before + 5)
        site.until(lambda: site.list_of("shopper-003")[1]["fallback"]["kind"] is None)
    assert not load.odd, load.odd[:3]
    assert load.accepted and set(load.accepted) <= _stored_events(site)


def test_a_killed_queue_costs_nothing_but_time(site):
    with Load(site) as load:
        time.sleep(0.5)
        site.kill("valkey/valkey.pid")
        before = load.lists.total(), load.events[202]
        site.until(lambda: load.lists.total() > before[0] + 20 and load.events[202] > before[1] + 5)
        assert site.ask("health/ready")[1]["checks"]["queue"] == "does not answer"
        embedded.start(site.home)
        site.until(lambda: site.ask("health/ready")[1]["status"] == "ok")
    assert not load.odd and set(load.events) == {202}, (load.odd[:3], load.events)
    assert set(load.accepted) <= _stored_events(site)


def test_what_was_hidden_just_before_the_database_went_is_hidden_in_a_process_that_nobody_asked(
    site,
):
    """The listener takes news in by itself.

    All placements of the list are looked at, since the process made none meanwhile.
    """
    before = [item["item_id"] for item in site.list_of("shopper-005")[1]["items"]]
    for item_id in before[:3]:
        body = json.dumps({"hidden": True}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{site.port}/api/v1/items/{urllib.parse.quote(item_id, safe='')}",
            body,
            method="PATCH",
        )
        request.add_header("Authorization", f"Bearer {site.key}")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=20) as reply:
            assert reply.status == 200
    time.sleep(1)
    site.kill("postgres/postmaster.pid")
    status, reply, _ = site.list_of("shopper-005")
    assert status == 200 and reply["fallback"]["kind"] == "no_database" and len(reply["items"]) == 5
    assert not set(before[:3]) & {item["item_id"] for item in reply["items"]}
    embedded.start(site.home)
    site.until(lambda: site.list_of("shopper-005")[1]["fallback"]["kind"] is None)
