"""Errors of calls, by the status of the reply."""

from __future__ import annotations

from .models.problem import Problem
from .models.problem_errors_item import ProblemErrorsItem


class VitrineError(Exception):
    """Base of all errors of this package."""


class Unreachable(VitrineError):
    """No reply came: the connection failed, or the time limit passed, at the last attempt too."""


class ApiError(VitrineError):
    """The reply is an error.

    status: of the reply. problem: what it says; None where the body is no problem, such as the page
    of a proxy
    """

    def __init__(self, status: int, problem: Problem | None, retry_after: float | None) -> None:
        super().__init__(problem.detail if problem else f"status {status}")
        self.status, self.problem, self.retry_after = status, problem, retry_after

    @property
    def errors(self) -> list[ProblemErrorsItem]:
        """The invalid fields of the request, with a message each."""
        return list((self.problem and self.problem.errors) or ())


class BadRequest(ApiError):
    """400: a field or the body is not as described; `errors` names each."""


class Unauthorized(ApiError):
    """401: there is no key, or it is not known, or it has expired."""


class Forbidden(ApiError):
    """403: the key lacks the scope."""


class NotFound(ApiError):
    """404: what the address or a field names is not there."""


class Conflict(ApiError):
    """409: right, but not in the state that things are in; `problem.count` of a purge."""


class TooLarge(ApiError):
    """413: the body is too large."""


class RateLimited(ApiError):
    """429: too many requests with this key; `retry_after` seconds."""


class Unavailable(ApiError):
    """503: the server cannot answer now; `retry_after` seconds."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: RateLimited,
    503: Unavailable,
}


def failure(status: int, problem: Problem | None, retry_after: str | None) -> ApiError:
    """The error of a reply."""
    try:
        seconds = float(retry_after) if retry_after else None
    except ValueError:
        seconds = None
    return BY_STATUS.get(status, ApiError)(status, problem, seconds)
