"""Weighted interactions and shopper histories from raw events."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from training.data.snapshot import DAY, EVENT_TYPES, TYPE_CODE, Events

BOUGHT = np.isin(
    np.arange(len(EVENT_TYPES)), [TYPE_CODE[name] for name in ("purchase", "rating", "review")]
)

FADE_DAYS, FADE_A_BASKET = 30.0, 0.8
"""Half-life of a purchase in `Histories.by_days`, in days, and its decay per later basket in
`by_baskets`.
"""


@dataclass(frozen=True)
class Interactions:
    """Weighted events in time order, without those that a later return, removal from the cart or
    dislike reverses (`settle`).

    basket: (n,) int64 number of the basket: events of one session, or of one shopper at the same
        second where there is no session
    bought: (n,) bool: a purchase, or a rating or review, which imply one
    """

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    weight: np.ndarray
    bought: np.ndarray
    basket: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray) -> "Interactions":
        """The interactions at these positions (n,) or under this mask (interactions,)."""
        return Interactions(
            **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__}
        )


def interactions(events: Events, weights: dict[str, float]) -> Interactions:
    """Interactions of positive weight, without events that a later event reverses (`settle`)."""
    type_weight = np.zeros(len(EVENT_TYPES), dtype=np.float32)
    for name, weight in weights.items():
        type_weight[TYPE_CODE[name]] = weight
    keep = (type_weight[events.type] > 0) & (events.item >= 0) & ~_taken_back(events)
    events = events.take(keep)
    return Interactions(
        user=events.user,
        item=events.item,
        time=events.time,
        weight=type_weight[events.type],
        bought=BOUGHT[events.type],
        basket=_baskets(events),
    )


UNDOING = ("return", "remove_from_cart", "dislike")
"""Event types that reverse earlier events; see `settle`."""
LIKING = ("purchase", "rating", "review")
"""Event types that end a dislike."""


def settle(kinds: Sequence[str], quantities: Sequence[float]) -> tuple[list[bool], bool]:
    """Events of one shopper and product that still count, and whether the product is disliked.

    Both the input and the result are in time order.

    return: subtracts pieces; when none is left, all earlier events are removed
    remove_from_cart: reverses earlier additions to the cart
    dislike: all earlier events are removed, and later views and additions to the cart do not count,
        until the product is bought, rated or reviewed
    """
    counts, disliked, pieces = [False] * len(kinds), False, 0.0
    for i, (kind, quantity) in enumerate(zip(kinds, quantities, strict=True)):
        if kind == "dislike":
            counts[:i], disliked, pieces = [False] * i, True, 0.0
        elif kind == "return":
            pieces = max(pieces - abs(quantity), 0.0)
            if not pieces:
                counts[:i] = [False] * i
        elif kind == "remove_from_cart":
            counts[:i] = [
                remaining and before != "add_to_cart"
                for remaining, before in zip(counts[:i], kinds[:i], strict=True)
            ]
        else:
            disliked = disliked and kind not in LIKING
            pieces += abs(quantity) if kind == "purchase" else 0.0
            counts[i] = not disliked
    return counts, disliked


def _taken_back(events: Events) -> np.ndarray:
    """(n,) bool: events that do not count according to `settle`, per shopper (or anonymous session)
    and product.
    """
    undone = np.zeros(len(events), dtype=bool)
    owner = np.where(events.user >= 0, events.user.astype(np.int64), -2 - events.session)
    known = ((events.user >= 0) | (events.session >= 0)) & (events.item >= 0)
    undoing = known & np.isin(events.type, [TYPE_CODE[name] for name in UNDOING])
    if not undoing.any():
        return undone
    code = (owner << 32) | np.maximum(events.item, 0).astype(np.int64)
    rows = np.flatnonzero(known & np.isin(code, code[undoing]))
    rows = rows[np.argsort(code[rows], kind="stable")]
    bounds = np.flatnonzero(np.diff(code[rows])) + 1
    for pair in np.split(rows, bounds):
        kinds = [EVENT_TYPES[kind] for kind in events.type[pair]]
        undone[pair] = ~np.array(settle(kinds, events.quantity[pair].tolist())[0])
    return undone


def _baskets(events: Events) -> np.ndarray:
    with_session = events.session >= 0
    moment = (events.user.astype(np.int64) << 36) | events.time
    key = np.where(with_session, -2 - events.session, moment)
    return np.unique(key, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class Histories:
    """Histories of some shoppers: one entry per (shopper, product), sorted by shopper, then by last
    time.

    start: (shoppers + 1,) int64: entries start[u] to start[u + 1] belong to shopper u
    item: (n,) int32
    weight: (n,) float32 sum of event weights
    bought: (n,) float32 number of purchase occasions
    last, first: (n,) int64 seconds
    back: (n,) float32 number of the shopper's baskets after the last one with this product
    by_days, by_baskets: (n,) float32 purchases with exponential decay by days before `last`, and by
        later baskets
    last_gap: (n,) float32 days between the last two purchases, nan where there are fewer
    baskets: (shoppers,) float32 number of baskets
    """

    start: np.ndarray
    item: np.ndarray
    weight: np.ndarray
    bought: np.ndarray
    last: np.ndarray
    first: np.ndarray
    back: np.ndarray
    by_days: np.ndarray
    by_baskets: np.ndarray
    last_gap: np.ndarray
    baskets: np.ndarray
    n_items: int

    @property
    def n_users(self) -> int:
        return len(self.start) - 1

    @property
    def user(self) -> np.ndarray:
        """Shopper index of each history entry: (n,)."""
        return np.repeat(np.arange(self.n_users), np.diff(self.start))

    def matrix(self, values: np.ndarray) -> sp.csr_matrix:
        """(shoppers, items) sparse matrix with one value per entry."""
        return sp.csr_matrix((values, self.item, self.start), shape=(self.n_users, self.n_items))

    def shard(self, begin: int, end: int) -> "Histories":
        """Histories of shoppers `begin` to `end` - 1."""
        low, high = self.start[begin], self.start[min(end, self.n_users)]
        return self.pick(
            slice(low, high),
            self.start[begin : min(end, self.n_users) + 1] - low,
            slice(begin, end),
        )

    def pick(
        self, entries: slice | np.ndarray, start: np.ndarray, users: slice | np.ndarray
    ) -> "Histories":
        """The entries at these positions (n,); those of shopper u begin at `start[u]`."""
        return Histories(
            start,
            **{name: getattr(self, name)[entries] for name in ENTRY},
            baskets=self.baskets[users],
            n_items=self.n_items,
        )


ENTRY = tuple(
    name for name in Histories.__dataclass_fields__ if name not in ("start", "baskets", "n_items")
)
"""Columns of `Histories` with one value per entry."""


def histories(events: Interactions, users: np.ndarray, n_items: int) -> Histories:
    """Histories of these shoppers, (n,) ascending row numbers. Other shoppers and anonymous baskets
    are left out.
    """
    position = np.searchsorted(users, events.user)
    known = np.zeros(len(events), dtype=bool)
    inside = position < len(users)
    known[inside] = users[position[inside]] == events.user[inside]
    events, owner = events.take(known), position[known].astype(np.int64)
    order = np.lexsort((np.arange(len(events)), events.time, owner))
    events, owner = events.take(order), owner[order]
    basket_number, n_baskets = number_baskets(owner, events.basket, len(users))

    code = owner * n_items + events.item
    pairs, first_at, inverse = np.unique(code, return_index=True, return_inverse=True)
    last_at = np.zeros(len(pairs), dtype=np.int64)
    np.maximum.at(last_at, inverse, np.arange(len(code)))
    user, last = pairs // n_items, events.time[last_at]
    rhythm = _rhythm(events, inverse, last, n_baskets[owner] - 1 - basket_number)
    by_last = np.lexsort((last_at, user))
    return Histories(
        start=np.concatenate([[0], np.cumsum(np.bincount(user, minlength=len(users)))]).astype(
            np.int64
        ),
        item=(pairs % n_items).astype(np.int32)[by_last],
        weight=np.bincount(inverse, events.weight, minlength=len(pairs)).astype(np.float32)[
            by_last
        ],
        last=last[by_last],
        first=events.time[first_at][by_last],
        back=(n_baskets[user] - 1 - basket_number[last_at]).astype(np.float32)[by_last],
        **{name: values.astype(np.float32)[by_last] for name, values in rhythm.items()},
        baskets=n_baskets.astype(np.float32),
        n_items=n_items,
    )


def _rhythm(
    events: Interactions, entry: np.ndarray, last: np.ndarray, back: np.ndarray
) -> dict[str, np.ndarray]:
    """`bought`, `by_days`, `by_baskets` and `last_gap` of entries whose last times are `last`.

    entry: (events,) int entry of each event; events are in time order
    back: (events,) int number of later baskets
    """
    bought = np.flatnonzero(events.bought)
    bought = bought[
        np.unique(np.stack([entry[bought], events.basket[bought]]), axis=1, return_index=True)[1]
    ]
    bought = bought[np.lexsort((events.time[bought], entry[bought]))]
    which, time, n = entry[bought], events.time[bought], len(last)
    gap, later = np.full(n, np.nan), np.flatnonzero(which[1:] == which[:-1]) + 1
    gap[which[later]] = days_between(time[later], time[later - 1])  # of several the last one stays
    return {
        "bought": np.bincount(which, minlength=n),
        "by_days": np.bincount(
            which, 0.5 ** (days_between(last[which], time) / FADE_DAYS), minlength=n
        ),
        "by_baskets": np.bincount(which, FADE_A_BASKET ** back[bought], minlength=n),
        "last_gap": gap,
    }


def number_baskets(
    owner: np.ndarray, basket: np.ndarray, n_users: int
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) number of each event's basket within its shopper, from 0; and (n_users,) number of
    baskets.
    """
    if len(owner) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(n_users, dtype=np.int64)
    fresh = np.ones(len(owner), dtype=bool)
    fresh[1:] = (owner[1:] != owner[:-1]) | (basket[1:] != basket[:-1])
    running = np.cumsum(fresh) - 1
    first_of_owner = np.ones(len(owner), dtype=bool)
    first_of_owner[1:] = owner[1:] != owner[:-1]
    base = np.maximum.accumulate(np.where(first_of_owner, running, 0))
    number = running - base
    count = np.zeros(n_users, dtype=np.int64)
    np.maximum.at(count, owner, number + 1)
    return number, count


def days_between(later: int | np.ndarray, earlier: np.ndarray) -> np.ndarray:
    """Days from `earlier` (n,) to `later`, at least 0: (n,) float32."""
    return (np.maximum(later - earlier, 0) / DAY).astype(np.float32)
