"""Look-ups of ingest: which shopper owns a session's events, and which shoppers were erased.

An erased shopper is known by a keyed digest. Events from before the erasure are rejected; if the
shopper is created again, refused consents are restored.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from recommender.infrastructure.prepared_statements import Prepared, text_array
from recommender.models import Erasure, Shop, Shopper
from recommender.shoppers.keyed_cache import digest_of

LINKS = Prepared(
    "session_links",
    ("bigint", "text[]"),
    """SELECT l.session_id, s.user_id FROM recommender_sessionlink l
        JOIN recommender_shopper s ON s.id = l.shopper_id
    WHERE l.shop_id = $1 AND l.session_id = ANY($2)""",
)
CHUNK = 5000
ERASED = "this shopper was erased; what is from before is not taken"


def owners_of(cursor: Any, shop: Shop, session_ids: Collection[str]) -> dict[str, str]:
    """session id -> user id of its shopper; sessions without an owner are left out."""
    if not session_ids:
        return {}
    LINKS.execute(cursor, [shop.pk, text_array(session_ids)])
    return dict(cursor.fetchall())


def erased_among(shop: Shop, user_ids: Iterable[str]) -> dict[str, Erasure]:
    """Those of these shoppers who were erased, with their latest receipt, by user id."""
    receipts = Erasure.objects.of(shop).order_by("pk")
    if not receipts.exists():
        return {}
    names, erased = list(user_ids), {}
    for i in range(0, len(names), CHUNK):
        by_digest = {digest_of(shop.pk, name): name for name in names[i : i + CHUNK]}
        erased |= {
            by_digest[receipt.digest]: receipt for receipt in receipts.filter(digest__in=by_digest)
        }
    return erased


class ErasedShoppers(Mapping[str, Erasure]):
    """All erased shoppers of a shop with their latest receipt, by user id: read at once, because no
    query can run while rows are copied.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop_id = shop.pk
        receipts = Erasure.objects.of(shop).order_by("pk")
        self._receipts = {receipt.digest: receipt for receipt in receipts.iterator()}

    def __getitem__(self, user_id: str) -> Erasure:
        if not self._receipts:
            raise KeyError(user_id)
        return self._receipts[digest_of(self._shop_id, user_id)]

    def __iter__(self) -> Iterator[str]:
        raise TypeError("only the digests of erased shoppers are known")

    def __len__(self) -> int:
        return len(self._receipts)


def came_too_late(erased: dict[str, Erasure], user_id: str, at: datetime) -> bool:
    """True where an event of an erased shopper is from before the erasure."""
    return user_id in erased and at <= erased[user_id].created_at


def restore_refusals(
    shop: Shop, erased: dict[str, Erasure], except_for: Collection[str] = ()
) -> None:
    """Apply the refused consents of erased shoppers again when they are created again, except these
    fields.
    """
    for field in {"consent_personalisation", "consent_training"} - set(except_for):
        refused = [user_id for user_id, receipt in erased.items() if not getattr(receipt, field)]
        if refused:
            Shopper.objects.filter(shop=shop, user_id__in=refused).update(**{field: False})
