"""Groups of variants (`item_group_id`), cached per shop: lists show one product of a group.

Precomputed lists look here, so that a change of a product costs a query for that product alone.
"""

import threading

from django.db import connection

from recommender.infrastructure.availability import database
from recommender.infrastructure.prepared_statements import Prepared, text_array
from recommender.models import Change

GROUPED = Prepared(
    "grouped_products",
    ("bigint",),
    """SELECT item_id, item_group_id FROM recommender_product
    WHERE shop_id = $1 AND item_group_id <> ''""",
)
GROUPS_OF = Prepared(
    "groups_of_products",
    ("bigint", "text[]"),
    """SELECT item_id, item_group_id FROM recommender_product
    WHERE shop_id = $1 AND item_id = ANY($2) AND item_group_id <> ''""",
)


class VariantGroups:
    """By product its group; products without a group are left out."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._groups: dict[str, str] | None = None
        self._stale: set[str] = set()
        self._generation = 0
        self._lock = threading.Lock()

    def get(self) -> dict[str, str]:
        """The groups as of the last change; while the database is down, the last ones known."""
        if self._groups is not None and not self._stale:
            return self._groups
        if database.gone:
            return self._groups or {}
        with self._lock:
            generation, stale = self._generation, list(self._stale)
            with connection.cursor() as cursor:
                if self._groups is None:
                    GROUPED.execute(cursor, [self.shop_id])
                    groups = dict(cursor.fetchall())
                else:
                    GROUPS_OF.execute(cursor, [self.shop_id, text_array(stale)])
                    groups = self._renewed(stale, dict(cursor.fetchall()))
            if generation == self._generation:
                self._groups, self._stale = groups, self._stale - set(stale)
            return groups

    def _renewed(self, stale: list[str], fresh: dict[str, str]) -> dict[str, str]:
        """The groups with those of changed products; the same object where none moved."""
        if all(self._groups.get(item_id) == fresh.get(item_id) for item_id in stale):
            return self._groups
        kept = set(stale)
        return {i: group for i, group in self._groups.items() if i not in kept} | fresh

    def load(self) -> None:
        self.get()

    def invalidate(self, change: Change) -> None:
        if change.kind != Change.PRODUCT:
            return
        self._generation += 1
        item_ids = change.item_ids()
        if item_ids is None:
            self._groups, self._stale = None, set()
        else:
            self._stale = self._stale | set(item_ids)
