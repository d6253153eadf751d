"""Products by their texts: what a history says of each product is a sum of kernels of the
cosine.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from training.candidates.ivf_index import Cells
from training.candidates.scores import Dense, Scores, Sought
from training.data.interactions import Histories

TEMPERATURE = 0.2
"""Width of the kernel.

Chosen among 0.1, 0.2 and 0.3 on validation targets; the mean vector of a history ranks clearly
worse.
"""
COMPARED = 400
"""Products that the cells propose by their outlines, to be compared by their whole vectors."""
KERNEL_CELLS = 12_000_000
"""Cells of the kernel (texts of histories × texts of products) that are held at once; bounds
memory.
"""
KEPT_CELLS = 1_000_000
"""Cells of a kernel that are kept for the next question at most: the reasons of a list ask for
the texts that the list asked for.
"""


@dataclass(frozen=True)
class Said:
    """What a history says by its texts: its products (n,), their unit vectors (n, dim) and
    weights (n,).
    """

    items: np.ndarray
    vectors: np.ndarray
    weights: np.ndarray


@dataclass(eq=False)
class TextSpace:
    """vectors (items, dim) of unit length, of float32, or halves where there are `cells` to look
    among.

    Without cells equal texts are compared once; kept: per text of the last question, its row of the
    kernel.
    """

    vectors: np.ndarray
    cells: Cells | None = None
    kept: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def different(self) -> tuple[np.ndarray, np.ndarray]:
        """The different vectors (d, dim), and the number (items,) of each product's among them."""
        numbers: dict[bytes, int] = {}
        number = np.array(
            [numbers.setdefault(row.tobytes(), len(numbers)) for row in self.vectors],
            dtype=np.int64,
        )
        first = np.unique(number, return_index=True)[1]
        return np.asarray(self.vectors[first], dtype=np.float32), number

    def asked(self, past: Histories, weights: np.ndarray) -> Scores:
        """What the histories say, whichever way it is found: `scores` of all products, or of
        those that the cells propose.
        """
        if self.cells is None:
            return Dense(self.scores(past, weights))
        entries = [
            np.flatnonzero(weights[begin:end] > 0) + begin for begin, end in pairwise(past.start)
        ]
        told = [
            Said(past.item[mine], self.read(past.item[mine]), weights[mine].astype(np.float32))
            for mine in entries
        ]
        return Sought(partial(self._look, told), partial(self._at, told))

    def _look(self, told: list[Said], allowed: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each shopper the products that the cells propose, and their scores. Where all have
        the first one's history, but for one product, they are proposed once.
        """
        if len(told) > 1 and all(
            len(one.items) >= len(told[0].items) - 1 and np.isin(one.items, told[0].items).all()
            for one in told
        ):
            proposed = [self._proposed(told[0], allowed.any(axis=0))] * len(told)
            vectors = [self.read(proposed[0])] * len(told)
        else:
            proposed = [self._proposed(one, row) for one, row in zip(told, allowed, strict=True)]
            vectors = map(self.read, proposed)
        scores = [spoken(one, read) for one, read in zip(told, vectors, strict=True)]
        return [
            (items[free := row[items]], score[free])
            for items, score, row in zip(proposed, scores, allowed, strict=True)
        ]

    def _proposed(self, one: Said, allowed: np.ndarray) -> np.ndarray:
        if not len(one.items):
            return one.items
        outlined = replace(one, vectors=self.cells.outline(one.vectors))
        return self.cells.candidates(partial(spoken, outlined), allowed, COMPARED)

    def _at(self, told: list[Said], user: np.ndarray, item: np.ndarray) -> np.ndarray:
        asked = [
            item[begin:end]
            for begin, end in pairwise(np.searchsorted(user, np.arange(len(told) + 1)))
        ]
        return np.concatenate(
            [spoken(one, self.read(items)) for one, items in zip(told, asked, strict=True)]
        )

    def near(self, sought: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
        """(n,) products that may be near to any of the vectors sought (m, dim), of what is
        allowed (items,) bool: all, or what the cells propose.
        """
        allowed = np.ones(len(self.vectors), dtype=bool) if allowed is None else allowed
        if self.cells is None:
            return np.flatnonzero(allowed)
        outlines = self.cells.outline(sought)
        return self.cells.candidates(
            lambda others: (others @ outlines.T).max(axis=1), allowed, COMPARED
        )

    def read(self, items: np.ndarray) -> np.ndarray:
        """The vectors of these products, (n, dim) float32."""
        return np.asarray(self.vectors[items], dtype=np.float32)

    def scores(self, past: Histories, weights: np.ndarray) -> np.ndarray:
        """(shoppers, items) float32: the sum over the history of weight (entries,) × kernel, so
        that each product of it has its own share.
        """
        vectors, number = self.different
        said = weights > 0
        texts, place = np.unique(number[past.item[said]], return_inverse=True)
        start = np.concatenate([[0], np.cumsum(said)])[past.start]
        share = sp.csr_matrix(
            (weights[said].astype(np.float32), place, start), shape=(past.n_users, len(texts))
        ).tocsc()
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
        fresh = (
            dict(zip(missing, kernel(vectors[missing], vectors), strict=True)) if missing else {}
        )
        self.kept = {text: last.get(text, fresh.get(text)) for text in texts.tolist()}
        return np.stack(list(self.kept.values()))


def kernel(mine: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(n, m) in (0, 1]: how much texts with the unit vectors `mine` (n, dim) speak for those
    with `vectors` (m, dim); 1 for the same text.
    """
    found = np.ascontiguousarray(
        (vectors @ mine.T).T
    )  # a third faster than mine @ vectors.T where there are few
    found -= 1
    found /= TEMPERATURE
    return np.exp(found, out=found)


def spoken(said: Said, vectors: np.ndarray) -> np.ndarray:
    """(m,) the sum over a history of weight × kernel, for texts with these unit vectors (m,
    dim).
    """
    found = vectors @ (said.vectors.T / TEMPERATURE)
    return np.exp(found, out=found) @ (said.weights * np.exp(-1 / TEMPERATURE, dtype=np.float32))
