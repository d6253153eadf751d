"""Ids by which the outside names products: SKU, GTIN, handle, platform id, those of variants.

An id of a product itself comes first. A name that several products have names none of them.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import connection

from recommender.infrastructure.availability import database
from recommender.infrastructure.prepared_statements import Prepared, text_array
from recommender.models import Shop

NAMED = Prepared(
    "named_products",
    ("bigint", "text[]"),
    """SELECT n.name, p.id, p.item_id, n.variant_id FROM (
        SELECT name, min(product_id) AS product_id, min(variant_id) AS variant_id
        FROM recommender_productname WHERE shop_id = $1 AND name = ANY($2)
        GROUP BY name HAVING count(DISTINCT product_id) = 1) n
    JOIN recommender_product p ON p.id = n.product_id""",
)
STAGED = """
    UPDATE {table} e SET item_id = n.item_id{variant}
    FROM (
        SELECT n.name, min(p.item_id) AS item_id, min(n.variant_id) AS variant_id
        FROM recommender_productname n JOIN recommender_product p ON p.id = n.product_id
        WHERE n.shop_id = %(shop)s AND n.name IN (SELECT DISTINCT item_id FROM {table})
        GROUP BY n.name HAVING count(DISTINCT n.product_id) = 1) n
    WHERE e.item_id = n.name AND NOT EXISTS (
        SELECT FROM recommender_product o WHERE o.shop_id = %(shop)s AND o.item_id = n.name)"""
"""SQL: staged rows that name a product by another id are assigned to it."""
WITH_VARIANT = ", variant_id = coalesce(e.variant_id, n.variant_id)"
GLOBAL_ID = "gid://"
"""Begins an id of Shopify's API, such as gid://shopify/Product/123, whose number is the id."""


@dataclass(frozen=True)
class NamedProduct:
    """A product that was named by another id: primary key, id, and the variant that was named."""

    key: int
    item_id: str
    variant_id: str | None


def resolve(cursor, shop: Shop, names: Collection[str]) -> dict[str, NamedProduct]:
    """By name, the product that has it; names of none, or of several, are left out."""
    wanted = {_number(name): name for name in names if name.startswith(GLOBAL_ID)}
    NAMED.execute(cursor, [shop.pk, text_array({*names, *wanted})])
    found = {name: NamedProduct(*product) for name, *product in cursor.fetchall()}
    return found | {gid: found[number] for number, gid in wanted.items() if number in found}


def _number(global_id: str) -> str:
    return global_id.rpartition("/")[2].partition("?")[0]


def resolve_staged(cursor, shop: Shop, table: str, has_variants: bool = False) -> None:
    """Assign rows of a staging table that name a product by another id to it.

    has_variants: keep the variant that was named in `variant_id`
    """
    cursor.execute(
        "SELECT EXISTS (SELECT FROM recommender_productname WHERE shop_id = %s)", [shop.pk]
    )
    if cursor.fetchone()[0]:
        variant = WITH_VARIANT if has_variants else ""
        cursor.execute(STAGED.format(table=table, variant=variant), {"shop": shop.pk})


def item_ids_of(shop: Shop, ids: Iterable[str], known: Collection[str]) -> list[str]:
    """The ids of products, in their order, those that are named otherwise resolved, each once.

    known: those that are ids of products. Unknown names stay as they are.
    """
    ids = list(ids)
    others = {one for one in ids if one not in known}
    if not others or database.gone:
        return ids
    with connection.cursor() as cursor:
        named = resolve(cursor, shop, others)
    return list(dict.fromkeys(named[one].item_id if one in named else one for one in ids))
