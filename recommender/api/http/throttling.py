"""How often a key may ask, counted over all processes in Redis, or in this one while Redis is gone.

A process counts by itself and tells Redis a few times a second, so that asking is not made slower
by being counted.
"""

import math
import threading
import time
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest
from limits.errors import StorageError
from limits.storage import storage_from_string
from redis import RedisError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from recommender.infrastructure import telemetry
from recommender.infrastructure.proxies import subscriber_of
from recommender.models import ApiKey

MINUTE = 60
TELL_SECONDS = 0.25
COUNTED_EXACTLY = 1000
"""Keys with a smaller limit a minute are counted in Redis at every request: of so few each one
matters, and there are few.
"""
TRY_AGAIN_SECONDS = 5.0


@dataclass(frozen=True)
class Rate:
    """Where a key stands in the minute that runs."""

    limit: int
    used: int

    def headers(self) -> dict[str, str]:
        """As the IETF's draft of RateLimit header fields names them."""
        left = str(max(0, self.limit - self.used))
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": left,
            "RateLimit-Reset": str(seconds_left()),
        }


def seconds_left() -> int:
    """Of the minute that runs."""
    return math.ceil(MINUTE - time.time() % MINUTE)


@dataclass
class _Count:
    """A key's requests in one minute: those of all processes that were told, and this one's
    since.
    """

    told: int = 0
    own: int = 0
    tell_at: float = 0.0


class _Counters:
    """Requests by key, in the minute that runs."""

    def __init__(self, url: str) -> None:
        self.shared = storage_from_string(
            url.replace("redis+socket://", "redis+unix://"), wrap_exceptions=True
        )
        self.minute = -1
        self.counts: dict[str, _Count] = {}
        self.lock = threading.Lock()

    def count(self, name: str, exactly: bool) -> int:
        """One request more; how many there were, this one included.

        Unless `exactly`, those of other processes a moment ago.
        """
        minute, now = int(time.time() // MINUTE), time.monotonic()
        with self.lock:
            if minute != self.minute:
                self.minute, self.counts = minute, {}
            found = self.counts.setdefault(name, _Count())
            found.own += 1
            total, untold, due = found.told + found.own, found.own, now >= found.tell_at
            if due:
                found.tell_at = now + (0 if exactly else TELL_SECONDS)
                found.own = 0
                found.told = total
        if due:
            total = self._tell(found, f"vitrine:rate:{name}:{minute}", untold, total)
        return total

    def _tell(self, found: _Count, key: str, untold: int, total: int) -> int:
        """Add what this process counted to what all have; how many these are, as far as is
        known.
        """
        try:
            all_told = self.shared.incr(key, 2 * MINUTE, untold)
        except (StorageError, RedisError):
            found.tell_at = time.monotonic() + TRY_AGAIN_SECONDS
            return total
        with self.lock:
            found.told = max(found.told, all_told)
            return all_told + found.own


@lru_cache(maxsize=1)
def _counters(url: str) -> _Counters:
    return _Counters(url)


class KeyThrottle(BaseThrottle):
    """So many requests a minute as the key allows; the reply's headers tell what is left."""

    def allow_request(self, request: Request, view) -> bool:
        return request.auth is None or within_rate(request.auth, request._request)

    def wait(self) -> int:
        return seconds_left()


def within_rate(key: ApiKey, request: HttpRequest) -> bool:
    """Count this request, once; may the key still ask?

    `vitrine.rate` of META is what the reply's headers tell.
    """
    if not key.per_minute:
        return True
    if (rate := request.META.get("vitrine.rate")) is not None:
        return rate.used <= key.per_minute
    name = (
        f"{key.pk}:{subscriber_of(request.META['REMOTE_ADDR'])}" if key.is_public else str(key.pk)
    )
    rate = request.META["vitrine.rate"] = Rate(
        key.per_minute, _counters(settings.REDIS_URL).count(name, key.per_minute <= COUNTED_EXACTLY)
    )
    if rate.used <= key.per_minute:
        return True
    telemetry.throttled.inc()
    return False
