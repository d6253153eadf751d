"""Problem details: errors as application/problem+json (RFC 9457), each naming its field."""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from recommender.api.http.parsers import TooLarge
from recommender.api.http.renderers import to_json
from recommender.api.http.throttling import seconds_left
from recommender.infrastructure.availability import QUEUE_GONE, UNREACHABLE, comes_between
from recommender.infrastructure.request_id import request_id
from recommender.ingest import FieldError, Report

log = logging.getLogger(__name__)
T = TypeVar("T")

UNEXPECTED = "Something went wrong here. The log has the details under the request's id."
NO_DATABASE, LATER = "The database does not answer; try again in a moment.", {"Retry-After": "5"}


class Busy(exceptions.APIException):
    """503: concurrent transactions write the same rows; the client should try again."""

    status_code = 503
    default_code = "busy"
    default_detail = "Others write the same rows at this moment; try again."


class NotReady(exceptions.APIException):
    """503: this host is still building what the reply needs; the client should try again."""

    status_code = 503
    default_code = "not_ready"


class TooMany(exceptions.APIException):
    """429: a session has sent too many messages in this minute."""

    status_code = 429
    default_code = "throttled"


def again_when_busy(act: Callable[[], T], tries: int = 4) -> T:
    """Call `act`, and retry after a conflict with a concurrent transaction. Raises Busy."""
    for n in range(tries):
        try:
            return act()
        except (IntegrityError, OperationalError) as error:
            if not comes_between(error):
                raise
            time.sleep(0.02 * 2**n)
    raise Busy


class Conflict(exceptions.APIException):
    """409: the request is valid, but not in the current state of the resource.

    more: further members of the problem, such as a count to confirm
    """

    status_code = 409
    default_code = "conflict"

    def __init__(self, detail: str, more: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.more = more or {}


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return body | ({"errors": errors} if errors else {})


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every error becomes a problem+json reply (RFC 9457)."""
    if isinstance(error, Http404):
        error = exceptions.NotFound(str(error) or None)
    elif isinstance(error, RequestDataTooBig):
        error = TooLarge()
    elif isinstance(error, IntegrityError) or (
        isinstance(error, OperationalError) and comes_between(error)
    ):
        log.warning("rows: %s", type(error).__name__)
        error = Busy()
    elif isinstance(error, UNREACHABLE):
        log.error("database: %s", type(error).__name__)
        return _response(503, NO_DATABASE, headers=LATER)
    elif isinstance(error, QUEUE_GONE):
        log.error("queue: %s", type(error).__name__)
        return _response(503, "The queue does not answer; try again in a moment.", headers=LATER)
    if not isinstance(error, exceptions.APIException):
        return None
    headers = dict(LATER) if isinstance(error, Busy | NotReady) else {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(seconds_left())
    if isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(error.wait)
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if isinstance(error, exceptions.ValidationError):
        errors = list(_flatten(error.detail))
        return _response(
            error.status_code,
            f"{errors[0]['field']}: {errors[0]['message']}"
            if errors
            else "The request is not valid.",
            errors,
            headers,
        )
    response = _response(error.status_code, str(error.detail), headers=headers)
    response.data |= getattr(error, "more", {})
    return response


def _response(
    status: int,
    detail: str,
    errors: list[dict[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    return Response(
        problem(status, detail, errors),
        status=status,
        headers=headers,
        content_type="application/problem+json",
    )


def _flatten(detail: Any, path: str = ""):
    if isinstance(detail, dict):
        for name, inner in detail.items():
            joined = path if name == "non_field_errors" else f"{path}.{name}" if path else str(name)
            yield from _flatten(inner, joined)
    elif isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        for i, inner in enumerate(detail):
            yield from _flatten(inner, f"{path}[{i}]")
    elif isinstance(detail, list):
        for message in detail:
            yield {"field": path or "body", "message": str(message)}
    else:
        yield {"field": path or "body", "message": str(detail)}


def problem_response(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """Build a problem+json response for plain Django views. From 500 on it holds the request id, by
    which the log entry can be found.
    """
    body = problem(status, detail) | ({"request_id": request_id.get()} if status >= 500 else {})
    return HttpResponse(to_json(body), status=status, content_type="application/problem+json")


@csrf_exempt
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """The 404 reply of unknown addresses below /api/."""
    return problem_response(request, 404, f"There is nothing at {request.path}.")


def database_gone(error: Exception) -> HttpResponse:
    """The reply for an unreachable database, outside DRF."""
    log.error("database: %s", type(error).__name__)
    return JsonResponse(
        problem(503, NO_DATABASE),
        status=503,
        headers=LATER,
        content_type="application/problem+json",
    )


def as_sent(field: str) -> str:
    """The REST name of a product column: `stock.state` for `stock_state`."""
    return field.replace("stock_", "stock.", 1) if field.startswith("stock_") else field


def refuse_errors(report: Report) -> None:
    if report.errors:
        raise ValidationError({as_sent(e.field): [e.message] for e in report.errors})


def as_validation_error(error: FieldError) -> ValidationError:
    return ValidationError({error.field: [error.message]})
