"""A list that the shop brings, put in order for a shopper."""

import math
import time
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from recommender.inference.history import History
from recommender.inference.ranking_model import Model
from recommender.models import Product, Shop
from recommender.recommendations.explanations import explain_items, tell_reasons
from recommender.recommendations.requests import Listing
from recommender.serving.items import Item
from recommender.serving.shop_state import state_of
from recommender.shoppers.history import Visitor

EXPLAINED = 100
"""The first places have reasons."""


@dataclass(frozen=True)
class Reranked:
    """The list in its new order, and what had to be left out of it: products that may not be
    shown, or are none of the shop's.
    """

    listing: Listing
    left_out: list[str]


def rerank(
    shop: Shop,
    item_ids: list[str],
    user_id: str | None,
    session_id: str | None,
    explain: str = "top",
) -> Reranked:
    """The products in the order of the champion's scores for this shopper or session; those that it
    does not know, then those that the shopper dislikes, keep their order behind them.

    Where nothing is known of the shopper, or no model serves, all keep the order in which they
    came.
    """
    begun = time.perf_counter()
    asked = list(dict.fromkeys(item_ids))
    titles = dict(
        Product.objects.filter(shop=shop, item_id__in=asked)
        .showable()
        .values_list("item_id", "title")
    )
    state, visitor = state_of(shop), Visitor.of(shop, user_id, session_id)
    model, history, now = state.model(), visitor.history(), timezone.now()
    shown = sorted(
        (item_id for item_id in asked if item_id in titles),
        key=lambda item_id: item_id in history.disliked,
    )
    items = [Item(item_id, None, []) for item_id in shown]
    ranked = (
        model is not None
        and any(i in model.rows for i in history.item_ids)
        and any(i in model.rows for i in shown)
    )
    if ranked:
        items = _ranked(model, state.mask(model), history, items, now)
        if explain != "off":
            explain_items(
                model,
                state.mask(model),
                history,
                [item for item in items[:EXPLAINED] if item.score is not None],
                now,
            )
    fallback = None if ranked else "as_given" if visitor.agrees else "no_consent"
    tell_reasons(shop, items, titles, explain)
    listing = Listing(
        items,
        state.champion(),
        fallback,
        score_kind="rank" if ranked else "none",
        shopper_id=visitor.named_id,
    )
    listing.recommendation_id = f"r-{uuid.uuid4().hex}"
    listing.took_ms = math.ceil((time.perf_counter() - begun) * 1000)
    return Reranked(listing, [item_id for item_id in asked if item_id not in titles])


def _ranked(model: Model, mask, history: History, items: list[Item], now: datetime) -> list[Item]:
    known = [
        item
        for item in items
        if item.item_id in model.rows and item.item_id not in history.disliked
    ]
    for item, score in zip(
        known, model.scores(history, [item.item_id for item in known], now, mask), strict=True
    ):
        item.score = round(score, 6)
    return sorted(known, key=lambda item: (-item.score, item.item_id)) + [
        item for item in items if item.score is None
    ]
