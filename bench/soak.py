"""Half an hour of a shop's day at once: lists, events, product changes; a promotion; the learning
worker killed while it scores what was promoted.

The site runs as `manage.py demo` runs it, under its supervisor, on VITRINE_HOME, which must hold a
trained demo. What is promoted is a copy of its champion, which is taken back and deleted at the
end. `VITRINE_SOAK_MINUTES` shortens it.
"""

import json
import os
import random
import shutil
import signal
import statistics
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime

from bench.__main__ import measure
from bench.load import Client, request
from bench.server import children, memory_mb, prepare, wait_until_ready

PORT = 8078
MINUTES = float(os.environ.get("VITRINE_SOAK_MINUTES", "30"))
WARM_UP, PROMOTE, KILL = 1 / 6, 1 / 3, 10.0
"""Shares of the time after which memory counts and the promotion comes; seconds from there to
the kill.
"""
REPEATED = 0.1
"""Share of the events that are sent a second time, as a page does whose first try went astray."""


class Soak:
    """What the load sent, and what came of it."""

    def __init__(self, site: dict) -> None:
        self.asked, self.over = site, threading.Event()
        self.requests, self.statuses, self.accepted = Counter(), Counter(), []

    def ask(
        self, client: Client, what: str, method: str, path: str, body: dict | None = None
    ) -> tuple[int, dict]:
        message = request(
            method, path, self.asked["key"], json.dumps(body).encode() if body is not None else b""
        )
        try:
            status, reply = client.ask(message)
        except (OSError, IndexError, ValueError) as error:
            self.statuses[f"{what}: {type(error).__name__}"] += 1
            client.socket.close()
            client.__init__(PORT)
            return 0, {}
        self.requests[what] += 1
        if not 200 <= status < 300:
            self.statuses[f"{what}: {status} {reply[:200]!r}"] += 1
        return status, json.loads(reply) if reply else {}

    def lists(self, seed: int) -> None:
        """Pages that are looked at: stored, live, filtered, related, several placements of one
        page.
        """
        client, chance = Client(PORT), random.Random(seed)
        while not self.over.wait(0.02):
            user, item = chance.choice(self.asked["users"]), chance.choice(self.asked["items"])
            path, body = chance.choice(
                [
                    ("recommendations", {"placement": "home_top", "user_id": user}),
                    (
                        "recommendations",
                        {
                            "placement": "discover",
                            "user_id": user,
                            "filter": "price < 20",
                            "explain": "off",
                        },
                    ),
                    (
                        "recommendations",
                        {"placement": "home_top", "session_id": f"soak-{chance.randrange(1000)}"},
                    ),
                    (
                        "recommendations:page",
                        {
                            "placements": [{"placement": "home_top"}, {"placement": "discover"}],
                            "user_id": user,
                        },
                    ),
                    (f"items/related?item_id={item}", None),
                ]
            )
            self.ask(client, "lists", "POST" if body else "GET", f"/api/v1/{path}", body)

    def events(self) -> None:
        """What shoppers do, in batches; some of it is sent twice."""
        client, chance = Client(PORT), random.Random(1)
        while not self.over.wait(0.25):
            batch = [self._event(chance) for _ in range(25)]
            again = [{**event} for event in batch if chance.random() < REPEATED]
            for events in (batch, again):
                status, reply = (
                    self.ask(client, "events", "POST", "/api/v1/events", {"events": events})
                    if events
                    else (0, {})
                )
                self.accepted += (
                    [
                        one["event_id"]
                        for one in reply.get("results", [])
                        if one["status"] == "accepted"
                    ]
                    if status == 202
                    else []
                )

    def _event(self, chance: random.Random) -> dict:
        who = (
            {"user_id": chance.choice(self.asked["users"])}
            if chance.random() < 0.8
            else {"session_id": f"soak-{chance.randrange(1000)}"}
        )
        kind = chance.choices(["view", "cart", "purchase"], [8, 1, 1])[0]
        return {
            "event_id": uuid.uuid4().hex,
            "type": kind,
            "item_id": chance.choice(self.asked["items"]),
            "occurred_at": _now(),
            **who,
        }

    def products(self) -> None:
        """Prices and stock that change, products that come and go."""
        client, chance, own = Client(PORT), random.Random(2), []
        while not self.over.wait(1.0):
            item = chance.choice(self.asked["items"])
            self.ask(
                client,
                "products",
                "PATCH",
                f"/api/v1/items/{item}",
                {"price": _price(chance.uniform(0.5, 30))},
            )
            if chance.random() < 0.1:
                own.append(f"soak-{uuid.uuid4().hex[:10]}")
                self.ask(
                    client,
                    "products",
                    "PUT",
                    f"/api/v1/items/{own[-1]}",
                    {"title": f"red metal lantern {len(own)}", "price": _price(4.5)},
                )
            if len(own) > 5:
                self.ask(client, "products", "DELETE", f"/api/v1/items/{own.pop(0)}")
        for item in own:
            self.ask(client, "products", "DELETE", f"/api/v1/items/{item}")


def _price(amount: float) -> dict:
    return {"amount": round(amount, 2), "currency": "GBP"}


def _now() -> str:
    return datetime.now(UTC).isoformat()


def run() -> dict:
    site = prepare("soak")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")
    import django

    django.setup()
    from recommender.demo.supervisor import Supervisor

    supervisor, copy = Supervisor(PORT), _copy_of_champion()
    supervisor.clear_leftovers()
    try:
        supervisor.start("web")
        wait_until_ready(PORT)
        supervisor.start("worker", "worker-short", "beat")
        soak = Soak(site)
        memory = _stress(soak, supervisor, copy)
    finally:
        supervisor.stop()
        _put_back(copy)
    lost, doubled, unscored = _fate(soak.accepted)
    print(
        json.dumps(
            {
                "requests": soak.requests,
                "failed": soak.statuses,
                "events accepted": len(soak.accepted),
                "web MB": [round(m) for m in memory],
            }
        )
    )
    calm = memory[int(len(memory) * WARM_UP) :]
    tenth = max(1, len(calm) // 10)
    first, last = statistics.mean(calm[:tenth]), statistics.mean(calm[-tenth:])
    return {
        "requests": measure(sum(soak.requests.values()), "requests"),
        "errors": measure(sum(soak.statuses.values()), "requests"),
        "memory_growth": measure(last / first - 1, "share"),
        "web_memory_mb": measure(last, "MB", first),
        "events_accepted": measure(len(soak.accepted), "events"),
        "events_lost": measure(lost, "events"),
        "events_doubled": measure(doubled, "events"),
        "lists_not_scored": measure(unscored, "shoppers"),
        "minutes": measure(MINUTES, "min"),
    }


def _stress(soak: Soak, supervisor, copy) -> list[float]:
    """Let it run, promote, kill; returns the web processes' memory, MB together, twice a minute."""
    loads = [(soak.lists, 3), (soak.lists, 4), (soak.events,), (soak.products,)]
    threads = [threading.Thread(target=load, args=args) for load, *args in loads]
    for thread in threads:
        thread.start()
    begun, memory, promoted, killed = time.monotonic(), [], None, False
    while (now := time.monotonic() - begun) < MINUTES * 60:
        if len(memory) < now / min(30.0, MINUTES):
            memory.append(sum(memory_mb(pid) for pid in children(supervisor.running["web"].pid)))
        if promoted is None and now > PROMOTE * MINUTES * 60:
            soak.ask(Client(PORT), "promotion", "POST", f"/api/v1/models/{copy.number}/promote")
            promoted = now
        if promoted and not killed and now > promoted + KILL:
            os.killpg(supervisor.running["worker"].pid, signal.SIGKILL)
            killed = True
        supervisor.tend()
        time.sleep(0.5)
    soak.over.set()
    for thread in threads:
        thread.join()
    return memory


def _copy_of_champion():
    """A second version, so that there is something to promote."""
    from recommender.inference import checkpoint_files
    from recommender.models import ModelVersion, Shop, TrainingRun

    champion = Shop.objects.get(key="demo").champion()
    run = TrainingRun.objects.create(
        shop=champion.shop,
        status="finished",
        started_at=datetime.now(UTC),
        finished_at=datetime.now(UTC),
    )
    folder = run.folder / "checkpoint"
    shutil.copytree(checkpoint_files.checkpoint_path(champion.folder), folder)
    return ModelVersion.objects.register(run, f"{run.folder_name}/checkpoint", champion.report)


def _put_back(copy) -> None:
    """The champion that was serves again; its copy is deleted, with the lists that it made."""
    from recommender.model_lifecycle import promotion
    from recommender.models import RecommendationList, ServedList

    copy.refresh_from_db()
    if copy.is_champion:
        promotion.roll_back(copy.shop)
    RecommendationList.objects.filter(version=copy).delete()
    ServedList.objects.filter(version=copy).update(version=None)
    folder, run = copy.run.folder, copy.run
    copy.delete()
    run.delete()
    with suppress(OSError):
        shutil.rmtree(folder)


def _fate(accepted: list[str]) -> tuple[int, int, int]:
    """(accepted events that are not there, that are there more than once, shoppers of whom no
    list of a champion is stored)
    """
    from django.db.models import Count

    from recommender.models import Event, RecommendationList, Shop, Shopper

    shop, present = Shop.objects.get(key="demo"), Counter()
    for i in range(0, len(accepted), 5000):
        rows = (
            Event.objects.filter(shop=shop, event_id__in=accepted[i : i + 5000])
            .values_list("event_id")
            .annotate(n=Count("pk"))
        )
        present.update(dict(rows.order_by()))
    scored = RecommendationList.objects.filter(shop=shop).values("shopper")
    unscored = (
        Shopper.objects.of(shop)
        .filter(revision__gt=0, consent_personalisation=True)
        .exclude(pk__in=scored)
        .count()
    )
    return (
        len(set(accepted) - present.keys()),
        sum(n > 1 for n in present.values()) + len(accepted) - len(set(accepted)),
        unscored,
    )
