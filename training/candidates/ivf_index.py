"""IVF index: an inverted file over the products' text vectors, for catalogs of up to millions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

LARGE = 5_000
"""Catalogs with more products have an index; smaller ones compare all full vectors."""
SEARCHED = 12_000
"""Eligible products whose reduced vectors a query compares, at least."""
REDUCED = 64
"""Dimensions of the reduced vectors, which are compared first."""
SAMPLE_PER_CELL = 64
"""Vectors per cell from which the centroids are learned, at most."""
BLOCK = 20_000
"""Vectors that are assigned to cells at once; bounds memory."""

Similarity = Callable[[np.ndarray], np.ndarray]
"""(n, REDUCED) reduced vectors -> (n,) similarity to the query."""


@dataclass(frozen=True, eq=False)
class IvfIndex:
    """Inverted file of k-means cells over vectors cut to their principal directions.

    Sivic & Zisserman 2003; "IVF" of Jégou et al. 2011.

    basis: (dim, REDUCED) float32: the directions
    centroids: (cells, REDUCED) float32 of unit length
    vectors: (items, REDUCED) float32 of unit length: the reduced vectors of the products
    cell: (items,) int32: the cell of each product
    """

    basis: np.ndarray
    centroids: np.ndarray
    vectors: np.ndarray
    cell: np.ndarray

    @cached_property
    def members(self) -> tuple[np.ndarray, np.ndarray]:
        """Inverted lists: products (items,) sorted by cell, and the start of each cell (cells +
        1,).
        """
        order = np.argsort(np.asarray(self.cell), kind="stable")  # no slow memmap
        sizes = np.bincount(self.cell, minlength=len(self.centroids))
        return order, np.concatenate([[0], np.cumsum(sizes)])

    def reduced(self, vectors: np.ndarray) -> np.ndarray:
        """Project vectors (n, dim) to the reduced dimension: (n, REDUCED)."""
        return reduce(vectors, self.basis)

    def candidates(self, similarity: Similarity, allowed: np.ndarray, most: int) -> np.ndarray:
        """At most `most` allowed products, the most similar of those in the most similar cells.

        allowed: (items,) bool
        """
        items = self._searched(similarity(self.centroids), allowed)
        if len(items) <= most:
            return items
        reduced = np.asarray(self.vectors)[items]
        return items[np.argpartition(-similarity(reduced), most - 1)[:most]]

    def _searched(self, score: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """Allowed products of the cells with the largest scores (cells,), at least SEARCHED."""
        order, start = self.members
        cells = np.argsort(-score, kind="stable")
        passed = np.cumsum(np.diff(start)[cells])
        parts, count, begin, step = [], 0, 0, SEARCHED
        while begin < len(cells) and count < SEARCHED:
            end = int(np.searchsorted(passed, (passed[begin - 1] if begin else 0) + step)) + 1
            items = np.concatenate([order[start[c] : start[c + 1]] for c in cells[begin:end]])
            # A cell may hold half a catalog, where texts are equal.
            parts.append(items[allowed[items]][: 4 * SEARCHED])
            count, begin, step = count + len(parts[-1]), end, 2 * step
        return np.concatenate(parts)

    def with_products(self, vectors: np.ndarray, renewed: dict[int, np.ndarray]) -> "IvfIndex":
        """The index with these vectors (m, dim) as its last products.

        renewed: row -> new vector (dim,) of products that the index has
        """
        reduced = np.concatenate([self.vectors, self.reduced(vectors)])
        added = nearest(reduced[len(self.cell) :], self.centroids)
        cell = np.concatenate([self.cell, added])
        if renewed:
            rows = list(renewed)
            reduced[rows] = self.reduced(np.stack(list(renewed.values())))
            cell[rows] = nearest(reduced[rows], self.centroids)
        return replace(self, vectors=reduced, cell=cell)


def build_ivf_index(vectors: np.ndarray, seed: int = 0) -> IvfIndex | None:
    """An index over unit vectors (items, dim); None for a catalog of at most LARGE products.

    It has as many cells as the root of the number of products.
    """
    if len(vectors) <= LARGE:
        return None
    from sklearn.cluster import MiniBatchKMeans

    n_cells, rng = round(len(vectors) ** 0.5), np.random.default_rng(seed)
    n_sampled = min(len(vectors), SAMPLE_PER_CELL * n_cells)
    rows = np.sort(rng.choice(len(vectors), n_sampled, replace=False))
    sample = np.asarray(vectors[rows], np.float32)
    basis = np.linalg.eigh(sample.T @ sample)[1][:, -REDUCED:]
    means = MiniBatchKMeans(
        n_cells, batch_size=4 * n_cells, max_iter=10, n_init=1, init="random", random_state=seed
    )
    centroids = _unit(means.fit(reduce(sample, basis)).cluster_centers_.astype(np.float32))
    blocks = (
        np.asarray(vectors[begin : begin + BLOCK], np.float32)
        for begin in range(0, len(vectors), BLOCK)
    )
    reduced = np.concatenate([reduce(block, basis) for block in blocks])
    return IvfIndex(basis, centroids, reduced, nearest(reduced, centroids))


def reduce(vectors: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Project vectors (n, dim) on the basis and normalize them: (n, REDUCED) float32."""
    return _unit(vectors @ basis)


def nearest(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(n,) int32: the centroid with the largest cosine to each reduced vector (n, REDUCED)."""
    blocks = (
        vectors[begin : begin + BLOCK] @ centroids.T for begin in range(0, len(vectors), BLOCK)
    )
    numbers = [block.argmax(axis=1).astype(np.int32) for block in blocks]
    return np.concatenate([np.zeros(0, np.int32), *numbers])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
