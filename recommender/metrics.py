"""What operators watch, for Prometheus. Processes of one host add up through files below VITRINE_HOME; nothing in it names a shop or a person."""

import os
from pathlib import Path

from django.conf import settings

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
os.environ.setdefault(FOLDER, str(settings.VITRINE_HOME / "metrics"))
Path(os.environ[FOLDER]).mkdir(parents=True, exist_ok=True)

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess  # noqa: E402  reads the folder

SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
QUEUES = ("default", "train", "score")

requests = Counter("vitrine_requests", "Requests answered", ["method", "route", "status"])
request_seconds = Histogram("vitrine_request_seconds", "Time to an answer", ["route"], buckets=SECONDS)
lists = Counter("vitrine_lists", "Lists served", ["kind", "stored", "fallback"])
events = Counter("vitrine_events", "Events received", ["outcome"])
served_waiting = Gauge("vitrine_served_lists_waiting", "Served lists on their way to the database", multiprocess_mode="livesum")
throttled = Counter("vitrine_throttled", "Requests refused because a key asked too often")


def exposition() -> bytes:
    """All processes' measures and the state of what they depend on, in Prometheus' text format."""
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry) + generate_latest(_now())


def _now() -> CollectorRegistry:
    """What is asked for at this moment."""
    from recommender.reach import dependencies, queue_client

    registry, states = CollectorRegistry(), dependencies()
    up = Gauge("vitrine_dependency_up", "Does it answer?", ["name"], registry=registry)
    for name, state in states.items():
        up.labels(name).set(state == "ok")
    if states["queue"] == "ok":
        waiting = Gauge("vitrine_queue_waiting", "Tasks that no worker has taken", ["queue"], registry=registry)
        for name in QUEUES:
            waiting.labels(name).set(queue_client().llen(name))
    if states["database"] == "ok":
        _of_database(registry)
    return registry


def _of_database(registry: CollectorRegistry) -> None:
    from django.db.models import Count

    from recommender.models import TrainingRun

    runs = Gauge("vitrine_training_runs", "Training runs under way", ["status"], registry=registry)
    for status, number in TrainingRun.objects.active().values_list("status").annotate(Count("id")):
        runs.labels(status).set(number)
