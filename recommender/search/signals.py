"""What the shop knows of candidates beside their texts, for the search ranker."""

from datetime import datetime

import polars as pl

from recommender.inference.search_engine import Signals, signals_of
from recommender.serving.shop_state import ShopState

DAY_US = 86_400e6


def shop_signals(
    state: ShopState, keys: list[int], affinity: dict[int, float], now: datetime
) -> Signals:
    """Signals of these products, by primary key, in their order.

    affinity: of the shopper, [0, 1], by primary key; empty where unknown
    """
    frame = state.product_index.by_key(keys).select(
        "pk", "item_id", "price", "stock.state", "since"
    )
    wanted = pl.DataFrame({"pk": keys}, schema={"pk": pl.Int64})
    rows = wanted.join(frame, on="pk", how="left", maintain_order="left")
    place = state.bestseller_places()
    days = (now.timestamp() * 1e6 - rows["since"].dt.epoch("us")) / DAY_US
    stock = rows["stock.state"].replace("", None)
    return signals_of(
        [place.get(item_id) for item_id in rows["item_id"]],
        rows["price"],
        days,
        stock == "in_stock",
        [affinity.get(key) for key in keys],
    )
