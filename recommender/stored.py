"""Stored lists: what batch scoring made for a shopper, told in one question to the database.

The usual request (a whole personal list, without filter or session) is answered from `told`: a line for each of the first places, which is the JSON
that a reply tells of it but for the position. Its reasons are in words once they were first asked for. Whether each product may still be shown is
asked at the same moment.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import orjson
from django.db import connection

from recommender.models import Shop
from recommender.reasons import Item, put_into_words, row_of

TOLD = 30
"""Places kept in `told`."""
SPARE = 4
"""Places beyond those asked for whose reasons are put into words as well, since some may not be shown later."""
QUESTION = """
    SELECT s.id, l.told, l.item_ids[1:$1], ARRAY(
        SELECT p.item_id FROM recommender_product p
        WHERE p.shop_id = s.shop_id AND p.item_id = ANY(l.item_ids[1:$1]) AND NOT p.hidden AND p.stock_state <> 'out_of_stock'
            AND (p.stock_quantity IS NULL OR p.stock_quantity > 0) AND (p.available_from IS NULL OR p.available_from <= statement_timestamp())
            AND (p.available_until IS NULL OR p.available_until > statement_timestamp()))
    FROM recommender_shopper s
    JOIN recommender_recommendationlist l ON l.shopper_id = s.id AND l.version_id = $2 AND l.shopper_revision = s.revision
    WHERE s.shop_id = $3 AND s.user_id = $4 AND s.consent_personalisation"""

_prepared = threading.local()


EXPLAINED, PLAIN = "+", "-"
"""What a line begins with: its reasons were put into words, or not yet."""


class ToldItems(Sequence[Item]):
    """Places of a stored list: ready for a reply, read only where somebody looks at one."""

    def __init__(self, ids: list[str], lines: list[str]) -> None:
        self.ids, self.lines = ids, lines

    def json(self) -> str:
        """As a reply tells them, all with their reasons."""
        return "[" + ",".join([f'{{"position":{n},{line[2:]}' for n, line in enumerate(self.lines, 1)]) + "]"

    def kept(self) -> list[dict]:
        """As a served list keeps them."""
        rows = orjson.loads(self.json())
        return [{"item_id": r["item_id"], "source": r["source"], "reason": r["reasons"][0]["kind"] if r["reasons"] else None} for r in rows]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index):
        return self._items[index]

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    @cached_property
    def _items(self) -> list[Item]:
        return [_item(row) for row in orjson.loads(self.json())]


def _item(row: dict) -> Item:
    because = row["because"]
    history = [[because["item_id"], because["share"]]] if because else []
    return Item(row["item_id"], row["score"], row["source"], reasons=row["reasons"], history=history)


@dataclass(frozen=True)
class Told:
    """A stored list; the products that may be shown, in order."""

    shopper_id: int
    items: Sequence[Item]


def told_list(shop_id: int, version_id: int, user_id: str, limit: int, explained: bool) -> Told | None:
    """The first `limit` places; None where the list is out of date, not explained yet, or short of products that may be shown."""
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        _prepare(cursor)
        cursor.execute("EXECUTE told_list(%s, %s, %s, %s)", [min(limit + 2 * SPARE, TOLD), version_id, shop_id, user_id])
        row = cursor.fetchone()
    if row is None or not row[1]:
        return None
    shown, ids, lines = set(row[3]), [], []
    for item_id, line in zip(row[2], row[1].split("\n", len(row[2])), strict=False):
        if line[:1] not in (EXPLAINED, PLAIN) or (explained and line[0] == PLAIN):
            return None
        if item_id in shown:
            ids.append(item_id)
            lines.append(line)
            if len(lines) == limit:
                items = ToldItems(ids, lines)
                return Told(row[0], items if explained else [Item(i.item_id, i.score, i.source) for i in items])
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
    return "\n".join([(PLAIN if item.contributions is None else EXPLAINED) + orjson.dumps(row_of(item)).decode() for item in items])
