"""JSON renderer by orjson, several times faster than the standard library."""

import json
from decimal import Decimal
from typing import Any

import orjson
from django.utils.encoding import force_str
from django.utils.functional import Promise
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


class FastJSONRenderer(JSONRenderer):
    """DRF renderer by orjson. Times end in Z; NaN and infinity become null."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: dict | None = None,
    ) -> bytes:
        return b"" if data is None else to_json(data)


class AlwaysJSON(BaseContentNegotiation):
    """DRF content negotiation that always chooses JSON."""

    def select_parser(self, request: Request, parsers: list) -> Any:
        kind = request.content_type or "json"
        return parsers[0] if "json" in kind or kind.startswith("text/plain") else None

    def select_renderer(
        self, request: Request, renderers: list, format_suffix: str | None = None
    ) -> tuple[Any, str]:
        return renderers[0], renderers[0].media_type


def to_json(data: Any) -> bytes:
    try:
        return orjson.dumps(data, default=_other, option=OPTIONS)
    except TypeError:
        return _patiently(data)


def _patiently(data: Any) -> bytes:
    """Render what orjson rejects: lone surrogates become question marks, long integers stay."""
    text = json.dumps(
        data,
        default=lambda value: json.loads(orjson.dumps(value, default=_other, option=OPTIONS)),
        ensure_ascii=False,
    )
    return text.encode("utf-8", "replace")


def _other(value: Any) -> Any:
    if isinstance(value, Decimal | Promise):
        return force_str(value)
    raise TypeError(f"{type(value).__name__} has no JSON")
