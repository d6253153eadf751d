"""Finished lists in Redis, for the time in which the database does not answer.

Shoppers stand there by a keyed digest, not by name.
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


def keep_lists(shop_id: int, version_id: int, lists: dict[str, list[Item]]) -> None:
    """Keep what was just stored, by user id. Where Redis is gone nothing is kept."""
    try:
        with queue_client().pipeline(transaction=False) as pipe:
            for user_id, items in lists.items():
                value = json.dumps(
                    [version_id, [[getattr(item, name) for name in FIELDS] for item in items]]
                )
                pipe.set(key_of(shop_id, digest_of(shop_id, user_id)), value, ex=DAYS * 86400)
            pipe.execute()
    except redis.RedisError as error:
        log.warning(
            "%d lists were not kept for a time without the database: %s",
            len(lists),
            type(error).__name__,
        )


def kept_list(shop_id: int, user_id: str) -> tuple[int, list[Item]] | None:
    """(version, items) as last kept; None where there is none or Redis does not answer."""
    try:
        value = queue_client().get(key_of(shop_id, digest_of(shop_id, user_id)))
    except redis.RedisError:
        return None
    if value is None:
        return None
    version_id, rows = json.loads(value)
    return version_id, [Item(*row) for row in rows]
