"""Whether the database and the queue can be reached, and what a process does when they cannot."""

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
"""What is raised where the queue does not answer."""
UNREACHABLE = (OperationalError, InterfaceError)
"""What Django raises where the database does not answer."""
TRY_AGAIN_SECONDS = 1.0
CHECK_EVERY_SECONDS = 1.0


def comes_between(error: Exception) -> bool:
    """Did a concurrent transaction cause this error, so that a retry may pass?

    A violated check or a missing value fails at each retry.
    """
    if isinstance(error, IntegrityError):
        return not isinstance(error.__cause__, CheckViolation | NotNullViolation)
    return isinstance(error.__cause__, DeadlockDetected | SerializationFailure)


class _Database:
    """Remembers for a moment that the database was gone, so that not every request waits to
    find out.
    """

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
    """Leave out what is inside where the database does not answer; the next try has a
    connection of its own.
    """
    try:
        yield
    except UNREACHABLE:
        connection.close()


def patiently(act: Callable[[], T], seconds: float = 900.0, every: float = 1.0) -> T:
    """Do this, and while the database does not answer again and again, for so long; then what
    Django raises is raised.
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
    """Django asks each connection once a request whether it still lives; once a second and
    thread is enough.
    """
    now = time.monotonic()
    if now - getattr(_checked, "at", 0.0) < CHECK_EVERY_SECONDS:
        connection.health_check_done = True
    else:
        _checked.at = now


def queue_client() -> redis.Redis:
    """This thread's client of Redis or Valkey.

    Calls raise redis.RedisError where it does not answer.
    """
    if getattr(_clients, "url", None) != settings.REDIS_URL:
        _clients.url, _clients.client = settings.REDIS_URL, _new_client(settings.REDIS_URL)
    return _clients.client


def _new_client(url: str) -> redis.Redis:
    if url.startswith("redis+socket://"):
        return redis.Redis(unix_socket_path=url.removeprefix("redis+socket://"), socket_timeout=2)
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


def dependencies() -> dict[str, str]:
    """{"database": "ok", "queue": "ok"}, or what is wrong, without addresses."""
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
