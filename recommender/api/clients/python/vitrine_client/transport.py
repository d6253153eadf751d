"""HTTP transport that repeats what may be repeated: after 429, 503, and lost connections."""

from __future__ import annotations

import random
import time

import httpx

REPEATED = frozenset({429, 502, 503, 504})
READING = ("/rerank", "/predictions", "/events", "/collect", ":batch", ":delete")
"""Ends of paths of POSTs that change nothing, or nothing more when they are repeated."""
FIRST_WAIT, LONGEST_WAIT = 0.25, 30.0


def may_repeat(request: httpx.Request) -> bool:
    """Whether a request has the same effect when it is sent twice."""
    if request.method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        return True
    path = request.url.path
    return (
        "idempotency-key" in request.headers or "/recommendations" in path or path.endswith(READING)
    )


class Repeating(httpx.BaseTransport):
    """Sends a request up to `retries` times more, with growing pauses or as Retry-After says."""

    def __init__(self, inner: httpx.BaseTransport, retries: int) -> None:
        self.inner, self.retries = inner, retries

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        attempts = 1 + (self.retries if may_repeat(request) else 0)
        for attempt in range(1, attempts + 1):
            try:
                response = self.inner.handle_request(request)
                response.read()
            except httpx.TransportError:
                if attempt == attempts:
                    raise
                wait = pause(attempt, None)
            else:
                if attempt > 1 and request.method == "DELETE" and response.status_code == 404:
                    return httpx.Response(204, request=request)  # the lost reply was a deletion
                if response.status_code not in REPEATED or attempt == attempts:
                    return response
                response.close()
                wait = pause(attempt, response.headers.get("retry-after"))
            time.sleep(wait)
        raise AssertionError("unreachable")

    def close(self) -> None:
        self.inner.close()


def pause(attempt: int, retry_after: str | None) -> float:
    """Seconds until the next attempt: what the reply says, else a doubling, jittered pause."""
    try:
        return min(float(retry_after or ""), LONGEST_WAIT)
    except ValueError:
        return min(FIRST_WAIT * 2 ** (attempt - 1), LONGEST_WAIT) * random.uniform(0.5, 1.0)
