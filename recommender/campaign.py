"""Many shoppers at once, for mails and exports: a list for each, and who would want a product."""

from dataclasses import dataclass

from django.utils import timezone

from recommender.asking import Ask, Listing
from recommender.history import histories_of
from recommender.models import Event, Shop, Shopper
from recommender.recommend import recommend
from recommender.scoring import due, score_shoppers
from recommender.serving import state_of

SHARD = 100
ASKED_LIKES = 30
"""Products whose buyers are asked whether they want a product."""
MOST_ASKED = 3000
RECENT = timezone.timedelta(days=365)


def lists_of(shop: Shop, asks: list[Ask]) -> list[Listing]:
    """The lists that `recommend` would give, one for each. Usual ones are told from the store; the others are made one by one."""
    _store_missing(shop, [ask for ask in asks if ask.is_usual])
    return [recommend(shop, ask) for ask in asks]


def _store_missing(shop: Shop, asks: list[Ask]) -> None:
    """Make the stored lists that are due of these shoppers, in shards, so that each is told in one question."""
    version = shop.champion()
    if version is None or not asks:
        return
    rows = list(due(version).filter(user_id__in=[ask.user_id for ask in asks]))
    for i in range(0, len(rows), SHARD):
        score_shoppers(version, rows[i : i + SHARD])


@dataclass(frozen=True)
class Wanting:
    """A shopper and the score that a product has for them."""

    user_id: str
    score: float


def who_wants(shop: Shop, item_id: str, limit: int) -> list[Wanting]:
    """The shoppers for whom a product scores best, among those who did something of late with it or with its likes.

    Only who agrees to personal lists. Empty where no model knows the product.
    """
    state, now = state_of(shop), timezone.now()
    model = state.model()
    if model is None or item_id not in model.rows:
        return []
    likes = [item_id, *(place.item_id for place in model.related([item_id], ASKED_LIKES))]
    events = Event.objects.filter(shop=shop, product__item_id__in=likes, simulated=False, shopper__consent_personalisation=True)
    lately = events.filter(occurred_at__gte=now - RECENT).order_by("-occurred_at").values_list("shopper_id", flat=True)
    ids = list(dict.fromkeys(lately[: 10 * MOST_ASKED]))[:MOST_ASKED]
    found: list[Wanting] = []
    for i in range(0, len(ids), SHARD):
        found += _asked(ids[i : i + SHARD], item_id, model, now)
    return sorted(found, key=lambda w: (-w.score, w.user_id))[:limit]


def _asked(ids: list[int], item_id: str, model, now) -> list[Wanting]:
    names, histories = dict(Shopper.objects.filter(pk__in=ids).values_list("pk", "user_id")), histories_of(ids)
    known = [pk for pk in ids if pk in names and histories.get(pk) and item_id not in histories[pk].disliked]
    scores = model.who_wants([histories[pk] for pk in known], item_id, now) if known else []
    return [Wanting(names[pk], round(score, 6)) for pk, score in zip(known, scores, strict=True)]
