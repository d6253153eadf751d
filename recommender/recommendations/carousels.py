"""Rows of a page that say why: “Because you bought …”, each led by one of the shopper's own
products.
"""

from dataclasses import dataclass, replace

from recommender.models import Product, Shop
from recommender.recommendations.recommend import recommend
from recommender.recommendations.requests import Ask, Listing
from recommender.shoppers.history import Visitor

TITLES = {
    "purchase": "Because you bought {title}",
    "add_to_cart": "Because {title} is in your basket",
    "rating": "Because you rated {title}",
}
LOOKED = "Because you looked at {title}"
LED_BY = ("purchase", "add_to_cart", "click", "view", "rating", "review")
FEWEST = 4
"""A row of fewer products is none."""
TRIED = 4
"""Own products that are tried for each row."""


@dataclass(frozen=True)
class Row:
    """A titled list; `item_id` and `event`: the shopper's own product that leads it, and what
    they did with it.
    """

    title: str
    item_id: str
    event: str
    ask: Ask
    listing: Listing


def titled_rows(shop: Shop, ask: Ask, rows: int) -> list[Row]:
    """At most so many rows, led by the latest own products, no product twice and none that leads a
    row. Empty without a history or consent.

    `ask` says for whom, how long, with which filter and what stands elsewhere on the page.
    """
    leaders = _leaders(Visitor.of(shop, ask.user_id, ask.session_id))
    titles = dict(
        Product.objects.filter(shop=shop, item_id__in=leaders)
        .showable()
        .values_list("item_id", "title")
    )
    shown, found = (*ask.elsewhere, *leaders), []
    for item_id, event in list(leaders.items())[: TRIED * rows]:
        if len(found) == rows:
            break
        own = replace(ask, placement=None, item_ids=(item_id,), elsewhere=shown)
        listing = recommend(shop, own)
        if (
            listing.fallback is None
            and len(listing.items) >= min(FEWEST, ask.limit)
            and item_id in titles
        ):
            found.append(
                Row(
                    TITLES.get(event, LOOKED).format(title=titles[item_id]),
                    item_id,
                    event,
                    own,
                    listing,
                )
            )
            shown += tuple(item.item_id for item in listing.items)
    return found


def _leaders(visitor: Visitor) -> dict[str, str]:
    """The shopper's own products, the latest first, with the strongest thing they did with each."""
    found: dict[str, str] = {}
    for event in reversed(visitor.history()):
        if event.type in LED_BY:
            known = found.setdefault(event.item_id, event.type)
            found[event.item_id] = min(known, event.type, key=LED_BY.index)
    return found
