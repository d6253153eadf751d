"""Middleware: request ids, metrics, access log, Content-Security-Policy.

Logs hold nothing that identifies a person (ids in paths, bodies, addresses).
"""

import logging
import os
import re
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django_htmx.middleware import HtmxMiddleware

from recommender.infrastructure import telemetry
from recommender.infrastructure.availability import spare_health_checks
from recommender.infrastructure.request_id import request_id

log = logging.getLogger("vitrine.access")

HEADER, IN_META = "X-Request-ID", "HTTP_X_REQUEST_ID"
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass
class Observation:
    """A request in progress: its id and its start time."""

    request_id: str
    begun: float

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.begun


@contextmanager
def observed(meta: Mapping[str, Any]) -> Iterator[Observation]:
    """Context manager: the request id of log lines, the caller's where it is well formed."""
    given = meta.get(IN_META, "")
    new_id = given if WELL_FORMED.fullmatch(given) else os.urandom(16).hex()
    token = request_id.set(new_id)
    spare_health_checks()
    try:
        yield Observation(new_id, time.perf_counter())
    finally:
        request_id.reset(token)


class Observed:
    """Adds the request id to replies; counts and times requests by route; writes the access log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with observed(request.META) as observation:
            response = self.get_response(request)
            log_request(request, response.status_code, observation.seconds)
        if rate := request.META.get("vitrine.rate"):
            for name, value in rate.headers().items():
                response.headers[name] = value
        response.headers[HEADER] = observation.request_id
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> None:
        note_unexpected(request, error)


@lru_cache(maxsize=1000)
def _measures(method: str, route: str, status: int) -> tuple[Any, Any]:
    """The counter and the histogram of these labels, cached, because a lookup costs more than a
    count.
    """
    return telemetry.requests.labels(method, route, status), telemetry.request_seconds.labels(route)


def log_request(request: HttpRequest, status: int, seconds: float) -> None:
    """Count and time a request by its route, and write a line to the access log."""
    route = _route(request)
    count, time_taken = _measures(request.method, route, status)
    count.inc()
    time_taken.observe(seconds)
    level = logging.WARNING if status >= 500 else logging.INFO
    if log.isEnabledFor(level):
        fields = {
            "method": request.method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 1),
        }
        log.log(level, "request", extra=fields | {"key": getattr(request, "key_prefix", None)})


def note_unexpected(request: HttpRequest, error: Exception) -> None:
    """Log an unexpected error with its place in the code.

    A database error's message holds values of rows, so it is left out.
    """
    words = "" if isinstance(error, DatabaseError) else str(error)
    trace = "".join(traceback.format_tb(error.__traceback__))
    log.error(
        "%s: %s",
        type(error).__name__,
        words,
        extra={"method": request.method, "route": _route(request), "trace": trace},
    )


def _route(request: HttpRequest) -> str:
    return request.resolver_match.route if request.resolver_match else "none"


PAGES_MAY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' https: data:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""CSP of console pages: scripts from own files only. Alpine and HTMX evaluate attributes."""
REPLIES_MAY = "default-src 'none'; frame-ancestors 'none'"
"""CSP of API replies, which load nothing."""


class ContentSecurity:
    """Adds the Content-Security-Policy header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault(
            "Content-Security-Policy",
            REPLIES_MAY if request.path_info.startswith("/api/v1/") else PAGES_MAY,
        )
        return response


class _Pages:
    """Wraps a middleware that only pages need; API calls, which have keys and no sessions,
    skip it.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/v1/"):
            return self.get_response(request)
        return super().__call__(request)


class Sessions(_Pages, SessionMiddleware):
    pass


class Forgery(_Pages, CsrfViewMiddleware):
    pass


class SignedIn(_Pages, AuthenticationMiddleware):
    pass


class Messages(_Pages, MessageMiddleware):
    pass


class Htmx(_Pages, HtmxMiddleware):
    pass
