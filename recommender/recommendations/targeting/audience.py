"""Audience of a product: the shoppers for whom it scores best."""

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

RELATED_PRODUCTS = 30
"""Related products whose buyers are candidates too."""
FEWEST_SCORED = 100
MOST_EVENTS = 30_000
RECENT, HALF_LIFE = timezone.timedelta(days=365), timezone.timedelta(days=60)


@dataclass(frozen=True)
class AudienceMember:
    """A shopper of an audience, with the product's score for them."""

    user_id: str
    score: float


def audience_of(shop: Shop, item_id: str, limit: int) -> list[AudienceMember]:
    """The shoppers for whom a product scores best, among those with consent to personal lists.

    Scoring every shopper would take as long as all their lists. Scored are shoppers whose
    precomputed lists rank the product highest, shoppers with recent events on it, and, where these
    are few, shoppers with most events on related products. Empty where no model knows the product.
    """
    state, now = state_of(shop), timezone.now()
    model, version = state.model(), state.champion()
    if model is None or item_id not in model.rows:
        return []
    most = max(FEWEST_SCORED, limit + limit // 4)
    interested = _with_events(shop, item_id, max(limit // 4, FEWEST_SCORED // 4))
    ids = list(dict.fromkeys([*_by_precomputed_list(version, item_id, limit), *interested]))
    if len(ids) < most:
        ids = list(dict.fromkeys([*ids, *_by_related_products(shop, model, item_id)]))[:most]
    members: list[AudienceMember] = []
    for i in range(0, len(ids), SHARD):
        members += _scored(ids[i : i + SHARD], item_id, model, now)
    return sorted(members, key=lambda member: (-member.score, member.user_id))[:limit]


BY_LIST = """
    SELECT l.shopper_id FROM recommender_recommendationlist l
    WHERE l.version_id = %s AND l.item_ids @> ARRAY[%s]::varchar[]
    ORDER BY (l.items -> (array_position(l.item_ids, %s::varchar) - 1) ->> 'score')::float8 DESC
        NULLS LAST, l.shopper_id LIMIT %s"""


def _by_precomputed_list(version: ModelVersion, item_id: str, most: int) -> list[int]:
    """Shoppers whose precomputed lists hold the product, by its score there."""
    with connection.cursor() as cursor:
        cursor.execute(BY_LIST, [version.pk, item_id, item_id, most])
        return [row[0] for row in cursor.fetchall()]


def _with_events(shop: Shop, item_id: str, most: int) -> list[int]:
    """Shoppers with events on the product in the last year, the latest first."""
    shoppers = _recent_events(shop, [item_id]).values_list("shopper_id", flat=True)
    return list(dict.fromkeys(shoppers[: 10 * most]))[:most]


def _recent_events(shop: Shop, item_ids: Collection[str]) -> QuerySet:
    """Events of the last year on these products, of shoppers with consent, the latest first."""
    events = Event.objects.filter(
        shop=shop,
        product__item_id__in=item_ids,
        simulated=False,
        shopper__consent_personalisation=True,
    )
    return events.filter(occurred_at__gte=timezone.now() - RECENT).order_by("-occurred_at")


def _by_related_products(shop: Shop, model: Model, item_id: str) -> list[int]:
    """Shoppers by their events on related products, each product counted once per shopper.

    An event counts the similarity of its product, halved every HALF_LIFE.
    """
    related = {
        ranked.item_id: ranked.score for ranked in model.related([item_id], RELATED_PRODUCTS)
    }
    columns = ("shopper_id", "product__item_id", "occurred_at")
    events = _recent_events(shop, related.keys()).values_list(*columns)[:MOST_EVENTS]
    best: dict[tuple[int, str], float] = {}
    now = timezone.now()
    for shopper_id, other, at in events:
        weight = related[other] * 0.5 ** ((now - at) / HALF_LIFE)
        best[shopper_id, other] = max(best.get((shopper_id, other), 0.0), weight)
    totals: Counter[int] = Counter()
    for (shopper_id, _), weight in best.items():
        totals[shopper_id] += weight
    return sorted(totals, key=lambda pk: (-totals[pk], pk))


def _scored(ids: list[int], item_id: str, model: Model, now: datetime) -> list[AudienceMember]:
    """The product's scores for these shoppers; without those who dislike it."""
    agreeing = Shopper.objects.filter(pk__in=ids, consent_personalisation=True)
    user_ids = dict(agreeing.values_list("pk", "user_id"))
    histories = {
        pk: history
        for pk, history in histories_of(list(user_ids)).items()
        if history and item_id not in history.disliked
    }
    pks = [pk for pk in ids if pk in histories]
    scores = model.scores_of([histories[pk] for pk in pks], item_id, now) if pks else []
    return [
        AudienceMember(user_ids[pk], round(score, 6)) for pk, score in zip(pks, scores, strict=True)
    ]
