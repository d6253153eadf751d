"""Makes one list: the sequence of steps that every kind of list passes."""

import math
import time
import uuid

from recommender.infrastructure.availability import UNREACHABLE, database
from recommender.models import Placement, Shop
from recommender.recommendations.adjustments import (
    adjust,
    buried_last,
    insert_pins,
    one_of_each_group,
)
from recommender.recommendations.candidate_lists import CANDIDATES, last_list, related
from recommender.recommendations.cold_start import cold_start_list
from recommender.recommendations.context import Draft, ListContext
from recommender.recommendations.explanations import add_reasons
from recommender.recommendations.post_processing import arrange
from recommender.recommendations.precomputed.lists import precomputed_list
from recommender.recommendations.requests import SPARE, ListRequest, ListResult
from recommender.serving.items import Item
from recommender.serving.shop_state import ShopState, state_of

FILLED_WHERE_SHORT = (Placement.PERSONAL, Placement.CONTENT, Placement.AGAIN)
FILLED_WHERE_EMPTY = (*FILLED_WHERE_SHORT, *Placement.OF_PRODUCTS)


def recommend(shop: Shop, request: ListRequest) -> ListResult:
    """The list of a placement for a shopper, a session, or some products.

    While the database does not answer, the list is made from Redis and process memory. Raises the
    errors of the database (`availability.UNREACHABLE`) where that is not enough.
    """
    started = time.perf_counter()
    state = state_of(shop)
    result = None
    if not database.gone:
        try:
            result = precomputed(shop, state, request) or make_list(
                ListContext(shop, state, request)
            )
        except UNREACHABLE:
            database.note_gone()
    result = result or make_list(ListContext(shop, state, request, online=False))
    result.recommendation_id = request.recommendation_id or f"r-{uuid.uuid4().hex}"
    result.took_ms = math.ceil((time.perf_counter() - started) * 1000)
    return result


def precomputed(shop: Shop, state: ShopState, request: ListRequest) -> ListResult | None:
    """The shopper's precomputed list by one SQL query; None where the steps have to make one."""
    version = state.champion() if request.takes_precomputed else None
    if version is None or request.placement.version_id not in (None, version.pk):
        return None
    explained = request.explain == "top"
    groups = state.variant_groups.get()
    stored = precomputed_list(
        shop.pk, version.pk, request.user_id, request.limit, explained, groups
    )
    return stored and ListResult(stored.items, version, stored=True, shopper_id=stored.shopper_id)


def make_list(context: ListContext) -> ListResult:
    """Make a list: candidates, eligibility, adjustments by rules, re-ranking, fill-up by cold
    start, pins, explanations, result. Each step runs once, in this order, for every kind of list.
    """
    draft = candidates(context)
    draft.items = adjust(context, eligible(context, draft.items))
    draft.items = arrange(context.request, draft.model, draft.items)
    draft = fill_up(context, draft)
    draft = insert_pins(context, draft)
    explain(context, draft)
    return finish(context, draft)


def candidates(context: ListContext) -> Draft:
    """Candidates from the source of this kind of list, best first.

    Each source leaves out products that may not be shown or do not pass the filters.
    """
    if context.online:
        return CANDIDATES[context.kind](context)
    if context.kind in Placement.OF_PRODUCTS:
        return related(context)
    if context.kind in (Placement.TRENDING, Placement.NEW):
        return CANDIDATES[context.kind](context)
    return last_list(context)


def eligible(context: ListContext, items: list[Item]) -> list[Item]:
    """Leave out the products that the list is about, and bought ones where only new ones count."""
    excluded = context.excluded
    return [item for item in items if item.item_id not in excluded] if excluded else items


def fill_up(context: ListContext, draft: Draft) -> Draft:
    """Append cold-start products to a short list, or replace an empty one by them."""
    if context.request.min_score is not None:  # cold-start products have no score
        draft.fallback = draft.fallback if draft.items else "below_min_score"
        return draft
    short = len(draft.items) < context.request.limit and context.kind in FILLED_WHERE_SHORT
    if draft.proposed and not (short and context.online):
        return draft
    if not draft.proposed and context.kind not in FILLED_WHERE_EMPTY:
        return draft
    rest = cold_start_list(context)
    rest.items = adjust(context, eligible(context, rest.items))
    rest.items = arrange(context.request, rest.model, rest.items)
    if not draft.proposed:
        return rest
    present = {item.item_id for item in draft.items}
    draft.items += [item for item in rest.items if item.item_id not in present]
    draft.items = buried_last(one_of_each_group(context, draft.items))
    draft.fallback = draft.fallback or "filled_up"
    return draft


def explain(context: ListContext, draft: Draft) -> None:
    """Explain the items of a model: contributions and the shopper's own products."""
    if draft.explain is not None and context.request.explain != "off":
        draft.explain(draft.items)


def finish(context: ListContext, draft: Draft) -> ListResult:
    """Leave out what the database of this moment does not let through; put reasons into words."""
    request, index = context.request, context.state.product_index
    ids = [item.item_id for item in draft.items[: request.limit + SPARE]]
    if not ids:
        titles = {}
    elif context.online:
        titles = index.titles_now(ids, request.selection, context.now)
    else:
        titles = index.titles(ids)
    items = [item for item in draft.items if item.item_id in titles][: request.limit]
    if context.online:
        add_reasons(context.shop, items, titles, request.explain)
    shopper_id = context.visitor.named_id if context.online else None
    return ListResult(
        items, draft.version, draft.fallback, draft.stored, draft.score_kind, shopper_id
    )
