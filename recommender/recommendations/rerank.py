"""Re-ranks a list of the shop's own for a shopper."""

import math
import time
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from recommender.inference.history import History
from recommender.inference.ranking_model import Model
from recommender.models import Product, Shop
from recommender.recommendations.explanations import add_reasons, explain_items
from recommender.recommendations.requests import ListRequest, ListResult
from recommender.serving.items import Item
from recommender.serving.shop_state import state_of
from recommender.shoppers.history import Visitor

EXPLAINED = 100
"""Number of items, from the top, that get reasons."""


@dataclass(frozen=True)
class RerankResult:
    """The list in its new order, and products left out: ineligible or unknown to the shop."""

    result: ListResult
    left_out: list[str]


def rerank(shop: Shop, request: ListRequest) -> RerankResult:
    """Re-rank the request's products by the champion's scores for its shopper or session.

    Products without a score keep their order behind them, disliked ones come last. Without a model
    or a history it knows, nothing is scored. `left_out`: ineligible or unknown products.
    """
    started, now = time.perf_counter(), timezone.now()
    given = list(dict.fromkeys(request.item_ids))
    products = Product.objects.filter(shop=shop, item_id__in=given).showable()
    titles = dict(products.values_list("item_id", "title"))
    state, visitor = state_of(shop), Visitor.of(shop, request.user_id, request.session_id)
    model, history = state.model(), visitor.history()
    shown = [item_id for item_id in given if item_id in titles]
    shown.sort(key=lambda item_id: item_id in history.disliked)
    items = [Item(item_id, None, []) for item_id in shown]
    ranked = _can_rank(model, history, shown)
    if ranked:
        mask = state.mask(model)
        items = _ranked(model, mask, history, items, now)
        if request.explain != "off":
            scored = [item for item in items[:EXPLAINED] if item.score is not None]
            explain_items(model, mask, history, scored, now)
    add_reasons(shop, items, titles, request.explain)
    result = ListResult(
        items,
        state.champion(),
        fallback=None if ranked else "as_given" if visitor.agrees else "no_consent",
        score_kind="rank" if ranked else "none",
        shopper_id=visitor.named_id,
        recommendation_id=f"r-{uuid.uuid4().hex}",
        took_ms=math.ceil((time.perf_counter() - started) * 1000),
    )
    return RerankResult(result, [item_id for item_id in given if item_id not in titles])


def _can_rank(model: Model | None, history: History, item_ids: list[str]) -> bool:
    """True where the model knows something of the shopper and some of the products."""
    if model is None:
        return False
    return any(i in model.rows for i in history.item_ids) and any(i in model.rows for i in item_ids)


def _ranked(model: Model, mask, history: History, items: list[Item], now: datetime) -> list[Item]:
    scored = [
        item
        for item in items
        if item.item_id in model.rows and item.item_id not in history.disliked
    ]
    scores = model.scores(history, [item.item_id for item in scored], now, mask)
    for item, score in zip(scored, scores, strict=True):
        item.score = round(score, 6)
    scored.sort(key=lambda item: (-item.score, item.item_id))
    return scored + [item for item in items if item.score is None]
