"""An inverted file over the products' vectors, so that one shopper's question is answered from
a few thousand of a million products.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

LARGE = 5_000
"""Shops with more products have cells; others compare the whole vectors of all."""
READ = 12_000
"""Products whose outlines a question looks at, at least, of those that may be shown: with so
many or fewer, all.
"""
OUTLINE = 64
"""Width of the outlines of vectors that are looked at first."""
LEARNED_FROM = 64
"""Vectors a cell that the centroids are learned from, at most."""
BLOCK = 20_000
"""Vectors that are given to their cells at once; bounds memory."""

Speak = Callable[[np.ndarray], np.ndarray]
"""(n, OUTLINE) outlines -> (n,) how much is said for each."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Inverted file of k-means cells (Sivic & Zisserman 2003; "IVF" of Jégou et al. 2011) over
    vectors cut to their principal directions.

    basis: (dim, OUTLINE) float32: the directions
    centroids: (cells, OUTLINE) float32 of unit length
    outlines: (items, OUTLINE) float32 of unit length: the products' vectors in these directions
    number: (items,) int32: the cell of each product
    """

    basis: np.ndarray
    centroids: np.ndarray
    outlines: np.ndarray
    number: np.ndarray

    @cached_property
    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """The products (items,) by cell, and where each cell's begin, (cells + 1,)."""
        order = np.argsort(self.number, kind="stable")
        return order, np.concatenate(
            [[0], np.cumsum(np.bincount(self.number, minlength=len(self.centroids)))]
        )

    def outline(self, vectors: np.ndarray) -> np.ndarray:
        """(n, OUTLINE) of vectors (n, dim)."""
        return outline(vectors, self.basis)

    def candidates(self, speak: Speak, allowed: np.ndarray, most: int) -> np.ndarray:
        """The `most` allowed (items,) products of which most is said by their outlines, of
        those in the cells of whose centroids most is said.
        """
        items = self._reached(speak(self.centroids), allowed)
        if len(items) <= most:
            return items
        return items[np.argpartition(-speak(self.outlines[items]), most - 1)[:most]]

    def _reached(self, score: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """Allowed products of the cells with the largest score (cells,), of so many cells that
        there are READ, or all there are.
        """
        order, start = self.members
        cells = np.argsort(-score, kind="stable")
        read = np.cumsum(np.diff(start)[cells])
        parts, found, begin, step = [], 0, 0, READ
        while begin < len(cells) and found < READ:
            end = int(np.searchsorted(read, (read[begin - 1] if begin else 0) + step)) + 1
            items = np.concatenate(
                [order[start[cell] : start[cell + 1]] for cell in cells[begin:end]]
            )
            parts.append(
                items[allowed[items]][: 4 * READ]
            )  # a cell may hold half a shop, where texts are equal
            found, begin, step = found + len(parts[-1]), end, 2 * step
        return np.concatenate(parts)

    def with_products(self, vectors: np.ndarray, renewed: dict[int, np.ndarray]) -> "Cells":
        """The same cells with the products of these vectors (m, dim) as the last ones, and
        others where a product's vector was renewed.
        """
        outlines = np.concatenate([self.outlines, self.outline(vectors)])
        number = np.concatenate(
            [self.number, nearest(outlines[len(self.number) :], self.centroids)]
        )
        if renewed:
            rows = list(renewed)
            outlines[rows] = self.outline(np.stack(list(renewed.values())))
            number[rows] = nearest(outlines[rows], self.centroids)
        return replace(self, outlines=outlines, number=number)


def cells_of(vectors: np.ndarray, seed: int = 0) -> Cells | None:
    """As many cells as the root of the number of vectors (items, dim) of unit length; None
    where a shop is small enough to do without.
    """
    if len(vectors) <= LARGE:
        return None
    from sklearn.cluster import MiniBatchKMeans

    n_cells, rng = round(len(vectors) ** 0.5), np.random.default_rng(seed)
    drawn = np.asarray(
        vectors[
            np.sort(
                rng.choice(len(vectors), min(len(vectors), LEARNED_FROM * n_cells), replace=False)
            )
        ],
        np.float32,
    )
    basis = np.linalg.eigh(drawn.T @ drawn)[1][:, -OUTLINE:]
    means = MiniBatchKMeans(
        n_cells, batch_size=4 * n_cells, max_iter=10, n_init=1, init="random", random_state=seed
    )
    centroids = _unit(means.fit(outline(drawn, basis)).cluster_centers_.astype(np.float32))
    blocks = (
        np.asarray(vectors[begin : begin + BLOCK], np.float32)
        for begin in range(0, len(vectors), BLOCK)
    )
    outlines = np.concatenate([outline(block, basis) for block in blocks])
    return Cells(basis, centroids, outlines, nearest(outlines, centroids))


def outline(vectors: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """(n, OUTLINE) float32 of unit length: vectors (n, dim) in the directions of the basis."""
    return _unit(vectors @ basis)


def nearest(outlines: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(n,) int32: the centroid of the largest cosine to each of these (n, OUTLINE)."""
    blocks = (
        outlines[begin : begin + BLOCK] @ centroids.T for begin in range(0, len(outlines), BLOCK)
    )
    return np.concatenate(
        [np.zeros(0, np.int32), *(block.argmax(axis=1).astype(np.int32) for block in blocks)]
    )


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
