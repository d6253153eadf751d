import numpy as np

from tests.tinyshop import events_of
from training.configuration.tuning import EVENT_WEIGHTS
from training.data.snapshot import DAY, TYPE_CODE, Events
from training.data.splits import discovery, leave_last_out, shuffle_ties, time_window

BUY = TYPE_CODE["purchase"]


def purchases(*rows) -> Events:
    """(user, item, day)"""
    return events_of([(u, i, BUY, day * DAY, 1, 100 * u + day) for u, i, day in rows])


SHOP = purchases(
    (0, 0, 1), (1, 1, 1), (0, 1, 2), (0, 0, 11), (0, 3, 12), (1, 4, 12), (2, 0, 12), (0, 2, 30)
)


def test_a_time_window_asks_for_what_came_after():
    window = time_window(SHOP, 5, EVENT_WEIGHTS, 10 * DAY, 5)
    assert window.users.tolist() == [0, 1]
    assert window.target.tolist() == [0, 3, 4]
    assert window.start.tolist() == [0, 2, 3]


def test_only_what_was_sold_before_can_be_ranked():
    assert time_window(SHOP, 5, EVENT_WEIGHTS, 10 * DAY, 5).rankable.tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_nothing_after_the_cut_reaches_the_fit():
    window = time_window(SHOP, 5, EVENT_WEIGHTS, 10 * DAY, 5)
    assert window.fit.time.max() < 10 * DAY and window.past.last.max() < 10 * DAY


def test_what_happens_at_the_very_moment_of_the_cut_is_asked_for_and_not_known():
    window = time_window(SHOP, 5, EVENT_WEIGHTS, 11 * DAY, 2)
    assert (
        window.fit.time.max() < 11 * DAY
        and window.users.tolist() == [0, 1]
        and window.target[window.start[0] : window.start[1]].tolist() == [0, 3]
    )
    assert (
        SHOP.before(11 * DAY).time.tolist() + SHOP.between(11 * DAY, 31 * DAY).time.tolist()
        == SHOP.time.tolist()
    )


def test_discovery_asks_only_for_the_new():
    window = discovery(time_window(SHOP, 5, EVENT_WEIGHTS, 10 * DAY, 5))
    assert window.target.tolist() == [3, 4] and window.exclude == "bought"


def test_leave_last_out_keeps_the_last_two_from_the_counts():
    events = purchases((0, 0, 1), (0, 1, 2), (0, 2, 3), (0, 3, 4), (1, 0, 1), (1, 1, 2))
    validation, test = leave_last_out(events, 4, EVENT_WEIGHTS)
    assert (
        validation.users.tolist() == [0]
        and validation.target.tolist() == [2]
        and test.target.tolist() == [3]
    )
    assert sorted(validation.past.item.tolist()) == [0, 1] and sorted(test.past.item.tolist()) == [
        0,
        1,
        2,
    ]
    assert sorted(zip(test.fit.user.tolist(), test.fit.item.tolist(), strict=True)) == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


def test_shuffling_ties_keeps_the_days():
    events = purchases(*[(0, i, 1 + i // 10) for i in range(30)])
    shuffled = shuffle_ties(events, 0)
    assert shuffled.item.tolist() != events.item.tolist()
    assert (shuffled.time // DAY).tolist() == (events.time // DAY).tolist()
    assert shuffle_ties(events, 0).item.tolist() == shuffled.item.tolist()
    assert set(shuffled.item[:10].tolist()) == set(range(10))


def test_only_some_users():
    window = time_window(SHOP, 5, EVENT_WEIGHTS, 10 * DAY, 5).only_users(np.array([1]))
    assert (
        window.users.tolist() == [1]
        and window.target.tolist() == [4]
        and window.past.item.tolist() == [1]
    )


def test_discovery_may_find_what_was_only_viewed():
    from training.ranking.ranker import allowed_products

    view = TYPE_CODE["view"]
    events = events_of(
        [
            (0, 0, BUY, 1 * DAY, 1, 1),
            (0, 1, view, 2 * DAY, 1, 2),
            (0, 2, BUY, 3 * DAY, 1, 3),
            (0, 1, BUY, 11 * DAY, 1, 4),
        ]
    )
    window = discovery(time_window(events, 3, EVENT_WEIGHTS, 10 * DAY, 5))
    assert window.target.tolist() == [1]
    assert allowed_products(window, window.past).tolist() == [[False, True, False]]
