import numpy as np
import pytest

from tests.tinyshop import events_of
from training.configuration.tuning import EVENT_WEIGHTS
from training.data.interactions import histories, interactions
from training.data.snapshot import DAY, TYPE_CODE, Events

BUY, BACK, VIEW, DISLIKE = (TYPE_CODE[name] for name in ("purchase", "return", "view", "dislike"))


def events(*rows) -> Events:
    """(user, item, type, day, quantity, session)"""
    return events_of([(u, i, t, day * DAY, q, s) for u, i, t, day, q, s in rows])


def test_a_full_return_takes_the_purchase_away():
    result = interactions(
        events((0, 1, BUY, 1, 3, 1), (0, 2, BUY, 1, 1, 1), (0, 1, BACK, 2, 3, 2)), EVENT_WEIGHTS
    )
    assert result.item.tolist() == [2]


def test_a_partial_return_leaves_it():
    result = interactions(events((0, 1, BUY, 1, 3, 1), (0, 1, BACK, 2, 1, 2)), EVENT_WEIGHTS)
    assert result.item.tolist() == [1]


def test_another_shoppers_return_changes_nothing():
    result = interactions(events((0, 1, BUY, 1, 1, 1), (1, 1, BACK, 2, 5, 2)), EVENT_WEIGHTS)
    assert result.user.tolist() == [0]


def test_a_disliked_product_is_left_out():
    assert (
        len(interactions(events((0, 1, BUY, 1, 1, 1), (0, 1, DISLIKE, 2, 1, 2)), EVENT_WEIGHTS))
        == 0
    )


def test_views_weigh_less_than_purchases():
    result = interactions(events((0, 1, VIEW, 1, 1, 1), (0, 1, BUY, 1, 1, 1)), EVENT_WEIGHTS)
    assert result.weight.tolist() == pytest.approx([0.1, 1.0])
    assert result.bought.tolist() == [False, True]


def test_a_history_has_one_entry_per_product():
    past = histories(
        interactions(
            events(
                (5, 1, BUY, 1, 1, 1),
                (5, 2, BUY, 1, 1, 1),
                (5, 1, BUY, 9, 1, 2),
                (7, 1, BUY, 3, 1, 3),
            ),
            EVENT_WEIGHTS,
        ),
        np.array([5, 6, 7]),
        4,
    )
    assert past.start.tolist() == [0, 2, 2, 3]
    assert past.item.tolist() == [2, 1, 1]
    assert past.bought.tolist() == [1, 2, 1]
    assert past.back.tolist() == [1, 0, 0]
    assert past.baskets.tolist() == [2, 0, 1]
    assert (past.first[1], past.last[1]) == (1 * DAY, 9 * DAY)


def test_the_same_product_twice_in_a_basket_was_bought_once():
    past = histories(
        interactions(events((0, 1, BUY, 1, 1, 1), (0, 1, BUY, 1, 1, 1)), EVENT_WEIGHTS),
        np.array([0]),
        2,
    )
    assert past.bought.tolist() == [1]


def test_purchases_fade_with_days_and_with_baskets():
    rows = [
        (0, 1, BUY, 1, 1, 1),
        (0, 1, BUY, 31, 1, 2),
        (0, 1, BUY, 41, 1, 3),
        (0, 2, BUY, 51, 1, 4),
        (0, 3, VIEW, 51, 1, 4),
    ]
    past = histories(interactions(events(*rows), EVENT_WEIGHTS), np.array([0]), 4)
    assert past.item.tolist() == [1, 2, 3]
    assert past.by_days.tolist() == pytest.approx([1 + 0.5 ** (10 / 30) + 0.5 ** (40 / 30), 1, 0])
    assert past.by_baskets.tolist() == pytest.approx([0.8 + 0.8**2 + 0.8**3, 1, 0])
    assert past.last_gap[0] == 10 and np.isnan(past.last_gap[1:]).all()


def test_a_shard_is_what_its_shoppers_have():
    past = histories(
        interactions(events(*[(u, u % 3, BUY, u, 1, u) for u in range(6)]), EVENT_WEIGHTS),
        np.arange(6),
        3,
    )
    shard = past.shard(2, 4)
    assert (
        shard.item.tolist() == [2, 0] and shard.n_users == 2 and shard.start.tolist() == [0, 1, 2]
    )
    assert shard.by_days.tolist() == [1, 1] and shard.baskets.tolist() == [1, 1]
