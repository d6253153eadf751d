"""The client: a method per operation, typed errors, retries, batches of events, pages."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from types import ModuleType, TracebackType
from typing import Any

import httpx

from .batching import EventBatch
from .client import AuthenticatedClient
from .failures import Unreachable, VitrineError, failure
from .models.problem import Problem
from .operations import Operations
from .transport import Repeating
from .types import UNSET, Unset
from .version import __version__


class Vitrine(Operations):
    """The REST API of a Vitrine server, with the key of a shop.

    timeout: seconds of an attempt. retries: attempts after the first, of calls that may be repeated
    """

    def __init__(self, base_url: str, key: str, *, timeout: float = 10.0, retries: int = 3) -> None:
        transport = Repeating(httpx.HTTPTransport(), retries)
        self.client = AuthenticatedClient(
            base_url=base_url.rstrip("/"),
            token=key,
            timeout=httpx.Timeout(timeout),
            headers={"user-agent": f"vitrine-client-python/{__version__}"},
            httpx_args={"transport": transport},
        )

    def _call(self, operation: ModuleType, body_type: type | None = None, **arguments: Any) -> Any:
        body = arguments.get("body", UNSET)
        if isinstance(body, Mapping) and body_type is not None:
            arguments["body"] = _Json(body)
        if isinstance(arguments.get("idempotency_key"), Unset):
            arguments["idempotency_key"] = str(uuid.uuid4())
        given = {name: value for name, value in arguments.items() if value is not UNSET}
        request = operation._get_kwargs(**given)
        if isinstance(body, Mapping):
            request["content"] = _json_bytes(request.pop("json"))
        if any(part in (".", "..") for part in request["url"].split("/")):
            raise VitrineError("the ids . and .. cannot stand in an address; send them in a batch")
        try:
            response = self.client.get_httpx_client().request(**request)
        except httpx.TransportError as error:
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        if response.status_code >= 300:
            problem = _problem(response)
            raise failure(response.status_code, problem, response.headers.get("retry-after"))
        try:
            return operation._parse_response(client=self.client, response=response)
        except (ValueError, KeyError, TypeError) as error:
            raise VitrineError(f"the reply is not one of Vitrine: {error!r}") from error

    def events(self, size: int = 500, seconds: float = 1.0) -> EventBatch:
        """A batch of events, to be used as a context manager."""
        return EventBatch(lambda events: self.send_events({"events": events}), size, seconds)

    def pages(
        self, list_method: Callable[..., Any], *arguments: Any, **query: Any
    ) -> Iterator[Any]:
        """All rows of a collection, such as `shop.pages(shop.list_items, filter_="price < 20")`."""
        cursor: str | Unset | None = UNSET
        while cursor is not None:
            page = list_method(*arguments, cursor=cursor, **query)
            yield from page.items
            cursor = page.next_cursor

    def close(self) -> None:
        self.client.get_httpx_client().close()

    def __enter__(self) -> Vitrine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Json:
    """A body given as a dictionary, which the generated function takes for a model."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self.value = value

    def to_dict(self) -> Mapping[str, Any]:
        return self.value


def _json_bytes(value: Any) -> bytes:
    """JSON of a body; dates and decimals are written as the API takes them.

    Raises VitrineError for what JSON cannot hold.
    """
    try:
        return json.dumps(value, default=_text_of, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise VitrineError(f"the body is no JSON: {error}") from error


def _text_of(value: Any) -> str:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.astimezone()).isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _problem(response: httpx.Response) -> Problem | None:
    """The problem of an error; None where the body is none, such as the page of a proxy."""
    try:
        return Problem.from_dict(response.json())
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
