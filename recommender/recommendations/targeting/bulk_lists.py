"""Bulk recommendations: lists for many shoppers in one call."""

from recommender.models import Shop
from recommender.recommendations.batch_scoring import due, score_shoppers
from recommender.recommendations.recommend import recommend
from recommender.recommendations.requests import Ask, Listing

SHARD = 100


def lists_of(shop: Shop, asks: list[Ask]) -> list[Listing]:
    """The lists that `recommend` would give, one for each.

    Usual ones are told from the store; the others are made one by one.
    """
    _store_missing(shop, [ask for ask in asks if ask.is_usual])
    return [recommend(shop, ask) for ask in asks]


def _store_missing(shop: Shop, asks: list[Ask]) -> None:
    """Make the stored lists that are due of these shoppers, in shards, so that each is told in
    one question.
    """
    version = shop.champion()
    if version is None or not asks:
        return
    rows = list(due(version).filter(user_id__in=[ask.user_id for ask in asks]))
    for i in range(0, len(rows), SHARD):
        score_shoppers(version, rows[i : i + SHARD])
