"""Splits into training, validation and test data: by time, and leave-last-out."""

from dataclasses import dataclass, replace

import numpy as np

from training.data.interactions import Histories, Interactions, histories, interactions
from training.data.snapshot import DAY, Events


@dataclass(frozen=True)
class Window:
    """One evaluation window: which products do these shoppers take next, given the data known at
    `now`?

    fit: interactions that may be learned from
    users: (n,) rows of the target shoppers, ascending
    past: their histories
    start, target: relevant products of shopper u are target[start[u]:start[u + 1]], ascending
    rankable: (items,) bool: products that existed at `now`
    exclude: products of the history that are not ranked: "nothing", "bought", or "seen"
    """

    fit: Interactions
    users: np.ndarray
    past: Histories
    start: np.ndarray
    target: np.ndarray
    rankable: np.ndarray
    now: int
    exclude: str

    @property
    def n_items(self) -> int:
        return len(self.rankable)

    def only_users(self, rows: np.ndarray) -> "Window":
        """The same window for the shoppers at these positions (n,)."""
        users = self.users[rows]
        pieces = [self.target[self.start[r] : self.start[r + 1]] for r in rows]
        start = np.concatenate([[0], np.cumsum([len(p) for p in pieces])]).astype(np.int64)
        target = np.concatenate(pieces) if pieces else self.target[:0]
        past = _pick_histories(self.past, rows)
        return replace(self, users=users, start=start, target=target, past=past)


def _pick_histories(past: Histories, rows: np.ndarray) -> Histories:
    entries = (
        np.concatenate([np.arange(past.start[r], past.start[r + 1]) for r in rows])
        if len(rows)
        else np.zeros(0, dtype=np.int64)
    )
    start = np.concatenate([[0], np.cumsum(np.diff(past.start)[rows])]).astype(np.int64)
    return past.pick(entries, start, rows)


def time_window(
    events: Events, n_items: int, weights: dict[str, float], cut: int, days: int
) -> Window:
    """A window over shoppers with events on both sides of `cut`: events before it are known,
    purchases in the next `days` are the targets.
    """
    fit = interactions(events.before(cut), weights)
    later = interactions(events.between(cut, cut + days * DAY), weights)
    later = later.take(later.bought) if later.bought.any() else later
    users = np.intersect1d(
        np.unique(fit.user[fit.user >= 0]), np.unique(later.user[later.user >= 0])
    )
    rankable = np.zeros(n_items, dtype=bool)
    rankable[fit.item] = True
    start, target = _targets(later, users, n_items)
    return Window(
        fit, users, histories(fit, users, n_items), start, target, rankable, cut, exclude="nothing"
    )


def _targets(later: Interactions, users: np.ndarray, n_items: int) -> tuple[np.ndarray, np.ndarray]:
    target_events = later.take(np.isin(later.user, users))
    code = np.unique(
        np.searchsorted(users, target_events.user).astype(np.int64) * n_items + target_events.item
    )
    owner = code // n_items
    start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(users)))]).astype(
        np.int64
    )
    return start, (code % n_items).astype(np.int32)


def leave_last_out(
    events: Events, n_items: int, weights: dict[str, float]
) -> tuple[Window, Window]:
    """(validation, test): the targets are the last but one and the last event of shoppers with
    three events or more.

    Both are left out of the counts. The test history contains everything before the last event,
    including the validation target.
    """
    all_events = interactions(events, weights)
    all_events = all_events.take(all_events.user >= 0)
    order = np.lexsort((np.arange(len(all_events)), all_events.time, all_events.user))
    all_events = all_events.take(order)
    users, begin, count = np.unique(all_events.user, return_index=True, return_counts=True)
    from_end = np.repeat(begin + count, count) - np.arange(len(all_events))
    has_target = np.repeat(count >= 3, count)
    fit = all_events.take(~has_target | (from_end > 2))
    users = users[count >= 3]
    rankable = np.ones(n_items, dtype=bool)
    now = int(all_events.time.max()) + DAY if len(all_events) else 0
    windows = []
    for place in (2, 1):
        known = all_events.take(has_target & (from_end > place))
        later = all_events.take(has_target & (from_end == place))
        start, target = _targets(later, users, n_items)
        windows.append(
            Window(
                fit,
                users,
                histories(known, users, n_items),
                start,
                target,
                rankable,
                now,
                exclude="seen",
            )
        )
    return windows[0], windows[1]


def shuffle_ties(events: Events, seed: int) -> Events:
    """Shuffle each shopper's events within a day. The order of days stays."""
    rng = np.random.default_rng(seed)
    return events.take(np.lexsort((rng.random(len(events)), events.time // DAY)))


def discovery(window: Window) -> Window:
    """The same window restricted to products that the shopper had not bought before."""
    owner = np.repeat(np.arange(len(window.users)), np.diff(window.start))
    code = owner.astype(np.int64) * window.n_items + window.target
    bought = window.past.bought > 0
    bought_pairs = (
        window.past.user[bought].astype(np.int64) * window.n_items + window.past.item[bought]
    )
    fresh = ~np.isin(code, bought_pairs)
    start = np.concatenate(
        [[0], np.cumsum(np.bincount(owner[fresh], minlength=len(window.users)))]
    ).astype(np.int64)
    return replace(window, start=start, target=window.target[fresh], exclude="bought")
