"""What a source says of every product, for a shard of shoppers: held as sparse as it comes."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import scipy.sparse as sp


@dataclass(frozen=True)
class Best:
    """Each shopper's best products by one source, by shopper, then by falling score, ties by item: user, item, place (n,), place from 0.

    top (shoppers,) float32: the largest score, 0 where there is none
    """

    user: np.ndarray
    item: np.ndarray
    place: np.ndarray
    top: np.ndarray


@dataclass(frozen=True)
class Sparse:
    """(shoppers, items) of which few are not 0."""

    matrix: sp.csr_matrix

    @staticmethod
    def of(matrix: sp.csr_matrix) -> "Sparse":
        return Sparse(matrix.sorted_indices())

    def best(self, allowed: np.ndarray, k: int) -> Best:
        """The k best of what is allowed (shoppers, items) bool and above 0."""
        matrix = self.matrix
        user = np.repeat(np.arange(len(allowed)), np.diff(matrix.indptr))
        keep = (matrix.data > 0) & allowed[user, matrix.indices]
        return _cut(user[keep], matrix.indices[keep], matrix.data[keep], len(allowed), k)

    def at(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """(n,) scores of these pairs."""
        return np.asarray(self.matrix[user, item]).ravel()


@dataclass(frozen=True)
class Dense:
    """(shoppers, items) float32."""

    values: np.ndarray

    def best(self, allowed: np.ndarray, k: int) -> Best:
        values = np.where(allowed, self.values, 0)
        least = np.partition(values, -k, axis=1)[:, [-k]]
        user, item = np.nonzero((values >= least) & (values > 0))
        return _cut(user, item, values[user, item], len(allowed), k)

    def at(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        return self.values[user, item]


@dataclass(frozen=True)
class Shared:
    """(items,) float32, the same for every shopper."""

    values: np.ndarray

    @cached_property
    def order(self) -> np.ndarray:
        """Products above 0, the best first."""
        order = np.argsort(-self.values, kind="stable")
        return order[self.values[order] > 0]

    def best(self, allowed: np.ndarray, k: int) -> Best:
        free = allowed[:, self.order]
        free = free[:, : k + int((~free).sum(axis=1).max(initial=0))]
        user, place = np.nonzero(free & (np.cumsum(free, axis=1) <= k))
        item = self.order[place]
        return _cut(user, item, self.values[item], len(allowed), k)

    def at(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        return self.values[item]


Scores = Sparse | Dense | Shared


def _cut(user: np.ndarray, item: np.ndarray, values: np.ndarray, n_users: int, k: int) -> Best:
    """The k best of each shopper's pairs; `user` ascending."""
    start = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n_users))])
    kept = [_largest(values[begin:end], k) + begin for begin, end in pairwise(start)]
    kept = np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)
    user, item, values = user[kept], item[kept], values[kept]
    order = np.lexsort((item, -values, user))
    user, item, values = user[order], item[order], values[order]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    top = np.zeros(n_users, dtype=np.float32)
    top[user[place == 0]] = values[place == 0]
    return Best(user, item.astype(np.int64), place, top)


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """Positions of the k largest."""
    return np.argpartition(-values, k - 1)[:k] if len(values) > k else np.arange(len(values))
