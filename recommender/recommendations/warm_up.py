"""Warm-up: loads models and makes first lists before a process takes requests."""

import logging

from django.db import DatabaseError, connection
from django.urls import get_resolver

from recommender.inference import model_cache
from recommender.infrastructure import process_memory
from recommender.models import Placement, Shop
from recommender.recommendations.recommend import recommend
from recommender.recommendations.requests import ListRequest
from recommender.serving.shop_state import state_of

log = logging.getLogger(__name__)


def warm_up() -> None:
    """Load the newest shops that have a champion, and make a list or two for each.

    Logs what cannot be loaded; the process serves without it.
    """
    try:
        _ = get_resolver().url_patterns
        model_cache.import_numbers()
        served = Shop.objects.filter(versions__purpose="ranking", versions__status="champion")
        for shop in served.order_by("-id")[: model_cache.CACHED_MODELS]:
            _warm_up_for(shop)
    except DatabaseError as error:
        log.warning("not all was loaded at start: %s", error)
    finally:
        connection.close()
        process_memory.freeze_and_trim(unfreeze=False)


def _warm_up_for(shop: Shop) -> None:
    """Load one shop. Logs errors other than the database's, so that the next shop is loaded."""
    try:
        state_of(shop).load()
        make_first_lists(shop)
    except DatabaseError:
        raise
    except Exception:
        log.exception("shop %s: no list could be made at start", shop.pk)


def make_first_lists(shop: Shop) -> None:
    """Make a cold-start list that enters with a best seller, and a list related to it."""
    state, placement = state_of(shop), Placement(shop=shop)
    if (model := state.model()) is None:
        return
    item_id = next((i for i in state.bestsellers() if i in model.rows), model.item_ids[0])
    recommend(shop, ListRequest(placement, placement.size, context={"entry_item_id": item_id}))
    recommend(shop, ListRequest(None, placement.size, item_ids=(item_id,)))
