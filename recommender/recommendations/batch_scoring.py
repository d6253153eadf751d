"""Batch scoring in shards: stored lists for every shopper whose list the champion has not made,
or whose events are newer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from recommender.inference.history import History
from recommender.infrastructure import task_queue
from recommender.models import ModelVersion, RecommendationList, Shop, Shopper
from recommender.recommendations.precomputed.last_lists import keep_lists
from recommender.recommendations.precomputed.lists import telling
from recommender.recommendations.recommend import lists_for
from recommender.serving.items import Item
from recommender.serving.shop_state import state_of
from recommender.shoppers.history import histories_of

SHARD = 250
STORED = 40
LOCK = "hashtextextended('scoring ' || %s || ' ' || id, 0)"
"""What stands for a version's list of the shopper `id` among PostgreSQL's advisory locks."""


def due(version: ModelVersion):
    """Shoppers with events whose list by this version is missing or older than what is known of
    them.
    """
    fresh = RecommendationList.objects.filter(
        shopper=OuterRef("pk"), version=version, shopper_revision=OuterRef("revision")
    )
    return Shopper.objects.of(version.shop).filter(
        ~Exists(fresh), revision__gt=0, consent_personalisation=True
    )


def score_shop(shop: Shop) -> int:
    """Queue the shards that are due; returns how many shoppers they hold.

    Run again, it goes on where it was.
    """
    version = shop.champion()
    if version is None:
        return 0
    _forget_old_lists(version)
    ids = list(due(version).order_by("pk").values_list("pk", flat=True))
    shards = [ids[i : i + SHARD] for i in range(0, len(ids), SHARD)]
    task_queue.enqueue_group("score_shard", [(version.pk, shard[0], shard[-1]) for shard in shards])
    return len(ids)


def _forget_old_lists(version: ModelVersion) -> None:
    """Keep the lists of the champion and of the version before it, so that a roll back serves
    at once.
    """
    keep = [version.pk, *([earlier.pk] if (earlier := version.previous()) else [])]
    RecommendationList.objects.filter(shop=version.shop, version__purpose=version.purpose).exclude(
        version__in=keep
    ).delete()


def score_shard(version: ModelVersion, first: int, last: int) -> int:
    """Make the due lists of shoppers first to last; returns how many.

    Delivered twice, the second leaves to the first what that is at work on.
    """
    if not version.is_champion:
        return 0
    found = due(version).filter(pk__gte=first, pk__lte=last)
    with _claimed(version, list(found.values_list("pk", flat=True))) as own:
        return score_shoppers(version, list(found.filter(pk__in=own).order_by("pk")))


@contextmanager
def _claimed(version: ModelVersion, ids: list[int]) -> Iterator[list[int]]:
    """Those of the shoppers that no other worker makes lists for at this moment; nor will one
    until the end, or until this one dies.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM unnest(%s::bigint[]) AS id WHERE pg_try_advisory_lock({LOCK})",
            [ids, version.pk],
        )
        own = [row[0] for row in cursor]
        try:
            yield own
        finally:
            cursor.execute(
                f"SELECT pg_advisory_unlock({LOCK}) FROM unnest(%s::bigint[]) AS id",
                [version.pk, own],
            )


def score_shoppers(version: ModelVersion, shoppers: list[Shopper]) -> int:
    """Make and store the champion's lists of these shoppers; returns how many."""
    state = state_of(version.shop)
    model = state.model()
    if not shoppers or model is None or state.champion() != version:
        return 0
    found, now = histories_of([s.pk for s in shoppers]), timezone.now()
    lists = lists_for(
        model, state.mask(model), [found.get(s.pk, History()) for s in shoppers], now, STORED
    )
    rows = [
        _row(version, shopper, items, now) for shopper, items in zip(shoppers, lists, strict=True)
    ]
    written = ["items", "item_ids", "told", "shopper_revision", "created_at"]
    RecommendationList.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["shopper", "version"], update_fields=written
    )
    keep_lists(
        version.shop_id,
        version.pk,
        {s.user_id: items for s, items in zip(shoppers, lists, strict=True)},
    )
    return len(rows)


def _row(
    version: ModelVersion, shopper: Shopper, items: list[Item], now: datetime
) -> RecommendationList:
    return RecommendationList(
        shop_id=version.shop_id,
        shopper=shopper,
        version=version,
        shopper_revision=shopper.revision,
        items=[item.kept() for item in items],
        item_ids=[item.item_id for item in items],
        told=telling(version.shop, items),
        created_at=now,
    )


def counts(version: ModelVersion | None) -> tuple[int, int]:
    """(lists that are up to date, shoppers that could have one)."""
    if version is None:
        return 0, 0
    total = (
        Shopper.objects.of(version.shop)
        .filter(revision__gt=0, consent_personalisation=True)
        .count()
    )
    fresh = RecommendationList.objects.filter(
        version=version, shopper__revision=F("shopper_revision")
    ).count()
    return fresh, total
