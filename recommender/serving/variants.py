"""Variants in requests and replies: ids of variants name their product, and a list says which
variant of a product to link to.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from django.db import connection

from recommender.catalog import product_names
from recommender.infrastructure.availability import UNREACHABLE, database
from recommender.infrastructure.prepared_statements import Prepared, text_array
from recommender.models import Change, Shop
from recommender.models.eligibility import can_be_bought
from recommender.serving.shop_state import register_part, state_of

WITH_VARIANTS = Prepared(
    "with_variants",
    ("bigint", "text[]"),
    """SELECT item_id, id, variants::text FROM recommender_product
    WHERE shop_id = $1 AND item_id = ANY($2) AND variants <> '[]'""",
)
OF_SHOPPER = Prepared(
    "variants_of_shopper",
    ("bigint", "bigint[]"),
    """SELECT DISTINCT ON (product_id) product_id, variant_id FROM recommender_event
    WHERE shopper_id = $1 AND product_id = ANY($2) AND variant_id IS NOT NULL AND NOT simulated
    ORDER BY product_id, type = 'purchase' DESC, occurred_at DESC""",
)
OF_SESSION = Prepared(
    "variants_of_session",
    ("bigint", "text", "bigint[]"),
    """SELECT DISTINCT ON (product_id) product_id, variant_id FROM recommender_event
    WHERE shop_id = $1 AND session_id = $2 AND shopper_id IS NULL AND product_id = ANY($3)
        AND variant_id IS NOT NULL AND NOT simulated
    ORDER BY product_id, type = 'purchase' DESC, occurred_at DESC""",
)


class HasVariants:
    """Whether a shop has products with variants: the others pay nothing for them."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._answer: bool | None = None

    def get(self) -> bool:
        if self._answer is None:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT EXISTS (SELECT FROM recommender_product WHERE shop_id = %s "
                    "AND variants <> '[]')",
                    [self.shop_id],
                )
                self._answer = cursor.fetchone()[0]
        return self._answer

    def load(self) -> None:
        self.get()

    def invalidate(self, change: Change) -> None:
        if change.kind == Change.PRODUCT:
            self._answer = None


register_part("has_variants", HasVariants)


def product_ids(shop: Shop, ids: Iterable[str]) -> list[str]:
    """The ids of products in a request, each once, in their order: an SKU or another id of a
    variant becomes the id of its product. Unknown ids stay as they are.
    """
    ids = list(ids)
    return product_names.item_ids_of(shop, ids, state_of(shop).product_index.known_among(ids))


def product_id(shop: Shop, item_id: str) -> str:
    """The id of the product that has this id, or a variant with it."""
    return product_ids(shop, [item_id])[0]


def variants_to_link(
    shop: Shop, item_ids: Sequence[str], shopper_id: int | None, session_id: str | None
) -> dict[str, str]:
    """By product the variant to link to: the one that the shopper bought, or else viewed, last;
    else the first that can be bought. Products without variants are left out.

    shopper_id: primary key
    """
    try:
        if not item_ids or database.gone or not state_of(shop).parts["has_variants"].get():
            return {}
        with connection.cursor() as cursor:
            WITH_VARIANTS.execute(cursor, [shop.pk, text_array(item_ids)])
            products = cursor.fetchall()
            chosen = _chosen(cursor, shop, [row[1] for row in products], shopper_id, session_id)
    except UNREACHABLE:
        database.note_gone()
        return {}
    return {
        item_id: _link(orjson.loads(variants), chosen.get(key))
        for item_id, key, variants in products
    }


def _chosen(
    cursor, shop: Shop, keys: list[int], shopper_id: int | None, session_id: str | None
) -> dict[int, str]:
    """By product the variant of the shopper's (or session's) last purchase, else last event."""
    if not keys:
        return {}
    if shopper_id is not None:
        OF_SHOPPER.execute(cursor, [shopper_id, keys])
    elif session_id:
        OF_SESSION.execute(cursor, [shop.pk, session_id, keys])
    else:
        return {}
    return dict(cursor.fetchall())


def _link(variants: list[dict[str, Any]], own: str | None) -> str:
    available = [v["id"] for v in variants if can_be_bought(v)]
    return own if own in available else next(iter(available), variants[0]["id"])
