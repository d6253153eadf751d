"""Products by their texts: equal texts are compared once, and what a history says of each product is a sum of kernels of the cosine."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from training.history import Histories

TEMPERATURE = 0.2
"""Width of the kernel. Chosen among 0.1, 0.2 and 0.3 on validation targets; the mean vector of a history ranks clearly worse."""
KERNEL_CELLS = 12_000_000
"""Cells of the kernel (texts of histories × texts of products) that are held at once; bounds memory."""
KEPT_CELLS = 1_000_000
"""Cells of a kernel that are kept for the next question at most: the reasons of a list ask for the texts that the list asked for."""


@dataclass(eq=False)
class TextSpace:
    """vectors (items, dim) float32 of unit length; kept: per text of the last question, its row of the kernel."""

    vectors: np.ndarray
    kept: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

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
            total += share[:, begin : begin + step] @ self._kernel(texts[begin : begin + step])
        return total if len(vectors) == len(number) else total[:, number]

    def _kernel(self, texts: np.ndarray) -> np.ndarray:
        """(n, different texts) what these texts (n,) say of all."""
        vectors, last = self.different[0], self.kept
        if not 0 < len(texts) * len(vectors) <= KEPT_CELLS:
            return kernel(vectors[texts], vectors)
        missing = [text for text in texts.tolist() if text not in last]
        fresh = dict(zip(missing, kernel(vectors[missing], vectors), strict=True)) if missing else {}
        self.kept = {text: last.get(text, fresh.get(text)) for text in texts.tolist()}
        return np.stack(list(self.kept.values()))


def kernel(mine: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(n, m) in (0, 1]: how much texts with the unit vectors `mine` (n, dim) speak for those with `vectors` (m, dim); 1 for the same text."""
    found = np.ascontiguousarray((vectors @ mine.T).T)  # a third faster than mine @ vectors.T where there are few
    found -= 1
    found /= TEMPERATURE
    return np.exp(found, out=found)
