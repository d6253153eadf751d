"""Score matrices of candidate sources: (shoppers, items), in the form that each source allows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Best:
    """The best items of one source per shopper: user, item, place (n,), place from 0.

    Sorted by shopper, then by falling score, ties by item.

    top: (shoppers,) float32: the largest score, 0 where there is none
    """

    user: np.ndarray
    item: np.ndarray
    place: np.ndarray
    top: np.ndarray


@dataclass(frozen=True)
class SparseScores:
    """Sparse scores (shoppers, items): the non-zero values (n,), by shopper, then by item."""

    user: np.ndarray
    item: np.ndarray
    value: np.ndarray
    n_items: int

    @staticmethod
    def of(matrix: sp.csr_matrix) -> "SparseScores":
        n_users, n_items = matrix.shape
        user = np.repeat(np.arange(n_users), np.diff(matrix.indptr))
        # A product of matrices comes in runs, for which a stable sort is fast.
        order = np.argsort(user * n_items + matrix.indices, kind="stable")
        return SparseScores(user, matrix.indices[order], matrix.data[order], n_items)

    def best(self, allowed: np.ndarray, k: int) -> Best:
        """Per shopper, the k best allowed items with a score above 0. allowed: (shoppers, items)
        bool.
        """
        keep = (self.value > 0) & allowed[self.user, self.item]
        return _cut(self.user[keep], self.item[keep], self.value[keep], len(allowed), k)

    def at(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Scores (n,) of the pairs of shoppers (n,) and items (n,)."""
        return lookup(self.user * self.n_items + self.item, user * self.n_items + item, self.value)


@dataclass(frozen=True)
class DenseScores:
    """Dense scores: (shoppers, items) float32."""

    values: np.ndarray

    def best(self, allowed: np.ndarray, k: int) -> Best:
        """Per shopper, the k best allowed items with a score above 0. allowed: (shoppers, items)
        bool.
        """
        values = np.where(allowed, self.values, 0)
        least = np.partition(values, -k, axis=1)[:, [-k]]
        user, item = np.nonzero((values >= least) & (values > 0))
        return _cut(user, item, values[user, item], len(allowed), k)

    def at(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Scores (n,) of the pairs of shoppers (n,) and items (n,)."""
        return self.values[user, item]


@dataclass(frozen=True)
class SharedScores:
    """Scores that are the same for every shopper: (items,) float32."""

    values: np.ndarray

    @cached_property
    def order(self) -> np.ndarray:
        """(n,) items with a score above 0, the best first."""
        order = np.argsort(-self.values, kind="stable")
        return order[self.values[order] > 0]

    def best(self, allowed: np.ndarray, k: int) -> Best:
        # The first 2k items usually hold k allowed ones.
        """Per shopper, the k best allowed items with a score above 0. allowed: (shoppers, items)
        bool.
        """
        free = allowed[:, self.order[: 2 * k]]
        if len(self.order) > 2 * k and (free.sum(axis=1) < k).any():
            free = allowed[:, self.order]
        user, place = np.nonzero(free & (np.cumsum(free, axis=1) <= k))
        item = self.order[place]
        return _cut(user, item, self.values[item], len(allowed), k)

    def at(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Scores (n,) of the pairs of shoppers (n,) and items (n,)."""
        return self.values[item]


@dataclass(frozen=True)
class SearchedScores:
    """Scores of a catalog too large to score in full.

    Top-k searches a subset; the score of any single pair is still exact.

    search: (shoppers, items) bool allowed -> per shopper the searched items (n,) and scores (n,)
    at: (shoppers (n,) ascending, items (n,)) -> (n,) scores of these pairs
    """

    search: Callable[[np.ndarray], list[tuple[np.ndarray, np.ndarray]]]
    at: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def best(self, allowed: np.ndarray, k: int) -> Best:
        """Per shopper, the k best allowed items with a score above 0. allowed: (shoppers, items)
        bool.
        """
        searched = self.search(allowed)
        user = np.repeat(np.arange(len(searched)), [len(items) for items, _ in searched])
        item, values = (np.concatenate(parts) for parts in zip(*searched, strict=True))
        keep = values > 0
        return _cut(user[keep], item[keep], values[keep], len(allowed), k)


Scores = SparseScores | DenseScores | SharedScores | SearchedScores


def lookup(codes: np.ndarray, wanted: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n,) the value of each `wanted` code (n,); 0 where `codes` does not contain it.

    codes: (m,) ascending; values: (m,)
    """
    if not len(codes):
        return np.zeros(len(wanted), dtype=values.dtype)
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return np.where(codes[place] == wanted, values[place], 0)


def _cut(user: np.ndarray, item: np.ndarray, values: np.ndarray, n_users: int, k: int) -> Best:
    """The k best of each shopper's pairs; `user` ascending."""
    start = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n_users))])
    positions = [_largest(values[begin:end], k) + begin for begin, end in pairwise(start)]
    positions = np.concatenate(positions) if positions else np.zeros(0, dtype=np.int64)
    user, item, values = user[positions], item[positions], values[positions]
    order = np.lexsort((item, -values, user))
    user, item, values = user[order], item[order], values[order]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    top = np.zeros(n_users, dtype=np.float32)
    top[user[place == 0]] = values[place == 0]
    return Best(user, item.astype(np.int64), place, top)


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k largest values (n,), in no order."""
    return np.argpartition(-values, k - 1)[:k] if len(values) > k else np.arange(len(values))
