"""Pagination: the page token `next` of a list.

A signed token that holds the request and the products shown so far, so that any process makes the
next page without a repeat.
"""

import hashlib
import hmac
from datetime import timedelta
from functools import cache, cached_property

import orjson
from django.core import signing

from recommender.models import Shop
from recommender.recommendations.requests import ListRequest, ListResult
from recommender.serving.shop_state import state_of

SALT = "vitrine.next"
VALID = timedelta(hours=24)
FIELDS = (
    "limit",
    "user_id",
    "session_id",
    "item_ids",
    "filter",
    "params",
    "diversity",
    "elsewhere",
    "context",
    "rules",
    "min_score",
    "rotation",
    "rotation_hours",
)
"""Fields of a request that its token holds."""
LONGEST_LIST = 2000
"""Products of one list, all pages together."""
COMPRESSED_FROM = 50
"""Number of shown products from which on a token is compressed."""


class _Serializer:
    dumps, loads = staticmethod(orjson.dumps), staticmethod(orjson.loads)


class InvalidPageToken(ValueError):
    """The token is not of this shop, damaged, or expired; the message says which."""


def page_token(shop: Shop, request: ListRequest, result: ListResult) -> str | None:
    """The token of the next page; None where the list has ended."""
    shown = [*request.shown, *result.item_ids]
    if len(result.items) < request.limit or len(shown) >= LONGEST_LIST:
        return None
    fields = {name: getattr(request, name) for name in FIELDS}
    key = request.placement and request.placement.key
    content = [shop.pk, result.recommendation_id, key, shown, fields]
    compress = len(shown) > COMPRESSED_FROM
    return _signer().sign_object(content, serializer=_Serializer, compress=compress)


class _Signer(signing.TimestampSigner):
    """Django's signatures, with the key derived once."""

    @cached_property
    def derived(self) -> bytes:
        return hashlib.sha256((self.salt + "signer" + self.key).encode()).digest()

    def signature(self, value: str, key: str | None = None) -> str:
        if key not in (None, self.key):  # a fallback key
            return super().signature(value, key)
        return signing.b64_encode(hmac.digest(self.derived, value.encode(), "sha256")).decode()


@cache
def _signer() -> signing.TimestampSigner:
    return _Signer(salt=SALT)


def request_of(shop: Shop, token: str, limit: int | None, explain: str) -> ListRequest:
    """Decode a page token into the request for the next page. Raises InvalidPageToken."""
    try:
        content = _signer().unsign_object(token, serializer=_Serializer, max_age=VALID)
    except signing.SignatureExpired:
        raise InvalidPageToken("has expired after a day; request a new list") from None
    except signing.BadSignature:
        raise InvalidPageToken("invalid token") from None
    shop_id, recommendation_id, key, shown, fields = content
    placement = state_of(shop).placement(key) if key else None
    if shop_id != shop.pk or (key and placement is None):
        raise InvalidPageToken("invalid token")
    for name in ("item_ids", "elsewhere", "rules"):
        fields[name] = tuple(fields[name])
    fields["limit"] = limit or fields["limit"]
    return ListRequest(
        placement,
        explain=explain,
        shown=tuple(shown),
        recommendation_id=recommendation_id,
        **fields,
    )
