"""Bulk recommendations: lists for many shoppers in one call."""

from recommender.models import Shop
from recommender.recommendations.batch_scoring import due, score_shoppers
from recommender.recommendations.recommend import recommend
from recommender.recommendations.requests import ListRequest, ListResult

SHARD = 100


def lists_of(shop: Shop, requests: list[ListRequest]) -> list[ListResult]:
    """The result of `recommend` for each request; outdated precomputed lists are computed first."""
    _precompute_due(shop, [request for request in requests if request.takes_precomputed])
    return [recommend(shop, request) for request in requests]


def _precompute_due(shop: Shop, requests: list[ListRequest]) -> None:
    """Batch-score the shoppers of these requests whose precomputed lists are due, in shards."""
    version = shop.champion()
    if version is None or not requests:
        return
    shoppers = list(due(version).filter(user_id__in=[request.user_id for request in requests]))
    for i in range(0, len(shoppers), SHARD):
        score_shoppers(version, shoppers[i : i + SHARD])
