"""Groups of shoppers and products that rankings are judged in."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from training.configuration.tuning import EVENT_WEIGHTS
from training.data.segments import product_groups, shopper_groups
from training.data.snapshot import DAY, read_snapshot, write_snapshot
from training.data.splits import time_window


@pytest.fixture
def shop(tiny_snapshot):
    return read_snapshot(tiny_snapshot)


def window_of(shop):
    return time_window(
        shop.events, shop.n_items, EVENT_WEIGHTS, int(shop.events.time[-1]) - 20 * DAY, 20
    )


def test_shoppers_by_what_is_known_and_by_attribute(shop):
    n = len(shop.user_ids)
    attributes = [
        json.dumps(
            {
                "country": "FR" if i % 2 else "DE",
                "loyal": True,
                "name": f"n{i}",
                "rare": "x" if i < 3 else "y",
            }
        )
        for i in range(n)
    ]
    attributes[5] = None
    window = window_of(shop)
    groups = shopper_groups(replace(shop, shopper_attributes=pl.Series(attributes)), window)
    assert set(groups) == {
        "new_shoppers",
        "known_shoppers",
        "country: DE",
        "country: FR",
        "loyal: True",
        "rare: y",
    }
    french = [i % 2 == 1 and i != 5 for i in window.users]
    assert (
        groups["country: FR"].tolist() == french
        and (groups["new_shoppers"] ^ groups["known_shoppers"]).all()
    )


def test_without_shoppers_file_only_what_is_known(shop):
    assert set(shopper_groups(shop, window_of(shop))) == {"new_shoppers", "known_shoppers"}


def test_products_by_sales_and_category(shop):
    sold = np.arange(shop.n_items, dtype=np.float32)
    names = ["Home > Light" if i % 2 else "Garden" for i in range(shop.n_items)]
    products = shop.products.with_columns(pl.Series("categories", [[name] for name in names]))
    groups = product_groups(products, sold)
    assert (
        groups["new_products"].tolist() == [s <= 5 for s in sold]
        and groups["head"].sum() == shop.n_items // 5
        and groups["head"][-1]
    )
    assert (
        groups["category: Garden"].tolist() == [name == "Garden" for name in names]
        and (groups["head"] ^ groups["tail"]).all()
    )
    assert set(product_groups(shop.products, sold)) == {"new_products", "head", "tail"}


def test_attributes_come_from_the_shoppers_file_in_the_order_of_users(tmp_path, shop):
    events = pl.DataFrame(
        {
            "user_id": ["b", "a"],
            "item_id": ["x", "x"],
            "type": ["purchase"] * 2,
            "occurred_at": [0, 1],
        }
    ).with_columns(pl.col("occurred_at").cast(pl.Datetime("us", "UTC")))
    shoppers = pl.DataFrame({"user_id": ["c", "b"], "attributes": ['{"n": 3}', '{"n": 2}']})
    write_snapshot(
        tmp_path,
        "s",
        {
            "products": pl.DataFrame({"item_id": ["x"], "title": ["X"]}),
            "events": events,
            "shoppers": shoppers,
        },
    )
    result = read_snapshot(tmp_path)
    assert result.user_ids == ["a", "b", "c"] and result.shopper_attributes.to_list() == [
        None,
        '{"n": 2}',
        '{"n": 3}',
    ]
