"""Deprecation of names: the header of replies that still hold one (RFC 9745)."""

from datetime import UTC, datetime

from rest_framework.response import Response

SINCE = {"models": datetime(2026, 11, 29, tzinfo=UTC)}
"""Deprecated names, and since when; docs/rest.md says what replaces each."""


def deprecated(response: Response, name: str) -> Response:
    """Mark a reply that still holds a deprecated name."""
    response.headers["Deprecation"] = f"@{SINCE[name].timestamp():.0f}"
    return response
