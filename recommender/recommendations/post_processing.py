"""Post-processing of a ranked list: diversity, exposure of the long tail, exploration."""

from recommender.inference.ranking_model import Model
from recommender.recommendations.exploration import explored
from recommender.recommendations.requests import ListRequest
from recommender.serving.items import Item


def arrange(request: ListRequest, model: Model | None, items: list[Item]) -> list[Item]:
    """Re-rank the items as placement and request say, and leave out what was shown already.

    Earlier pages are left out after diversity and exposure, so that pages continue one ranking.
    """
    if model is not None and request.diversity_weight:
        ids = [item.item_id for item in items]
        items = [items[i] for i in model.diversified(ids, request.diversity_weight)]
    if model is not None and request.placement and request.placement.tail_percent:
        ids = [item.item_id for item in items]
        share = request.placement.tail_percent / 100
        items = [items[i] for i in model.with_exposure(ids, share)]
    items = request.without_left_out(items)
    if request.exploration:
        return explored(items, request.exploration, request.limit)
    return items
