"""Category pages: every product that passes a filter, those first that the shopper likes."""

import polars as pl

from recommender.inference.search_engine import Found, FoundList
from recommender.models.search_settings import PRICE
from recommender.search.context import SearchContext
from recommender.search.requests import MOST_RESULTS, RELEVANCE
from recommender.search.understanding import fits

PERSONAL_MOST = 200
"""Products that the ranking orders for a shopper; best sellers follow."""


def browse(context: SearchContext) -> FoundList:
    """Every product that passes the filter: first those that the ranking has for this shopper, then
    those that sell best.
    """
    rows = passing(context, "pk", "item_id")
    keys, ids = rows["pk"], rows["item_id"]
    liked = _liked(context)
    first = {item_id: place for place, item_id in enumerate(liked)}
    sold = context.state.bestseller_places()
    frame = pl.DataFrame({"key": keys, "item_id": ids}).with_columns(
        liked=_places(ids, first), sold=_places(ids, sold)
    )
    ordered = frame.sort("liked", "sold", "key").head(MOST_RESULTS)
    products = [
        Found(key, 1.0 / (60 + i), 0.0, None, None, None, False, True)
        for i, key in enumerate(ordered["key"].to_list())
    ]
    if liked:
        share = {item_id: 1 - place / len(liked) for item_id, place in first.items()}
        context.affinity = {
            key: share[item_id]
            for key, item_id in ordered.select("key", "item_id").iter_rows()
            if item_id in share
        }
    return FoundList(products, len(keys), is_exact=True)


def passing(context: SearchContext, *columns: str) -> pl.DataFrame:
    """The products that pass the filter and cost what a query without other words names: these
    columns, or all.
    """
    index = context.state.product_index
    with index.lock:  # mask and rows of one moment
        mask = index.mask(context.request.selection, context.now)
        rows = index.products()
    for one in context.understood.intents:
        if one.kind == PRICE:
            mask = mask & rows.select(ok=fits(one).fill_null(False))["ok"]
    return (rows.select(columns) if columns else rows).filter(mask)


def _places(ids: pl.Series, places: dict[str, int]) -> pl.Series:
    """(n,) places of these products; behind all for those without one."""
    return ids.replace_strict(places, default=len(places), return_dtype=pl.Int64)


def _liked(context: SearchContext) -> list[str]:
    """Products that pass the filter, in the order of the ranking for this shopper."""
    model, request = context.model, context.request
    if request.sort != RELEVANCE or model is None or not context.history.has_action:
        return []
    mask = context.state.mask(model, request.selection)
    ranking = model.recommend([context.history], context.now, PERSONAL_MOST, mask)[0]
    return [one.item_id for one in ranking]
