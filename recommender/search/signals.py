"""What the ranking of candidates reads of a shop: sales, price, age, stock, titles."""

from datetime import datetime
from functools import partial

from recommender.inference.search_engine import Signals, signals_of
from recommender.inference.search_ranking import Ranking
from recommender.models import Product
from recommender.serving.shop_state import ShopState

DAY = 86_400


def ranking_of(state: ShopState, now: datetime, budget_ms: float) -> Ranking:
    """What the ranking of candidates reads of the shop. budget_ms: of the cross-encoder."""
    return Ranking(partial(shop_signals, state, now=now), partial(titles_of, state), budget_ms)


def titles_of(state: ShopState, keys: list[int]) -> list[str]:
    """Titles of these products, by primary key, in their order; empty where unknown."""
    rows = Product.objects.filter(shop=state.shop_id, pk__in=keys).values_list("pk", "title")
    titles = dict(rows)
    return [titles.get(key, "") for key in keys]


def shop_signals(state: ShopState, keys: list[int], now: datetime) -> Signals:
    """Signals of these products, by primary key, in their order."""
    names = ("pk", "item_id", "price", "stock.state", "since")
    found, item_ids, prices, states, since = state.product_index.columns_by_key(keys, names)
    rows = dict(zip(found, range(len(found)), strict=True))
    at = [rows.get(key) for key in keys]
    place = state.bestseller_places()
    places = [place.get(item_id) for item_id in item_ids]
    days = [None if one is None else (now - one).total_seconds() / DAY for one in since]
    stock = [None if not one else one == "in_stock" for one in states]
    columns = (places, prices, days, stock)
    ordered = ([None if i is None else column[i] for i in at] for column in columns)
    return signals_of(*ordered)
