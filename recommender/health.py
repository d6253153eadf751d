"""What this process depends on, and whether it answers."""

import redis
from django.conf import settings
from django.db import DatabaseError, connection


def dependencies() -> dict[str, str]:
    """{"database": "ok", "queue": "ok"}, or what is wrong, without addresses."""
    return {"database": _database(), "queue": _queue()}


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "does not answer"
    return "ok"


def queue_client() -> redis.Redis:
    url = settings.REDIS_URL
    if url.startswith("redis+socket://"):
        return redis.Redis(unix_socket_path=url.removeprefix("redis+socket://"), socket_timeout=2)
    return redis.Redis.from_url(url, socket_timeout=2)


def _queue() -> str:
    client = queue_client()
    try:
        client.ping()
    except redis.RedisError:
        return "does not answer"
    finally:
        client.close()
    return "ok"
