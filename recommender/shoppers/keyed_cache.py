"""Redis keys of shoppers: a keyed digest instead of the id, so that an erased shopper leaves no
name.
"""

import redis
from django.utils.crypto import salted_hmac

from recommender.infrastructure.availability import queue_client


def digest_of(shop_id: int, user_id: str) -> str:
    """The keyed digest of a shopper, 64 hexadecimal digits, for places where the id must not be."""
    return salted_hmac("vitrine.shopper", f"{shop_id}/{user_id}", algorithm="sha256").hexdigest()


def key_of(shop_id: int, digest: str) -> str:
    return f"vitrine:list:{shop_id}:{digest}"


def forget_lists(shop_id: int, digests: list[str]) -> bool:
    """Delete the cached lists of these digests; False where Redis is unreachable (retry later)."""
    try:
        if digests:
            queue_client().delete(*(key_of(shop_id, digest) for digest in digests))
    except redis.RedisError:
        return False
    return True
