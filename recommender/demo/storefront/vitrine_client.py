"""The storefront's client of the REST API."""

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings

SECONDS = 10


class ShopUnavailable(RuntimeError):
    """The API is unreachable or replied with an error; `status` is 0 where it is unreachable."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True)
class Access:
    """Address of the API, a reading key, a public key for the pages, and some shoppers."""

    base_url: str
    api_key: str
    public_key: str
    user_ids: tuple[str, ...]


def access() -> Access:
    """Read address and keys of the API from VITRINE_URL, VITRINE_KEY and VITRINE_PUBLIC_KEY, else
    from the demo's file.
    """
    if url := os.environ.get("VITRINE_URL"):
        return Access(
            url.rstrip("/"), os.environ["VITRINE_KEY"], os.environ.get("VITRINE_PUBLIC_KEY", ""), ()
        )
    path = settings.VITRINE_HOME / "demo.json"
    return _of_demo(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _of_demo(path: Path, _: int) -> Access:
    demo = json.loads(path.read_text())
    return Access(demo["base_url"], demo["api_key"], demo["public_key"], tuple(demo["user_ids"]))


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call the REST API below /api/v1 and return the reply. Raises ShopUnavailable."""
    who = access()
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {who.api_key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{who.base_url}/api/v1/{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as error:
        raise ShopUnavailable(
            error.code, json.loads(error.read() or b"{}").get("detail", "")
        ) from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise ShopUnavailable(0, str(error)) from None


def product(item_id: str) -> dict[str, Any] | None:
    """Fetch a product; None where it does not exist."""
    try:
        return call("GET", f"items/{quote(item_id, safe='')}")
    except ShopUnavailable as error:
        if error.status == 404:
            return None
        raise


def page_lists(visitor: dict[str, Any], placements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fetch the lists of a page, without repeated products."""
    return call(
        "POST", "recommendations:page", {"placements": placements, "hydrate": True, **visitor}
    )["lists"]


def make_carousels(
    visitor: dict[str, Any], rows: int, limit: int, elsewhere: list[str]
) -> list[dict[str, Any]]:
    return call(
        "POST",
        "recommendations:rows",
        {"rows": rows, "limit": limit, "elsewhere": elsewhere, "hydrate": True, **visitor},
    )["rows"]
