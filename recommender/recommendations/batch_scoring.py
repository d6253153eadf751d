"""Batch scoring in shards: precomputes the lists that are missing or outdated."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from recommender.inference.history import History
from recommender.infrastructure import task_queue
from recommender.models import ModelVersion, RecommendationList, Shop, Shopper
from recommender.recommendations.candidate_lists import lists_for
from recommender.recommendations.precomputed.last_lists import store_last_lists
from recommender.recommendations.precomputed.lists import render
from recommender.serving.items import Item
from recommender.serving.shop_state import state_of
from recommender.shoppers.history import histories_of

SHARD = 250
LENGTH = 40
"""Products of a precomputed list."""
LOCK = "hashtextextended('scoring ' || %s || ' ' || id, 0)"
"""Number of the PostgreSQL advisory lock on a version's list of the shopper `id`."""


def due(version: ModelVersion) -> QuerySet:
    """Shoppers with events and consent whose list by this version is missing or outdated."""
    current = RecommendationList.objects.filter(
        shopper=OuterRef("pk"), version=version, shopper_revision=OuterRef("revision")
    )
    shoppers = Shopper.objects.of(version.shop)
    return shoppers.filter(~Exists(current), revision__gt=0, consent_personalisation=True)


def score_shop(shop: Shop) -> int:
    """Queue the shards that are due; returns their number of shoppers. Resumable."""
    version = shop.champion()
    if version is None:
        return 0
    _delete_old_lists(version)
    ids = list(due(version).order_by("pk").values_list("pk", flat=True))
    shards = [ids[i : i + SHARD] for i in range(0, len(ids), SHARD)]
    task_queue.enqueue_group("score_shard", [(version.pk, shard[0], shard[-1]) for shard in shards])
    return len(ids)


def _delete_old_lists(version: ModelVersion) -> None:
    """Keep the lists of the champion and of the version before it, for a roll back."""
    keep = [version.pk, *([earlier.pk] if (earlier := version.previous()) else [])]
    lists = RecommendationList.objects.filter(shop=version.shop, version__purpose=version.purpose)
    lists.exclude(version__in=keep).delete()


def score_shard(version: ModelVersion, first: int, last: int) -> int:
    """Precompute the due lists of shoppers first to last; returns their number.

    Two deliveries of one task share the work: each takes the shoppers that the other has not
    locked.
    """
    if not version.is_champion:
        return 0
    shoppers = due(version).filter(pk__gte=first, pk__lte=last)
    with _locked(version, list(shoppers.values_list("pk", flat=True))) as locked:
        return score_shoppers(version, list(shoppers.filter(pk__in=locked).order_by("pk")))


@contextmanager
def _locked(version: ModelVersion, ids: list[int]) -> Iterator[list[int]]:
    """Lock the lists of those shoppers that no other worker has locked; yields their ids.

    PostgreSQL releases the locks where this process dies.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM unnest(%s::bigint[]) AS id WHERE pg_try_advisory_lock({LOCK})",
            [ids, version.pk],
        )
        locked = [row[0] for row in cursor]
        try:
            yield locked
        finally:
            cursor.execute(
                f"SELECT pg_advisory_unlock({LOCK}) FROM unnest(%s::bigint[]) AS id",
                [version.pk, locked],
            )


def score_shoppers(version: ModelVersion, shoppers: list[Shopper]) -> int:
    """Make and store the champion's lists of these shoppers; returns their number."""
    state, now = state_of(version.shop), timezone.now()
    model = state.model()
    if not shoppers or model is None or state.champion() != version:
        return 0
    by_id = histories_of([shopper.pk for shopper in shoppers])
    histories = [by_id.get(shopper.pk, History()) for shopper in shoppers]
    lists = lists_for(model, state.mask(model), histories, now, LENGTH)
    pairs = list(zip(shoppers, lists, strict=True))
    RecommendationList.objects.bulk_create(
        [_row(version, shopper, items, now) for shopper, items in pairs],
        update_conflicts=True,
        unique_fields=["shopper", "version"],
        update_fields=["items", "item_ids", "rendered", "shopper_revision", "created_at"],
    )
    by_user = {shopper.user_id: items for shopper, items in pairs}
    store_last_lists(version.shop_id, version.pk, by_user)
    return len(pairs)


def _row(
    version: ModelVersion, shopper: Shopper, items: list[Item], now: datetime
) -> RecommendationList:
    return RecommendationList(
        shop_id=version.shop_id,
        shopper=shopper,
        version=version,
        shopper_revision=shopper.revision,
        items=[item.stored() for item in items],
        item_ids=[item.item_id for item in items],
        rendered=render(version.shop, items),
        created_at=now,
    )


def counts(version: ModelVersion | None) -> tuple[int, int]:
    """(shoppers with a current precomputed list, shoppers who could have one)."""
    if version is None:
        return 0, 0
    shoppers = Shopper.objects.of(version.shop)
    total = shoppers.filter(revision__gt=0, consent_personalisation=True).count()
    current = RecommendationList.objects.filter(
        version=version, shopper__revision=F("shopper_revision")
    )
    return current.count(), total
