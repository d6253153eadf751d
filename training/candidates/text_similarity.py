"""Text similarity: a history's score for a product is a sum of kernels of text cosines."""

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from training.candidates.ivf_index import IvfIndex
from training.candidates.scores import DenseScores, Scores, SearchedScores
from training.data.interactions import Histories

TEMPERATURE = 0.2
"""Width of the kernel.

Chosen among 0.1, 0.2 and 0.3 on validation targets; the mean vector of a history ranks clearly
worse.
"""
COMPARED = 400
"""Products that the IVF index proposes by reduced vectors, then compared by their full vectors."""
KERNEL_CELLS = 12_000_000
"""Size of the kernel (texts of histories × texts of products) per block; bounds memory."""
CACHED_CELLS = 1_000_000
"""Largest kernel that is cached: explaining a list needs the kernel that made it."""


@dataclass(frozen=True)
class WeightedTexts:
    """The texts of one history: products (n,), unit vectors (n, dim), weights (n,)."""

    items: np.ndarray
    vectors: np.ndarray
    weights: np.ndarray


@dataclass(eq=False)
class TextSpace:
    """Products as unit vectors (items, dim): float32, or float16 with an IVF index.

    Without an index equal texts are compared once.

    kernel_rows: per text of the last call, its row of the kernel
    """

    vectors: np.ndarray
    ivf: IvfIndex | None = None
    kernel_rows: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def distinct(self) -> tuple[np.ndarray, np.ndarray]:
        """The distinct vectors (d, dim), and the number (items,) of each product's among them."""
        numbers: dict[bytes, int] = {}
        number = np.array(
            [numbers.setdefault(row.tobytes(), len(numbers)) for row in self.vectors],
            dtype=np.int64,
        )
        first = np.unique(number, return_index=True)[1]
        return np.asarray(self.vectors[first], dtype=np.float32), number

    def score(self, past: Histories, weights: np.ndarray) -> Scores:
        """Scores of the products for these histories, with weights (entries,).

        Of all products, or of those that the IVF index proposes.
        """
        if self.ivf is None:
            return DenseScores(self.scores(past, weights))
        histories = []
        for begin, end in pairwise(past.start):
            entries = np.flatnonzero(weights[begin:end] > 0) + begin
            items = past.item[entries]
            texts = WeightedTexts(items, self.read(items), weights[entries].astype(np.float32))
            histories.append(texts)
        return SearchedScores(partial(self._search, histories), partial(self._at, histories))

    def _search(
        self, histories: list[WeightedTexts], allowed: np.ndarray
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Per shopper the products that the index proposes (n,), and their scores (n,)."""
        if _same_but_one(histories):
            proposed = [self._proposed(histories[0], allowed.any(axis=0))] * len(histories)
            vectors = [self.read(proposed[0])] * len(histories)
        else:
            pairs = zip(histories, allowed, strict=True)
            proposed = [self._proposed(texts, row) for texts, row in pairs]
            vectors = map(self.read, proposed)
        scores = [
            kernel_scores(texts, read) for texts, read in zip(histories, vectors, strict=True)
        ]
        return [
            (items[free := row[items]], score[free])
            for items, score, row in zip(proposed, scores, allowed, strict=True)
        ]

    def _proposed(self, texts: WeightedTexts, allowed: np.ndarray) -> np.ndarray:
        if not len(texts.items):
            return texts.items
        reduced = replace(texts, vectors=self.ivf.reduced(texts.vectors))
        return self.ivf.candidates(partial(kernel_scores, reduced), allowed, COMPARED)

    def _at(self, histories: list[WeightedTexts], user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """(n,) scores of pairs (n,), (n,); `user` ascending."""
        bounds = np.searchsorted(user, np.arange(len(histories) + 1))
        return np.concatenate(
            [
                kernel_scores(texts, self.read(item[begin:end]))
                for texts, (begin, end) in zip(histories, pairwise(bounds), strict=True)
            ]
        )

    def near(self, queries: np.ndarray, allowed: np.ndarray | None = None) -> np.ndarray:
        """(n,) allowed products that may be near to any of these vectors (m, dim).

        All of them, or those that the IVF index proposes. allowed: (items,) bool
        """
        allowed = np.ones(len(self.vectors), dtype=bool) if allowed is None else allowed
        if self.ivf is None:
            return np.flatnonzero(allowed)
        reduced = self.ivf.reduced(queries)
        return self.ivf.candidates(
            lambda others: (others @ reduced.T).max(axis=1), allowed, COMPARED
        )

    def read(self, items: np.ndarray) -> np.ndarray:
        """Read the vectors of these products (n,): (n, dim) float32."""
        return np.asarray(self.vectors[items], dtype=np.float32)

    def scores(self, past: Histories, weights: np.ndarray) -> np.ndarray:
        """(shoppers, items) float32: the sum over the history of weight (entries,) × kernel.

        A sum, so that each product of the history has its own share of the score.
        """
        vectors, number = self.distinct
        counted = weights > 0
        texts, place = np.unique(number[past.item[counted]], return_inverse=True)
        start = np.concatenate([[0], np.cumsum(counted)])[past.start]
        values = weights[counted].astype(np.float32)
        share = sp.csr_matrix((values, place, start), shape=(past.n_users, len(texts))).tocsc()
        total = np.zeros((past.n_users, len(vectors)), dtype=np.float32)
        step = max(1, KERNEL_CELLS // max(1, len(vectors)))
        for begin in range(0, len(texts), step):
            total += share[:, begin : begin + step] @ self._kernel(texts[begin : begin + step])
        return total if len(vectors) == len(number) else total[:, number]

    def _kernel(self, texts: np.ndarray) -> np.ndarray:
        """(n, distinct texts): the kernel of these texts (n,) with all."""
        vectors, cached = self.distinct[0], self.kernel_rows
        if not 0 < len(texts) * len(vectors) <= CACHED_CELLS:
            return kernel(vectors[texts], vectors)
        missing = [text for text in texts.tolist() if text not in cached]
        computed = kernel(vectors[missing], vectors) if missing else ()
        fresh = dict(zip(missing, computed, strict=True))
        self.kernel_rows = {text: cached.get(text, fresh.get(text)) for text in texts.tolist()}
        return np.stack(list(self.kernel_rows.values()))


def _same_but_one(histories: list[WeightedTexts]) -> bool:
    """True where all have the first one's products, but for at most one; explanations ask so."""
    first = histories[0].items
    return len(histories) > 1 and all(
        len(texts.items) >= len(first) - 1 and np.isin(texts.items, first).all()
        for texts in histories
    )


def kernel(texts: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(n, m) in (0, 1]: exp((cosine - 1) / TEMPERATURE) of unit vectors (n, dim) and (m, dim)."""
    # A third faster than texts @ vectors.T where there are few texts.
    values = np.ascontiguousarray((vectors @ texts.T).T)
    values -= 1
    values /= TEMPERATURE
    return np.exp(values, out=values)


def kernel_scores(texts: WeightedTexts, vectors: np.ndarray) -> np.ndarray:
    """(m,) the sum over a history of weight × kernel, for texts with unit vectors (m, dim)."""
    values = vectors @ (texts.vectors.T / TEMPERATURE)
    scale = np.exp(-1 / TEMPERATURE, dtype=np.float32)
    return np.exp(values, out=values) @ (texts.weights * scale)
