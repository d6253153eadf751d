"""Products created after the training: a Recommender that ranks them by texts and attributes until
the next training.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from training.candidates.covisitation import ITEM_STATS, Popularity
from training.candidates.sequence_model import SequenceModel
from training.candidates.sources import Signals
from training.candidates.text_similarity import TextSpace
from training.inference.recommender import Recommender
from training.ranking.features import ItemFacts

AKIN = 5
"""Number of nearest known products whose sequence vectors are averaged for a new product."""
FEWEST_BUYERS = 5
"""Number of pseudo-buyers that damp the repurchase rate, as in co-visitation."""


@dataclass(frozen=True)
class NewProducts:
    """vectors: (m, dim) float32 of unit length; price: (m,), nan where unknown; brand, category:
    (m,) codes of the checkpoint, -1 for unknown ones.
    """

    vectors: np.ndarray
    price: np.ndarray
    brand: np.ndarray
    category: np.ndarray

    def __len__(self) -> int:
        return len(self.vectors)


def with_products(
    model: Recommender, new: NewProducts, renewed: dict[int, np.ndarray]
) -> Recommender:
    """A Recommender with these products as its last rows, and with new vectors (dim,) of changed
    products, by row.

    New products have no events, so behavioral signals are empty. In the sequence model they have
    the mean vector of the known products with the nearest texts.
    """
    signals, m = model.signals, len(new)
    if signals.vectors is None:
        return model
    known = np.array(signals.vectors) if renewed else signals.vectors
    for row, vector in renewed.items():
        known[row] = vector
    n = model.n_items + m
    vectors = np.concatenate([known, new.vectors.astype(known.dtype)]) if m else known
    ivf = signals.ivf and signals.ivf.with_products(new.vectors, renewed)
    extended = Signals(
        {name: _padded(matrix, n) for name, matrix in signals.matrices.items()},
        Popularity(
            np.concatenate([signals.popularity.stats, _without_events(signals.popularity, m)]),
            signals.popularity.now,
        ),
        vectors,
        signals.half_life_days,
        _sequence(signals.sequence, TextSpace(vectors, ivf), new.vectors),
        signals.off,
        ivf,
    )
    facts = ItemFacts(
        *(
            np.concatenate([getattr(model.facts, name), getattr(new, name)])
            for name in ("price", "brand", "category")
        )
    )
    return Recommender(extended, facts, model.ranker, model.config, model.boost)


def _padded(matrix: sp.csr_matrix, n: int) -> sp.csr_matrix:
    indptr = np.concatenate(
        [matrix.indptr, np.full(n - matrix.shape[0], matrix.indptr[-1], dtype=matrix.indptr.dtype)]
    )
    return sp.csr_matrix((matrix.data, matrix.indices, indptr), shape=(n, n), copy=False)


def _without_events(known: Popularity, m: int) -> np.ndarray:
    """Statistics (m, stats) of products without purchases: no sales, no trend, the shop's average
    repurchase rate.
    """
    buyers, again = known.column("buyers"), known.column("again_rate")
    overall = float(
        (again * (buyers + FEWEST_BUYERS)).sum() / max((buyers + FEWEST_BUYERS).sum(), 1)
    )
    stats = dict.fromkeys(ITEM_STATS, 0.0) | {"trend": 1.0, "again_rate": overall}
    stats |= dict.fromkeys(("age_days", "idle_days", "gap_days"), np.nan)
    return np.tile(np.array([stats[name] for name in ITEM_STATS], dtype=np.float32), (m, 1))


def _sequence(
    sequence: SequenceModel | None, space: TextSpace, vectors: np.ndarray
) -> SequenceModel | None:
    """The sequence model, extended by the mean of similar products for each of these vectors (m,
    dim).
    """
    if sequence is None or not len(vectors):
        return sequence
    return replace(
        sequence,
        items=np.concatenate([sequence.items, sequence.items[_akin(space, vectors)].mean(axis=1)]),
    )


def _akin(space: TextSpace, vectors: np.ndarray) -> np.ndarray:
    """(m, AKIN) known products with the nearest texts to each of these, which are the last rows of
    the space.
    """
    n_known = len(space.vectors) - len(vectors)
    if space.ivf is None:
        return np.argsort(-(vectors @ space.vectors[:n_known].T), axis=1, kind="stable")[:, :AKIN]
    known = np.arange(len(space.vectors)) < n_known
    near = [space.near(vector[None], known) for vector in vectors]
    return np.stack(
        [
            rows[np.argsort(-(space.read(rows) @ vector), kind="stable")[:AKIN]]
            for rows, vector in zip(near, vectors, strict=True)
        ]
    )
