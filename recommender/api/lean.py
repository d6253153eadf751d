"""Plain calls of the API, answered ahead of what only pages and unusual calls need."""

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import orjson
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.urls import ResolverMatch, resolve
from rest_framework.exceptions import APIException

from recommender.api.authentication import key_of
from recommender.api.problems import database_gone
from recommender.api.renderers import to_json
from recommender.api.throttles import within_rate
from recommender.middleware import note_unexpected
from recommender.models import Shop
from recommender.reach import UNREACHABLE

PATHS = ("/api/v1/recommendations", "/api/v1/events")
"""Those of LeanViews."""
NOT_PLAIN = (APIException, SuspiciousOperation, orjson.JSONDecodeError, RequestDataTooBig)


class LeanView(Protocol):
    """What a view brings to have its plain calls answered here."""

    scopes: dict[str, str]
    plain_status: int

    @staticmethod
    def plain_reply(shop: Shop, data: dict[str, Any]) -> Callable[[], dict[str, Any]] | None:
        """What makes the reply to this body, None where it is not plain; APIException where it cannot be answered."""


class Lean:
    """Middleware: a POST with a good key and a good body is read, counted and answered here, since the other layers, the search for the view, and
    DRF's request and response cost as much as a stored list.

    What is not plain (another header, a page's origin, a wrong field, a key that asks too often) goes on to the view, which says what is wrong.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        match = _lean_views().get(request.path_info) if request.method == "POST" else None
        response = _plainly(request, match) if match else None
        return self.get_response(request) if response is None else response


@cache
def _lean_views() -> dict[str, ResolverMatch]:
    return {path: resolve(path) for path in PATHS}


def _plainly(request: HttpRequest, match: ResolverMatch) -> HttpResponse | None:
    scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme != "Bearer" or request.content_type != "application/json" or "HTTP_ORIGIN" in request.META:
        return None
    request.resolver_match, view = match, match.func.view_class
    try:
        request.get_host()  # refuses one that is not allowed
        key, data = key_of(secret), orjson.loads(request.body)
        if not key.allows(view.scopes["*"]) or not isinstance(data, dict) or not within_rate(key, request):
            return None
        request.key_prefix = key.prefix
        make = view.plain_reply(key.shop, data)
        return make and _response(make(), view.plain_status)
    except NOT_PLAIN:
        return None
    except UNREACHABLE as error:  # what was asked is not tried twice
        return database_gone(error)
    except Exception as error:
        note_unexpected(request, error)
        raise


def _response(reply: dict[str, Any], status: int) -> HttpResponse:
    body = to_json(reply)
    return HttpResponse(body, status=status, content_type="application/json", headers={"Content-Length": str(len(body))})
