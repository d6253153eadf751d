"""Precomputed lists: what batch scoring made for a shopper, read by one SQL query.

The usual request (a whole personal list, without filter or session) is answered from the column
`rendered`: one line per item, which holds the exposure-log form and the API form as JSON, so that
nothing is parsed or serialized per request. Reasons are rendered at the first request for them.
The same query checks the shopper's revision and the eligibility of the items.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import orjson
from django.db import connections

from recommender.infrastructure.prepared_statements import Prepared
from recommender.models import Shop
from recommender.models.eligibility import INELIGIBLE_SQL
from recommender.recommendations.explanations import put_into_words
from recommender.serving.items import Item, api_row, exposure_row

RENDERED = 30
"""Number of items in `rendered`."""
SPARE = 4
"""Items beyond the limit that are rendered and explained too, because some may be ineligible."""
QUERY = Prepared(
    "precomputed_list",
    ("int", "bigint", "bigint", "text"),
    f"""
    SELECT s.id, l.rendered, l.item_ids[1:$1], ARRAY(
        SELECT p.item_id FROM recommender_product p
        WHERE p.shop_id = s.shop_id AND p.item_id = ANY(l.item_ids[1:$1]) AND {INELIGIBLE_SQL}
        UNION ALL
        SELECT g.item_id FROM recommender_goneproduct g
        WHERE g.shop_id = s.shop_id AND g.item_id = ANY(l.item_ids[1:$1]))
    FROM recommender_shopper s
    JOIN recommender_recommendationlist l ON l.shopper_id = s.id AND l.version_id = $2
        AND l.shopper_revision = s.revision
    WHERE s.shop_id = $3 AND s.user_id = $4 AND s.consent_personalisation""",
)

EXPLAINED, PLAIN = "+", "-"
"""First character of a line: whether its reasons are rendered."""
SEPARATOR = "\t"
"""Between the two forms of a line; JSON contains no tab."""


class RenderedItems(Sequence[Item]):
    """Items of a precomputed list as rendered JSON; `Item` objects are created on access."""

    def __init__(self, ids: list[str], api_rows: list[str], exposure_rows: list[str]) -> None:
        self.ids, self.api_rows, self.exposure_rows = ids, api_rows, exposure_rows

    def json(self, variants: Mapping[str, str] = MappingProxyType({})) -> str:
        """JSON of the items in the API reply, with reasons.

        variants: by product the variant to link to
        """
        rows = [f'{{"position":{n},{row[1:]}' for n, row in enumerate(self.api_rows, 1)]
        if variants:
            rows = [
                f'{row[:-1]},"variant_id":{orjson.dumps(variants[item_id]).decode()}}}'
                if item_id in variants
                else row
                for item_id, row in zip(self.ids, rows, strict=True)
            ]
        return "[" + ",".join(rows) + "]"

    def exposures(self) -> str:
        """JSON of the items in the exposure log."""
        return "[" + ",".join(self.exposure_rows) + "]"

    def __len__(self) -> int:
        return len(self.api_rows)

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
class PrecomputedList:
    """The eligible items of a shopper's precomputed list, in order."""

    shopper_id: int
    items: Sequence[Item]


def precomputed_list(
    shop_id: int,
    version_id: int,
    user_id: str,
    limit: int,
    explained: bool,
    groups: Mapping[str, str] = MappingProxyType({}),
) -> PrecomputedList | None:
    """The first `limit` eligible items; None where the list is outdated, too short or unexplained.

    groups: by product its group of variants, of which the first counts. Raises the errors of the
    database.
    """
    connection = connections["default"]
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        QUERY.execute(cursor, [min(limit + SPARE, RENDERED), version_id, shop_id, user_id])
        row = cursor.fetchone()
    if row is None or not row[1]:
        return None
    shopper_id, rendered, item_ids, ineligible = row
    lines = rendered.split("\n", len(item_ids))
    if groups:
        ineligible += _repeated(item_ids, groups, set(ineligible))
    items = _first(item_ids, lines, ineligible, limit, explained)
    if items and not explained:
        items = [Item(item.item_id, item.score, item.source) for item in items]
    return items and PrecomputedList(shopper_id, items)


def _repeated(item_ids: list[str], groups: Mapping[str, str], ineligible: set[str]) -> list[str]:
    """Those of the products whose group an eligible one before them has."""
    repeated, seen = [], set()
    for item_id in item_ids:
        group = groups.get(item_id)
        if group is None or item_id in ineligible:
            continue
        if group in seen:
            repeated.append(item_id)
        seen.add(group)
    return repeated


def _first(
    item_ids: list[str], lines: list[str], ineligible: list[str], limit: int, explained: bool
) -> RenderedItems | None:
    ids, api_rows, exposure_rows = [], [], []
    for item_id, line in zip(item_ids, lines, strict=False):
        exposure, _, api = line.partition(SEPARATOR)
        if not api or (explained and line[0] == PLAIN):
            return None
        if item_id not in ineligible:
            ids.append(item_id)
            api_rows.append(api)
            exposure_rows.append(exposure[1:])
            if len(ids) == limit:
                return RenderedItems(ids, api_rows, exposure_rows)
    return None


def render(shop: Shop, items: list[Item]) -> str:
    """The column `rendered` for these items, with the reasons of those that were explained."""
    items = items[:RENDERED]
    put_into_words(shop, [item for item in items if item.contributions is not None], {})
    return "\n".join([_line(item) for item in items])


def _line(item: Item) -> str:
    exposure = orjson.dumps(exposure_row(item)).decode()
    api = orjson.dumps(api_row(item)).decode()
    mark = PLAIN if item.contributions is None else EXPLAINED
    return f"{mark}{exposure}{SEPARATOR}{api}"
