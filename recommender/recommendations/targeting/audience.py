"""Many shoppers at once, for mails and exports: a list for each, and who would want a product."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from recommender.inference.ranking_model import Model
from recommender.models import Event, ModelVersion, Shop, Shopper
from recommender.recommendations.targeting.bulk_lists import SHARD
from recommender.serving.shop_state import state_of
from recommender.shoppers.history import histories_of

ASKED_LIKES = 30
"""Products whose buyers may want a product as well."""
FEWEST_SCORED = 100
MOST_ROWS = 30_000
RECENT, HALF_LIFE = timezone.timedelta(days=365), timezone.timedelta(days=60)


@dataclass(frozen=True)
class Wanting:
    """A shopper and the score that a product has for them."""

    user_id: str
    score: float


def who_wants(shop: Shop, item_id: str, limit: int) -> list[Wanting]:
    """The shoppers for whom a product scores best.

    To score it for each shopper would take as long as all their lists. Scored are those whose
    stored lists place it highest, those who did something with it last, and where these are few,
    those who did most with products that go with it. Only who agrees to personal lists. Empty where
    no model knows the product.
    """
    state, now = state_of(shop), timezone.now()
    model, version = state.model(), state.champion()
    if model is None or item_id not in model.rows:
        return []
    most = max(FEWEST_SCORED, limit + limit // 4)
    ids = list(
        dict.fromkeys(
            [
                *_listed(version, item_id, limit),
                *_acting(shop, item_id, max(limit // 4, FEWEST_SCORED // 4)),
            ]
        )
    )
    if len(ids) < most:
        ids = list(dict.fromkeys([*ids, *_near(shop, model, item_id)]))[:most]
    found: list[Wanting] = []
    for i in range(0, len(ids), SHARD):
        found += _asked(ids[i : i + SHARD], item_id, model, now)
    return sorted(found, key=lambda w: (-w.score, w.user_id))[:limit]


LISTED = """
    SELECT l.shopper_id FROM recommender_recommendationlist l
    WHERE l.version_id = %s AND l.item_ids @> ARRAY[%s]::varchar[]
    ORDER BY (l.items -> (array_position(l.item_ids, %s::varchar) - 1) ->> 'score')::float8 DESC
        NULLS LAST, l.shopper_id LIMIT %s"""


def _listed(version: ModelVersion, item_id: str, most: int) -> list[int]:
    """Shoppers whose stored lists hold the product, by its score there."""
    with connection.cursor() as cursor:
        cursor.execute(LISTED, [version.pk, item_id, item_id, most])
        return [row[0] for row in cursor.fetchall()]


def _acting(shop: Shop, item_id: str, most: int) -> list[int]:
    """Shoppers who did something with the product in the last year, the latest first."""
    return list(
        dict.fromkeys(_lately(shop, [item_id]).values_list("shopper_id", flat=True)[: 10 * most])
    )[:most]


def _lately(shop: Shop, item_ids: Collection[str]) -> QuerySet:
    """Events with these products in the last year of shoppers who agree to personal lists, the
    latest first.
    """
    events = Event.objects.filter(
        shop=shop,
        product__item_id__in=item_ids,
        simulated=False,
        shopper__consent_personalisation=True,
    )
    return events.filter(occurred_at__gte=timezone.now() - RECENT).order_by("-occurred_at")


def _near(shop: Shop, model: Model, item_id: str) -> list[int]:
    """Shoppers by what they did of late with products that go with this one: each counts once,
    by how well it goes and how long ago it was.
    """
    goes_with = {place.item_id: place.score for place in model.related([item_id], ASKED_LIKES)}
    rows = _lately(shop, goes_with.keys()).values_list(
        "shopper_id", "product__item_id", "occurred_at"
    )
    best: dict[tuple[int, str], float] = {}
    now = timezone.now()
    for shopper_id, other, at in rows[:MOST_ROWS]:
        worth = goes_with[other] * 0.5 ** ((now - at) / HALF_LIFE)
        best[shopper_id, other] = max(best.get((shopper_id, other), 0.0), worth)
    totals: Counter[int] = Counter()
    for (shopper_id, _), worth in best.items():
        totals[shopper_id] += worth
    return sorted(totals, key=lambda pk: (-totals[pk], pk))


def _asked(ids: list[int], item_id: str, model: Model, now: datetime) -> list[Wanting]:
    names = dict(
        Shopper.objects.filter(pk__in=ids, consent_personalisation=True).values_list(
            "pk", "user_id"
        )
    )
    histories = histories_of(list(names))
    known = [
        pk
        for pk in ids
        if pk in names and histories.get(pk) and item_id not in histories[pk].disliked
    ]
    scores = model.who_wants([histories[pk] for pk in known], item_id, now) if known else []
    return [Wanting(names[pk], round(score, 6)) for pk, score in zip(known, scores, strict=True)]
