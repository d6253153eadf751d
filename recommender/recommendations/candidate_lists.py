"""Candidates of a list, by kind of placement."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from recommender.inference.history import History, HistoryEvent
from recommender.inference.ranking_model import Model
from recommender.models import Placement, RecommendationList
from recommender.recommendations.adjustments import one_of_each_group
from recommender.recommendations.cold_start import cold_start_list
from recommender.recommendations.context import Draft, ListContext
from recommender.recommendations.explanations import explain_items
from recommender.recommendations.precomputed import lists as precomputed_lists
from recommender.recommendations.precomputed.last_lists import last_list_of
from recommender.serving.items import Item
from recommender.serving.shop_state import ShopState
from recommender.shoppers.history import history_of


def personal(context: ListContext) -> Draft:
    """The shopper's precomputed list where it is current, else a live one; empty without consent.

    A visitor without history who enters with a product gets a list as if they had viewed it.
    """
    visitor, request = context.visitor, context.request
    if not visitor.agrees:
        return Draft()
    stored = not (request.session_id or request.only_new or request.is_adjusted)
    if visitor.shopper and stored:
        draft = _precomputed(context)
        if draft is not None:
            return draft
    history = context.history
    entry = None if history else request.context.get("entry_item_id")
    draft = _live(context, viewed([entry], context.now) if entry else history)
    draft.fallback = "entry" if entry else None if visitor.shopper else "session"
    return draft


def _live(context: ListContext, history: History) -> Draft:
    """Candidates of the model for these events."""
    (version, model), request, now = context.serving, context.request, context.now
    if model is None or not history:
        return Draft()
    mask = context.mask(model)
    items = lists_for(model, mask, [history], now, request.depth, request.only_new)[0]
    return Draft(items, version, model, explain=partial(_explain_live, context, model, history))


def _explain_live(context: ListContext, model: Model, history: History, items: list[Item]) -> None:
    scored = [item for item in items[: context.request.limit] if item.score is not None]
    only_new = context.request.only_new
    explain_items(model, context.mask(model), history, scored, context.now, only_new)


def _precomputed(context: ListContext) -> Draft | None:
    """The precomputed list, if it is current and enough of its products are eligible."""
    (version, model), request = context.serving, context.request
    shopper = context.visitor.shopper
    row = RecommendationList.objects.filter(
        shopper=shopper, version=version, shopper_revision=shopper.revision
    ).first()
    if row is None or model is None:
        return None
    mask = context.mask(model)
    items = [Item(**values) for values in row.items if mask[model.rows[values["item_id"]]]]
    if len(one_of_each_group(context, request.without_left_out(items))) < request.limit:
        return None
    explain = partial(_explain_precomputed, context.state, model, row, request.limit)
    return Draft(items, version, model, stored=True, explain=explain)


def _explain_precomputed(
    state: ShopState, model: Model, row: RecommendationList, limit: int, items: list[Item]
) -> None:
    """Explain the items that were not explained before, as of the list's making, and store it."""
    if row.rendered and all(item.contributions is not None for item in items[:limit]):
        return
    first = items[: limit + precomputed_lists.SPARE]
    unexplained = [i for i in first if i.contributions is None and i.score is not None]
    if unexplained:
        history = history_of(row.shopper, row.shop, None)
        explain_items(model, state.mask(model), history, unexplained, row.created_at)
    explained = {item.item_id: item.stored() for item in unexplained}
    row.items = [explained.get(values["item_id"], values) for values in row.items]
    row.rendered = precomputed_lists.render(row.shop, [Item(**values) for values in row.items])
    row.save(update_fields=["items", "rendered"])


def lists_for(
    model: Model, mask, histories: list[History], now: datetime, k: int, only_new: bool = False
) -> list[list[Item]]:
    """The k best products of the model for several shoppers: batch scoring and live lists.

    mask: (items,) bool, the eligible products. Disliked products are left out. Without reasons.
    """
    most_disliked = max((len(history.disliked) for history in histories), default=0)
    rankings = model.recommend(histories, now, k + most_disliked, mask, only_new)
    lists = []
    for history, ranking in zip(histories, rankings, strict=True):
        if history.disliked:
            ranking = [ranked for ranked in ranking if ranked.item_id not in history.disliked]
        lists.append([Item(r.item_id, round(r.score, 6), r.source) for r in ranking[:k]])
    return lists


def viewed(item_ids: Sequence[str], now: datetime) -> History:
    """An artificial history: views of these products at this moment."""
    return History.of(HistoryEvent(item_id, "view", now, None, None) for item_id in item_ids)


def related(context: ListContext) -> Draft:
    """Products similar to the products of the page or the basket, by the model's own measure."""
    if context.online:
        _ = context.history  # adds what the shopper dislikes to the request
    (version, model), request = context.serving, context.request
    if model is None:
        return Draft()
    ranking = model.related(request.item_ids, request.depth, context.mask(model))
    items = [
        Item(
            ranked.item_id,
            round(ranked.score, 6),
            ranked.source,
            contributions=ranked.contributions,
            history=[list(pair) for pair in ranked.history.items()],
        )
        for ranked in ranking
    ]
    return Draft(items, version, model, score_kind="similarity")


def by_text(context: ListContext) -> Draft:
    """Products whose text is near the products of the page, else near the shopper's history."""
    history, item_ids = context.history, context.request.item_ids
    return _one_source(context, "text", viewed(item_ids, context.now) if item_ids else history)


def bought_again(context: ListContext) -> Draft:
    """Buy-again candidates: products that the shopper bought before, the most habitual first."""
    return _one_source(context, "again", context.history)


def _one_source(context: ListContext, source: str, history: History) -> Draft:
    (version, model), request = context.serving, context.request
    if model is None or not history:
        return Draft()
    depth = request.depth + len(request.item_ids)
    ids = model.by_source(history, source, context.now, depth, context.mask(model))
    nearest = [None] * len(ids)
    if ids and source == "text":
        nearest = model.closest(ids, history.item_ids)
    items = [
        Item(i, None, [source], suits=nearest_id)
        for i, nearest_id in zip(ids, nearest, strict=True)
    ]
    return Draft(items, version, model, score_kind="none")


def trending(context: ListContext) -> Draft:
    """Trending candidates: what sells best now, the same for every shopper."""
    return _for_everybody(context, Placement.POPULAR)


def newest(context: ListContext) -> Draft:
    """New arrivals as candidates, the same for every shopper."""
    return _for_everybody(context, Placement.NEWEST)


def _for_everybody(context: ListContext, source: str) -> Draft:
    if context.online:
        _ = context.history  # adds what the shopper dislikes to the request
    draft = cold_start_list(context, [source, Placement.NEWEST])
    draft.fallback = None if draft.fallback == "popular" else draft.fallback
    return draft


def last_list(context: ListContext) -> Draft:
    """The list that batch scoring put into Redis last, for a time without the database."""
    request = context.request
    if not (request.user_id and context.kind == Placement.PERSONAL) or request.only_new:
        return Draft()
    version_id, items = last_list_of(context.shop.pk, request.user_id) or (None, [])
    shown = set(context.eligible(item.item_id for item in items))
    champion = context.state.champion()
    return Draft(
        [item for item in items if item.item_id in shown],
        champion if champion and champion.pk == version_id else None,
        context.state.model(),
        fallback="no_database",
        stored=True,
    )


CANDIDATES: dict[str, Callable[[ListContext], Draft]] = {
    Placement.PERSONAL: personal,
    Placement.RELATED: related,
    Placement.BASKET: related,
    Placement.CONTENT: by_text,
    Placement.AGAIN: bought_again,
    Placement.TRENDING: trending,
    Placement.NEW: newest,
}
"""By kind of placement, the source of its lists."""
