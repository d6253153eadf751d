"""The Prometheus exposition: measures of every process, and the state of queue and database."""

from django.db.models import Count
from prometheus_client import CollectorRegistry, Gauge, generate_latest, multiprocess

from recommender.infrastructure import telemetry  # noqa: F401  names the folder of the measures
from recommender.infrastructure.availability import dependencies, queue_client
from recommender.models import TrainingRun

QUEUES = ("default", "train", "score")


def exposition() -> bytes:
    """Metrics of all processes and the state of their dependencies, in the Prometheus text
    format.
    """
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry) + generate_latest(_now())


def _now() -> CollectorRegistry:
    """Gauges of the current state of queue and database."""
    registry, states = CollectorRegistry(), dependencies()
    up = Gauge("vitrine_dependency_up", "Does it answer?", ["name"], registry=registry)
    for name, state in states.items():
        up.labels(name).set(state == "ok")
    if states["queue"] == "ok":
        waiting = Gauge(
            "vitrine_queue_waiting", "Tasks that no worker has taken", ["queue"], registry=registry
        )
        for name in QUEUES:
            waiting.labels(name).set(queue_client().llen(name))
    if states["database"] == "ok":
        _of_database(registry)
    return registry


def _of_database(registry: CollectorRegistry) -> None:
    runs = Gauge("vitrine_training_runs", "Training runs under way", ["status"], registry=registry)
    for status, number in TrainingRun.objects.active().values_list("status").annotate(Count("id")):
        runs.labels(status).set(number)
