"""Error responses outside views: problem+json below /api/, a console page elsewhere."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from recommender.api.http.problem_details import UNEXPECTED, problem_response
from recommender.console.error_pages import error_page


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _reply(request, 400, "The request cannot be read.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _reply(request, 403, str(exception) or "Your account may not do this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _reply(request, 404, f"There is nothing at {request.path}.")


def server_error(request: HttpRequest) -> HttpResponse:
    return _reply(request, 500, UNEXPECTED)


def locked_out(request: HttpRequest, *_: object, **__: object) -> HttpResponse:
    return _reply(
        request,
        429,
        "Too many wrong passwords for this name from here. Try again in a quarter of an hour.",
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _reply(
        request,
        403,
        f"This form is too old, or its cookie was not sent. Load the page again. ({reason})",
    )


def _reply(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    make: Callable[..., HttpResponse] = (
        problem_response if request.path.startswith("/api/") else error_page
    )
    return make(request, status, detail)
