"""Fast path: plain API calls that skip Django's request, middleware, URL resolver and DRF.

These layers cost as much as a precomputed list. A POST with a valid key and body is parsed, counted
and answered here by the view's own functions. Any other call (other headers, a page's origin, an
invalid field, an exceeded rate) goes to the site, which reports what is wrong.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import Any, Protocol

import orjson
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import close_old_connections
from django.http.request import split_domain_port, validate_host
from django.urls import ResolverMatch, resolve
from rest_framework.exceptions import APIException

from recommender.api.http.authentication import key_of
from recommender.api.http.problem_details import UNEXPECTED, database_gone, problem_response
from recommender.api.http.renderers import to_json
from recommender.api.http.throttling import within_rate
from recommender.infrastructure.availability import UNREACHABLE
from recommender.infrastructure.middleware import (
    REPLIES_MAY,
    log_request,
    note_unexpected,
    observed,
)
from recommender.models import ApiKey

PATHS = ("/api/v1/recommendations", "/api/v1/events")
"""Paths of the views with a fast path."""
NOT_PLAIN = (APIException, SuspiciousOperation, orjson.JSONDecodeError)

Reply = tuple[str, list[tuple[str, str]], bytes]
"""Status line, headers, body."""


class LeanView(Protocol):
    """Interface of a view that the fast path can call without DRF."""

    scopes: dict[str, str]
    plain_status: int

    @staticmethod
    def plain_reply(key: ApiKey, data: dict[str, Any]) -> Callable[[], dict[str, Any]] | None:
        """The function that makes the reply to this body; None where the call is not plain.

        Raises APIException where it cannot be answered.
        """


class PlainRequest:
    """The part of Django's request that the fast path needs."""

    method = "POST"
    key_prefix: str | None = None

    def __init__(self, environ: dict[str, Any], match: ResolverMatch) -> None:
        self.META, self.resolver_match = environ, match


def plain_reply(environ: dict[str, Any]) -> Reply | None:
    """The reply to a plain call, observed like any other; None where it is not plain.

    `wsgi.input` is then unread.
    """
    match = _lean_views().get(environ["PATH_INFO"]) if environ["REQUEST_METHOD"] == "POST" else None
    if match is None or not _is_plain(environ):
        return None
    request = PlainRequest(environ, match)
    close_old_connections()  # those that failed in the last request as well
    with observed(environ) as observation:
        answer = _answer(request, environ)
        if answer is None:
            return None
        status, body, headers = answer
        log_request(request, status, observation.seconds)
    given = [*_headers(environ), ("X-Request-ID", observation.request_id), *headers]
    if "vitrine.rate" in environ:
        given += environ["vitrine.rate"].headers().items()
    return _status_line(status), given, body


def _answer(
    request: PlainRequest, environ: dict[str, Any]
) -> tuple[int, bytes, list[tuple[str, str]]] | None:
    view, body = request.resolver_match.func.view_class, environ["wsgi.input"].read()
    environ["wsgi.input"] = BytesIO(body)
    try:
        key, data = key_of(environ["HTTP_AUTHORIZATION"][7:]), orjson.loads(body)
        if (
            not key.allows(view.scopes["*"])
            or not isinstance(data, dict)
            or not within_rate(key, request)
        ):
            return None
        request.key_prefix = key.prefix
        make = view.plain_reply(key, data)
        return make and (view.plain_status, to_json(make()), [("Content-Type", "application/json")])
    except NOT_PLAIN:
        return None
    except UNREACHABLE as error:  # no second attempt by the slow path
        response = database_gone(error)
    except Exception as error:
        note_unexpected(request, error)
        response = problem_response(request, 500, UNEXPECTED)
    return response.status_code, response.content, list(response.headers.items())


def _is_plain(environ: dict[str, Any]) -> bool:
    if (
        not environ.get("HTTP_AUTHORIZATION", "").startswith("Bearer ")
        or environ.get("CONTENT_TYPE") != "application/json"
    ):
        return False
    if (
        "HTTP_ORIGIN" in environ
        or environ.get("QUERY_STRING")
        or int(environ.get("CONTENT_LENGTH") or 0) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    ):
        return False
    insecure = settings.SECURE_SSL_REDIRECT and environ["wsgi.url_scheme"] != "https"
    return not insecure and _is_own_host(
        environ.get("HTTP_HOST", ""), tuple(settings.ALLOWED_HOSTS)
    )


@lru_cache(maxsize=256)
def _is_own_host(host: str, allowed: tuple[str, ...]) -> bool:
    return validate_host(split_domain_port(host)[0], allowed)


@cache
def _lean_views() -> dict[str, ResolverMatch]:
    return {path: resolve(path) for path in PATHS}


@cache
def _status_line(status: int) -> str:
    return f"{status} {HTTPStatus(status).phrase}"


def _headers(environ: dict[str, Any]) -> list[tuple[str, str]]:
    """The headers of Django's security middleware."""
    headers = [
        ("X-Frame-Options", settings.X_FRAME_OPTIONS),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
        ("Cross-Origin-Opener-Policy", settings.SECURE_CROSS_ORIGIN_OPENER_POLICY),
        ("Content-Security-Policy", REPLIES_MAY),
    ]
    if settings.SECURE_HSTS_SECONDS and environ["wsgi.url_scheme"] == "https":
        headers.append(("Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}"))
    return headers
