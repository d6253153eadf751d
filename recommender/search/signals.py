"""What the shop knows of candidates beside their texts, for the search ranker."""

from datetime import datetime

from recommender.inference.search_engine import Signals, signals_of
from recommender.serving.shop_state import ShopState

DAY_US = 86_400e6


def shop_signals(
    state: ShopState, keys: list[int], affinity: dict[int, float], now: datetime
) -> Signals:
    """Signals of these products, by primary key, in their order.

    affinity: of the shopper, [0, 1], by primary key; empty where unknown
    """
    names = ("pk", "item_id", "price", "stock.state", "since")
    frame = state.product_index.by_key(keys, names)
    rows = dict(zip(frame["pk"].to_list(), range(len(frame)), strict=True))
    at = [rows.get(key) for key in keys]
    place = state.bestseller_places()
    places = [place.get(item_id) for item_id in frame["item_id"].to_list()]
    since = frame["since"].dt.epoch("us").to_list()
    moment = now.timestamp() * 1e6
    days = [None if one is None else (moment - one) / DAY_US for one in since]
    stock = [None if not one else one == "in_stock" for one in frame["stock.state"].to_list()]
    columns = (places, frame["price"].to_list(), days, stock)
    ordered = ([None if i is None else column[i] for i in at] for column in columns)
    return signals_of(*ordered, [affinity.get(key) for key in keys])
