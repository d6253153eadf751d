"""Products by their texts: equal texts are compared once, and what a history says of each product is a sum of kernels of the cosine."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from training.history import Histories

TEMPERATURE = 0.2
"""Width of the kernel. Chosen among 0.1, 0.2 and 0.3 on validation targets; the mean vector of a history ranks clearly worse."""
KERNEL_CELLS = 12_000_000
"""Cells of the kernel (texts of histories × texts of products) that are held at once; bounds memory."""


@dataclass(frozen=True, eq=False)
class TextSpace:
    """vectors (items, dim) float32 of unit length."""

    vectors: np.ndarray

    @cached_property
    def different(self) -> tuple[np.ndarray, np.ndarray]:
        """The different vectors (d, dim), and the number (items,) of each product's among them."""
        numbers: dict[bytes, int] = {}
        number = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in self.vectors], dtype=np.int64)
        first = np.unique(number, return_index=True)[1]
        return np.asarray(self.vectors[first], dtype=np.float32), number

    def scores(self, past: Histories, weights: np.ndarray) -> np.ndarray:
        """(shoppers, items) float32: the sum over the history of weight (entries,) × kernel, so that each product of it has its own share."""
        vectors, number = self.different
        said = weights > 0
        texts, place = np.unique(number[past.item[said]], return_inverse=True)
        start = np.concatenate([[0], np.cumsum(said)])[past.start]
        share = sp.csr_matrix((weights[said].astype(np.float32), place, start), shape=(past.n_users, len(texts))).tocsc()
        total = np.zeros((past.n_users, len(vectors)), dtype=np.float32)
        step = max(1, KERNEL_CELLS // max(1, len(vectors)))
        for begin in range(0, len(texts), step):
            total += share[:, begin : begin + step] @ kernel(vectors[texts[begin : begin + step]], vectors)
        return total if len(vectors) == len(number) else total[:, number]


def kernel(mine: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(n, m) in (0, 1]: how much texts with the unit vectors `mine` (n, dim) speak for those with `vectors` (m, dim); 1 for the same text."""
    found = mine @ vectors.T
    found -= 1
    found /= TEMPERATURE
    return np.exp(found, out=found)
