"""Carousels: titled lists such as “Because you bought …”, each led by a product."""

from dataclasses import dataclass, replace

from recommender.models import Product, Shop
from recommender.recommendations.recommend import recommend
from recommender.recommendations.requests import ListRequest, ListResult
from recommender.shoppers.history import Visitor

TITLES = {
    "purchase": "Because you bought {title}",
    "add_to_cart": "Because {title} is in your basket",
    "rating": "Because you rated {title}",
}
OTHER_TITLE = "Because you looked at {title}"
LEADING_EVENTS = ("purchase", "add_to_cart", "click", "view", "rating", "review")
"""Event types that make a product lead a carousel, the strongest first."""
FEWEST_ITEMS = 4
"""A carousel with fewer products is not shown."""
LEADERS_PER_CAROUSEL = 4
"""Leading products that are tried for each carousel."""


@dataclass(frozen=True)
class Carousel:
    """A titled list. `item_id`, `event`: the leading product, and what the shopper did with it."""

    title: str
    item_id: str
    event: str
    request: ListRequest
    result: ListResult


def make_carousels(shop: Shop, request: ListRequest, most: int) -> list[Carousel]:
    """At most so many carousels, led by the shopper's latest products.

    No product is in two of them, and none leads one. Empty without history or consent.
    """
    leaders = _leaders(Visitor.of(shop, request.user_id, request.session_id))
    products = Product.objects.filter(shop=shop, item_id__in=leaders).showable()
    titles = dict(products.values_list("item_id", "title"))
    shown = (*request.elsewhere, *leaders)
    carousels: list[Carousel] = []
    for item_id, event in list(leaders.items())[: LEADERS_PER_CAROUSEL * most]:
        if len(carousels) == most:
            break
        related_request = replace(request, placement=None, item_ids=(item_id,), elsewhere=shown)
        result = recommend(shop, related_request)
        enough = len(result.items) >= min(FEWEST_ITEMS, request.limit)
        if result.fallback is None and enough and item_id in titles:
            title = TITLES.get(event, OTHER_TITLE).format(title=titles[item_id])
            carousels.append(Carousel(title, item_id, event, related_request, result))
            shown += tuple(item.item_id for item in result.items)
    return carousels


def _leaders(visitor: Visitor) -> dict[str, str]:
    """item_id -> strongest event of the shopper's products, the latest first."""
    leaders: dict[str, str] = {}
    for event in reversed(visitor.history()):
        if event.type in LEADING_EVENTS:
            strongest = leaders.setdefault(event.item_id, event.type)
            leaders[event.item_id] = min(strongest, event.type, key=LEADING_EVENTS.index)
    return leaders
