"""Rate limits per API key, counted over all processes in Redis, or in this process while it is
gone.

A process counts locally and reports to Redis a few times a second, so that counting does not slow
requests.
"""

import hashlib
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
"""Keys with a smaller limit per minute are counted in Redis at every request."""
TRY_AGAIN_SECONDS = 5.0


@dataclass(frozen=True)
class Rate:
    """Rate limit state of an API key in the current minute."""

    limit: int
    used: int

    def headers(self) -> dict[str, str]:
        """The RateLimit-* header fields (IETF draft)."""
        left = str(max(0, self.limit - self.used))
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": left,
            "RateLimit-Reset": str(seconds_left()),
        }


def seconds_left() -> int:
    """Seconds left in the current minute."""
    return math.ceil(MINUTE - time.time() % MINUTE)


@dataclass
class _Count:
    """Requests of a key in one minute: the total reported by all processes, and this process's
    since.
    """

    reported: int = 0
    own: int = 0
    tell_at: float = 0.0


class _Counters:
    """Requests by key in the current minute."""

    def __init__(self, url: str) -> None:
        self.shared = storage_from_string(
            url.replace("redis+socket://", "redis+unix://"), wrap_exceptions=True
        )
        self.minute = -1
        self.counts: dict[str, _Count] = {}
        self.lock = threading.Lock()

    def count(self, name: str, exactly: bool) -> int:
        """Count one request; returns the total so far.

        exactly: read the current total of other processes instead of a recent one
        """
        minute, now = int(time.time() // MINUTE), time.monotonic()
        with self.lock:
            if minute != self.minute:
                self.minute, self.counts = minute, {}
            counter = self.counts.setdefault(name, _Count())
            counter.own += 1
            total, unreported, due = (
                counter.reported + counter.own,
                counter.own,
                now >= counter.tell_at,
            )
            if due:
                counter.tell_at = now + (0 if exactly else TELL_SECONDS)
                counter.own = 0
                counter.reported = total
        if due:
            total = self._tell(counter, f"vitrine:rate:{name}:{minute}", unreported, total)
        return total

    def _tell(self, counter: _Count, key: str, unreported: int, total: int) -> int:
        """Report the local count; returns the total of all processes, as far as it is known."""
        try:
            all_reported = self.shared.incr(key, 2 * MINUTE, unreported)
        except (StorageError, RedisError):
            counter.tell_at = time.monotonic() + TRY_AGAIN_SECONDS
            return total
        with self.lock:
            counter.reported = max(counter.reported, all_reported)
            return all_reported + counter.own


@lru_cache(maxsize=1)
def _counters(url: str) -> _Counters:
    return _Counters(url)


class KeyThrottle(BaseThrottle):
    """DRF throttle: the key's requests per minute; sets the rate-limit headers."""

    def allow_request(self, request: Request, view) -> bool:
        return request.auth is None or within_rate(request.auth, request._request)

    def wait(self) -> int:
        return seconds_left()


def within_rate(key: ApiKey, request: HttpRequest) -> bool:
    """Count this request once; returns whether it is within the limit."""
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


def within_session_rate(shop_id: int, session_id: str, per_minute: int) -> bool:
    """Count one message of a session; returns whether it is within the limit."""
    digest = hashlib.sha256(session_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    name = f"session:{shop_id}:{digest}"
    return _counters(settings.REDIS_URL).count(name, exactly=True) <= per_minute
