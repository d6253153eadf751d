"""Prometheus metrics of this process; files below VITRINE_HOME sum them over processes.

No metric names a shop or a person.
"""

import os
from pathlib import Path

from django.conf import settings

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
os.environ.setdefault(FOLDER, str(settings.VITRINE_HOME / "metrics"))
Path(os.environ[FOLDER]).mkdir(parents=True, exist_ok=True)

from prometheus_client import Counter, Gauge, Histogram  # noqa: E402  reads the folder

SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

requests = Counter("vitrine_requests", "Requests answered", ["method", "route", "status"])
request_seconds = Histogram(
    "vitrine_request_seconds", "Time to an answer", ["route"], buckets=SECONDS
)
lists = Counter("vitrine_lists", "Lists served", ["kind", "stored", "fallback"])
events = Counter("vitrine_events", "Events received", ["outcome"])
served_waiting = Gauge(
    "vitrine_served_lists_waiting",
    "Exposure lists on their way to the database",
    multiprocess_mode="livesum",
)
throttled = Counter("vitrine_throttled", "Requests refused by the rate limit of their key")
