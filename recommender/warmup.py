"""A process made ready before its first shopper comes: nobody waits for what is read, loaded and derived once."""

import logging

from django.db import DatabaseError, connection
from django.urls import get_resolver

from recommender import memory
from recommender.asking import Ask
from recommender.models import Placement, Shop
from recommender.recommend import recommend
from recommender.serving import SHOPS_KEPT, state_of

log = logging.getLogger(__name__)


def warm_up() -> None:
    """Load what this process is likely to serve with, and make a list or two with it; none goes without should the database go."""
    try:
        for shop in Shop.objects.order_by("-id")[:SHOPS_KEPT]:
            state_of(shop).load()
            make_first_lists(shop)
        _ = get_resolver().url_patterns
    except DatabaseError as error:
        log.warning("not all was loaded at start: %s", error)
    finally:
        connection.close()
        memory.settle()


def make_first_lists(shop: Shop) -> None:
    """What a newcomer would see who enters with the best-selling product, and what goes with it; with reasons, and told to nobody."""
    for item_id in state_of(shop).bestsellers()[:1]:
        placement = Placement(shop=shop)
        recommend(shop, Ask(placement, placement.size, context={"entry_item_id": item_id}))
        recommend(shop, Ask(None, placement.size, item_ids=(item_id,)))
