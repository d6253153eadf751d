"""Stored lists: what batch scoring made for a shopper, told in one question to the database.

The usual request (a whole personal list, without filter or session) is answered from `told`: a line
for each of the first places, which holds the JSON that a served list keeps of it and the JSON that
a reply tells of it but for the position, so that nothing is read or written anew. Its reasons are
in words once they were first asked for. Which of its products may not be shown is asked at the same
moment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import orjson
from django.db import connections

from recommender.infrastructure.prepared_statements import Prepared
from recommender.models import Shop
from recommender.recommendations.explanations import put_into_words
from recommender.serving.items import Item, kept_row, row_of

TOLD = 30
"""Places kept in `told`."""
SPARE = 4
"""Places beyond those asked for whose reasons are put into words as well, since some may not be
shown later.
"""
QUESTION = Prepared(
    "told_list",
    ("int", "bigint", "bigint", "text"),
    """
    SELECT s.id, l.told, l.item_ids[1:$1], ARRAY(
        SELECT p.item_id FROM recommender_product p
        WHERE p.shop_id = s.shop_id AND p.item_id = ANY(l.item_ids[1:$1]) AND p.restricted
            AND (p.hidden OR p.stock_state = 'out_of_stock'
            OR p.stock_quantity <= 0 OR p.available_from > statement_timestamp()
            OR p.available_until <= statement_timestamp())
        UNION ALL
        SELECT g.item_id FROM recommender_goneproduct g WHERE g.shop_id = s.shop_id
            AND g.item_id = ANY(l.item_ids[1:$1]))
    FROM recommender_shopper s
    JOIN recommender_recommendationlist l ON l.shopper_id = s.id AND l.version_id = $2
        AND l.shopper_revision = s.revision
    WHERE s.shop_id = $3 AND s.user_id = $4 AND s.consent_personalisation""",
)

EXPLAINED, PLAIN = "+", "-"
"""What a line begins with: its reasons were put into words, or not yet."""
BETWEEN = "\t"
"""Stands between what is kept and what is told; JSON has it in no text."""


class ToldItems(Sequence[Item]):
    """Places of a stored list: ready for a reply, read only where somebody looks at one."""

    def __init__(self, ids: list[str], rows: list[str], kept_rows: list[str]) -> None:
        self.ids, self.rows, self.kept_rows = ids, rows, kept_rows

    def json(self) -> str:
        """As a reply tells them, all with their reasons."""
        return (
            "["
            + ",".join([f'{{"position":{n},{row[1:]}' for n, row in enumerate(self.rows, 1)])
            + "]"
        )

    def kept(self) -> str:
        """As a served list keeps them, in JSON."""
        return "[" + ",".join(self.kept_rows) + "]"

    def __len__(self) -> int:
        return len(self.rows)

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
    return Item(
        row["item_id"], row["score"], row["source"], reasons=row["reasons"], history=history
    )


@dataclass(frozen=True)
class Told:
    """A stored list; the products that may be shown, in order."""

    shopper_id: int
    items: Sequence[Item]


def told_list(
    shop_id: int, version_id: int, user_id: str, limit: int, explained: bool
) -> Told | None:
    """The first `limit` places; None where the list is out of date, not explained yet, or short
    of products that may be shown.
    """
    connection = connections["default"]
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        QUESTION.ask(cursor, [min(limit + SPARE, TOLD), version_id, shop_id, user_id])
        row = cursor.fetchone()
    if row is None or not row[1]:
        return None
    items = _first(row[2], row[1].split("\n", len(row[2])), row[3], limit, explained)
    return items and Told(
        row[0], items if explained else [Item(i.item_id, i.score, i.source) for i in items]
    )


def _first(
    item_ids: list[str], lines: list[str], left_out: list[str], limit: int, explained: bool
) -> ToldItems | None:
    ids, rows, kept_rows = [], [], []
    for item_id, line in zip(item_ids, lines, strict=False):
        kept, _, told = line.partition(BETWEEN)
        if not told or (explained and line[0] == PLAIN):
            return None
        if item_id not in left_out:
            ids.append(item_id)
            rows.append(told)
            kept_rows.append(kept[1:])
            if len(ids) == limit:
                return ToldItems(ids, rows, kept_rows)
    return None


def telling(shop: Shop, items: list[Item]) -> str:
    """What `told` holds of these items: reasons in words of those that were explained."""
    items = items[:TOLD]
    put_into_words(shop, [item for item in items if item.contributions is not None], {})
    return "\n".join([_line(item) for item in items])


def _line(item: Item) -> str:
    kept, told = orjson.dumps(kept_row(item)).decode(), orjson.dumps(row_of(item)).decode()
    return f"{PLAIN if item.contributions is None else EXPLAINED}{kept}{BETWEEN}{told}"
