"""Stored lists: what batch scoring made for a shopper, told in one question to the database.

The usual request (a whole personal list, without filter or session) is answered from `told`: the first places, their reasons in words once they were
first asked for. Whether each product may still be shown is asked at the same moment.
"""

import threading
from dataclasses import dataclass

import orjson
from django.db import connection

from recommender.models import Shop
from recommender.reasons import Item, put_into_words

TOLD = 30
"""Places kept in `told`."""
SPARE = 4
"""Places beyond those asked for whose reasons are put into words as well, since some may not be shown later."""
QUESTION = """
    SELECT s.id, l.told, ARRAY(
        SELECT p.item_id FROM recommender_product p
        WHERE p.shop_id = s.shop_id AND p.item_id = ANY(l.item_ids[1:$1]) AND NOT p.hidden AND p.stock_state <> 'out_of_stock'
            AND (p.stock_quantity IS NULL OR p.stock_quantity > 0) AND (p.available_from IS NULL OR p.available_from <= statement_timestamp())
            AND (p.available_until IS NULL OR p.available_until > statement_timestamp()))
    FROM recommender_shopper s
    JOIN recommender_recommendationlist l ON l.shopper_id = s.id AND l.version_id = $2 AND l.shopper_revision = s.revision
    WHERE s.shop_id = $3 AND s.user_id = $4 AND s.consent_personalisation"""

_prepared = threading.local()


@dataclass(frozen=True)
class Told:
    """A stored list with reasons; the products that may be shown, in order."""

    shopper_id: int
    items: list[Item]


def told_list(shop_id: int, version_id: int, user_id: str, limit: int, explained: bool) -> Told | None:
    """The first `limit` places; None where the list is out of date, not explained yet, or short of products that may be shown."""
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        _prepare(cursor)
        cursor.execute("EXECUTE told_list(%s, %s, %s, %s)", [min(limit + 2 * SPARE, TOLD), version_id, shop_id, user_id])
        row = cursor.fetchone()
    if row is None:
        return None
    shown, items = set(row[2]), []
    for item_id, score, source, reasons, because in orjson.loads(row[1]):
        if explained and reasons is None:
            return None
        if item_id in shown:
            items.append(Item(item_id, score, source, reasons=reasons if explained else [], history=[because] if because and explained else []))
            if len(items) == limit:
                return Told(row[0], items)
    return None


def _prepare(cursor) -> None:
    """Planned once for each connection: planning takes longer than answering."""
    if getattr(_prepared, "on", None) is not connection.connection:
        cursor.execute(f"PREPARE told_list (int, bigint, bigint, text) AS {QUESTION}")
        _prepared.on = connection.connection


def telling(shop: Shop, items: list[Item]) -> str:
    """What `told` holds of these items: reasons in words of those that were explained."""
    items = items[:TOLD]
    put_into_words(shop, [item for item in items if item.contributions is not None], {})
    rows = [[i.item_id, i.score, i.source, i.reasons if i.contributions is not None else None, i.history[0] if i.history else None] for i in items]
    return orjson.dumps(rows).decode()
