"""The `next` of a list: a signed token that knows what was asked and what was shown, so that
any process goes on without a repeat.
"""

import hashlib
import hmac
from datetime import timedelta
from functools import cache, cached_property

import orjson
from django.core import signing

from recommender.models import Shop
from recommender.recommendations.requests import Ask, Listing
from recommender.serving.shop_state import state_of

SALT = "vitrine.next"
VALID = timedelta(hours=24)
KEPT = (
    "limit",
    "user_id",
    "session_id",
    "item_ids",
    "filter",
    "params",
    "diversity",
    "elsewhere",
    "context",
)
LONGEST = 2000
"""Products of one list, all its parts together."""
COMPRESSED_FROM = 50


class _Serializer:
    dumps, loads = staticmethod(orjson.dumps), staticmethod(orjson.loads)


class CannotContinue(ValueError):
    """The token is none of this shop's, or too old; the message says which."""


def next_of(shop: Shop, ask: Ask, listing: Listing) -> str | None:
    """The token for what comes after this part; None where nothing can."""
    shown = [*ask.shown, *listing.item_ids]
    if len(listing.items) < ask.limit or len(shown) >= LONGEST:
        return None
    asked = {name: getattr(ask, name) for name in KEPT}
    told = [shop.pk, listing.recommendation_id, ask.placement and ask.placement.key, shown, asked]
    return _signer().sign_object(
        told, serializer=_Serializer, compress=len(shown) > COMPRESSED_FROM
    )


class _Signer(signing.TimestampSigner):
    """Django's signatures, of a key that is derived once."""

    @cached_property
    def derived(self) -> bytes:
        return hashlib.sha256((self.salt + "signer" + self.key).encode()).digest()

    def signature(self, value: str, key: str | None = None) -> str:
        if key not in (None, self.key):  # one that was in use before
            return super().signature(value, key)
        return signing.b64_encode(hmac.digest(self.derived, value.encode(), "sha256")).decode()


@cache
def _signer() -> signing.TimestampSigner:
    return _Signer(salt=SALT)


def continued(shop: Shop, token: str, limit: int | None, explain: str) -> Ask:
    """What the next part of a list is asked for. Raises CannotContinue."""
    try:
        told = _signer().unsign_object(token, serializer=_Serializer, max_age=VALID)
    except signing.SignatureExpired:
        raise CannotContinue("is older than a day; ask for a new list") from None
    except signing.BadSignature:
        raise CannotContinue("is not the next of a list") from None
    shop_id, recommendation_id, key, shown, asked = told
    placement = state_of(shop).placement(key) if key else None
    if shop_id != shop.pk or (key and placement is None):
        raise CannotContinue("is not the next of a list")
    for name in ("item_ids", "elsewhere"):
        asked[name] = tuple(asked[name])
    asked["limit"] = limit or asked["limit"]
    return Ask(
        placement, explain=explain, shown=tuple(shown), recommendation_id=recommendation_id, **asked
    )
