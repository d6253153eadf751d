"""Signals of candidates for the search ranker: sales, price, age, stock."""

from datetime import datetime

from recommender.inference.search_engine import Signals, signals_of
from recommender.serving.shop_state import ShopState

DAY = 86_400


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
