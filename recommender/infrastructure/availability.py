"""Availability of database and queue: circuit breaker, retries, Redis client, health."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import kombu.exceptions
import redis
from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, connection
from psycopg2.errors import CheckViolation, DeadlockDetected, NotNullViolation, SerializationFailure

from recommender.infrastructure import process_caches

T = TypeVar("T")
QUEUE_GONE = (redis.ConnectionError, redis.TimeoutError, kombu.exceptions.OperationalError)
"""Errors of an unreachable queue."""
UNREACHABLE = (OperationalError, InterfaceError)
"""Errors of an unreachable database."""
TRY_AGAIN_SECONDS = 1.0
CHECK_EVERY_SECONDS = 1.0


def comes_between(error: Exception) -> bool:
    """True where a concurrent transaction caused this error, so that a retry may succeed.

    A violated check or a missing value fails at each retry.
    """
    if isinstance(error, IntegrityError):
        return not isinstance(error.__cause__, CheckViolation | NotNullViolation)
    return isinstance(error.__cause__, DeadlockDetected | SerializationFailure)


class _Database:
    """Circuit breaker: after a failure, requests do not wait for the database for a moment."""

    def __init__(self) -> None:
        self.gone_until = 0.0

    def note_gone(self) -> None:
        self.gone_until = time.monotonic() + TRY_AGAIN_SECONDS
        connection.close()

    def forget(self) -> None:
        self.gone_until = 0.0

    @property
    def gone(self) -> bool:
        return time.monotonic() < self.gone_until


database = _Database()
process_caches.register(database.forget)
_clients, _checked = threading.local(), threading.local()


@contextlib.contextmanager
def while_reachable() -> Iterator[None]:
    """Context manager that suppresses errors of an unreachable database and closes the connection
    for the next attempt.
    """
    try:
        yield
    except UNREACHABLE:
        connection.close()


def patiently(act: Callable[[], T], seconds: float = 900.0, every: float = 1.0) -> T:
    """Call `act`, and retry while the database is unreachable, for `seconds`; then raises its
    error.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except UNREACHABLE:
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(every)


def spare_health_checks() -> None:
    """Let Django check each thread's connection once per second, instead of once per request."""
    now = time.monotonic()
    if now - getattr(_checked, "at", 0.0) < CHECK_EVERY_SECONDS:
        connection.health_check_done = True
    else:
        _checked.at = now


def queue_client() -> redis.Redis:
    """This thread's client of Redis or Valkey. Calls raise redis.RedisError."""
    if getattr(_clients, "url", None) != settings.REDIS_URL:
        _clients.url, _clients.client = settings.REDIS_URL, _new_client(settings.REDIS_URL)
    return _clients.client


def _new_client(url: str) -> redis.Redis:
    if url.startswith("redis+socket://"):
        return redis.Redis(unix_socket_path=url.removeprefix("redis+socket://"), socket_timeout=2)
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


def dependencies() -> dict[str, str]:
    """State of each dependency: {"database": "ok", "queue": "ok"}, or what is wrong."""
    return {"database": _database(), "queue": _queue()}


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except UNREACHABLE:
        database.note_gone()
        return "does not answer"
    return "ok"


def _queue() -> str:
    try:
        queue_client().ping()
    except redis.RedisError:
        return "does not answer"
    return "ok"
