"""Fallback cache: the last list of each shopper in Redis, for a time without the database.

Keys hold a keyed digest of the shopper, not the id.
"""

import json
import logging

import redis

from recommender.infrastructure.availability import queue_client
from recommender.serving.items import Item
from recommender.shoppers.keyed_cache import digest_of, key_of

log = logging.getLogger(__name__)

DAYS = 14
FIELDS = ("item_id", "score", "source")


def store_last_lists(shop_id: int, version_id: int, lists: dict[str, list[Item]]) -> None:
    """Store lists by user id for DAYS. Logs a warning where Redis is unreachable."""
    try:
        with queue_client().pipeline(transaction=False) as pipe:
            for user_id, items in lists.items():
                rows = [[getattr(item, name) for name in FIELDS] for item in items]
                key = key_of(shop_id, digest_of(shop_id, user_id))
                pipe.set(key, json.dumps([version_id, rows]), ex=DAYS * 86400)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("%d last lists were not cached: %s", len(lists), type(error).__name__)


def last_list_of(shop_id: int, user_id: str) -> tuple[int, list[Item]] | None:
    """(version, items) as last stored; None where there is none or Redis is unreachable."""
    try:
        value = queue_client().get(key_of(shop_id, digest_of(shop_id, user_id)))
    except redis.RedisError:
        return None
    if value is None:
        return None
    version_id, rows = json.loads(value)
    return version_id, [Item(*row) for row in rows]
