"""JSON parser: an object, valid UTF-8, no NaN, within the size limit."""

import json
from typing import Any

import orjson
from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

from recommender.ingest.parsing import depth_exceeds

DEEPEST_BODY = 400
"""Nesting depth that Python can still serialize; fields have narrower limits."""


class TooLarge(APIException):
    status_code = 413
    default_detail = (
        f"The body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20} MB; send "
        "smaller batches."
    )
    default_code = "too_large"


class StrictJSONParser(JSONParser):
    def parse(self, stream, media_type=None, parser_context=None):
        body = stream.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)
        if len(body) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise TooLarge
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            data = _patiently(body)
        if not isinstance(data, dict):
            raise ParseError("The body must be a JSON object.")
        if depth_exceeds(data, DEEPEST_BODY):
            raise ParseError(f"The body is nested deeper than {DEEPEST_BODY} levels.")
        return data


def _patiently(body: bytes) -> Any:
    """Parse what the fast parser rejects, so that numbers out of range are reported by field."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise ParseError(f"The body is not UTF-8: {error}") from None
    except (ValueError, RecursionError) as error:
        raise ParseError(f"The body is not JSON: {error}") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")
