"""Semantic retrieval: products near to a query in the encoder's vector space."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from training.candidates.text_similarity import TextSpace


@dataclass(frozen=True, eq=False)
class SemanticIndex:
    """Product vectors of one encoder.

    keys: (items,) int64: the product of each row; -1 for rows of products that are gone
    space: vectors (items, dim) of unit length; all are compared, or those that its IVF index
    proposes
    titles: (items, dim) unit vectors of the titles alone, where the encoder was trained for search
    """

    keys: np.ndarray
    space: TextSpace
    titles: np.ndarray | None = None

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.keys, kind="stable")
        return self.keys[order], order

    def rows_of(self, keys: np.ndarray) -> np.ndarray:
        """(n,) rows of these products (n,); -1 for unknown ones."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        known, order = self._sorted
        at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where((known[at] == keys) & (keys >= 0), order[at], -1)

    def vector_of(self, key: int) -> np.ndarray | None:
        """(dim,) unit vector of a product; None where it is unknown."""
        (row,) = self.rows_of(np.array([key])).tolist()
        return None if row < 0 else self.space.read(np.array([row]))[0]

    def nearest(
        self, query: np.ndarray, most: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The `most` nearest products to a unit vector (dim,), best first: keys (n,) int64 and
        cosines (n,). allowed: (items,) bool, by row.
        """
        present = self.keys >= 0
        allowed = present if allowed is None else allowed & present
        rows = self.space.near(query[None], allowed)
        if len(rows) * 2 > len(self.keys):  # quicker than to copy most of the vectors
            cosines = (self.space.vectors @ query)[rows]
        else:
            cosines = self.space.read(rows) @ query
        if len(rows) > most:
            best = np.argpartition(-cosines, most - 1)[:most]
            rows, cosines = rows[best], cosines[best]
        order = np.lexsort((self.keys[rows], -cosines))
        return self.keys[rows[order]], cosines[order]

    def cosines(self, query: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """(n,) cosines of these products (n,) to a unit vector (dim,); nan for unknown ones."""
        rows = self.rows_of(keys)
        out = np.full(len(keys), np.nan, dtype=np.float32)
        known = rows >= 0
        if known.any():
            out[known] = self.space.read(rows[known]) @ query
        return out


def mean_vectors(titles: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(n, dim) unit vectors half way between those of titles and of whole texts, (n, dim) each.

    A long description draws a vector away from what the product is.
    """
    total = np.asarray(titles, np.float32) + np.asarray(whole, np.float32)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-6)
