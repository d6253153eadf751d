"""Post-processing of a ranked list: exploration, exposure, diversity."""

from recommender.inference.ranking_model import Model
from recommender.recommendations.exploration import explored
from recommender.recommendations.requests import Ask
from recommender.serving.items import Item


def arranged(model: Model | None, items: list[Item], ask: Ask) -> list[Item]:
    """What of a list was not shown yet, as it is wanted: products unlike each other, from the top
    on a least share of places for those outside the best-selling fifth, and some places for
    products drawn at random.
    """
    if model is not None and ask.spread:
        items = [items[i] for i in model.diversified([item.item_id for item in items], ask.spread)]
    if model is not None and ask.placement and ask.placement.tail_percent:
        items = [
            items[i]
            for i in model.with_exposure(
                [item.item_id for item in items], ask.placement.tail_percent / 100
            )
        ]
    items = ask.unshown(items)
    return explored(items, ask.exploring, ask.limit) if ask.exploring else items
