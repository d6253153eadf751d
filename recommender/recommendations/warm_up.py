"""A process made ready before its first shopper comes: nobody waits for what is read, loaded
and derived once.
"""

import logging

from django.db import DatabaseError, connection
from django.urls import get_resolver

from recommender.inference import model_cache
from recommender.infrastructure import process_memory
from recommender.models import Placement, Shop
from recommender.recommendations.recommend import recommend
from recommender.recommendations.requests import Ask
from recommender.serving.shop_state import state_of

log = logging.getLogger(__name__)


def warm_up() -> None:
    """Load what this process is likely to serve with, and make a list or two with it; none goes
    without should the database go.
    """
    try:
        _ = get_resolver().url_patterns
        model_cache.import_numbers()
        served = Shop.objects.filter(versions__purpose="ranking", versions__status="champion")
        for shop in served.order_by("-id")[: model_cache.MODELS_KEPT]:
            _warm_up_for(shop)
    except DatabaseError as error:
        log.warning("not all was loaded at start: %s", error)
    finally:
        connection.close()
        process_memory.settle()


def _warm_up_for(shop: Shop) -> None:
    """What goes wrong with one shop is no reason for others to wait."""
    try:
        state_of(shop).load()
        make_first_lists(shop)
    except DatabaseError:
        raise
    except Exception:
        log.exception("shop %s: no list could be made at start", shop.pk)


def make_first_lists(shop: Shop) -> None:
    """What a newcomer would see who enters with a product that sells well, and what goes with
    it; with reasons, and told to nobody.
    """
    state, placement = state_of(shop), Placement(shop=shop)
    if (model := state.model()) is None:
        return
    item_id = next((i for i in state.bestsellers() if i in model.rows), model.item_ids[0])
    recommend(shop, Ask(placement, placement.size, context={"entry_item_id": item_id}))
    recommend(shop, Ask(None, placement.size, item_ids=(item_id,)))
