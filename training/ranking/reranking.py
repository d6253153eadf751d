"""Re-ranking of a ranked list: exposure of the long tail, and diversity."""

import numpy as np


def with_exposure(protected: np.ndarray, share: float, k: int) -> np.ndarray:
    """The first k places of a ranking in which, for every n, at least ⌊share · n⌋ of the first n
    are protected.

    protected: (n,) bool in ranking order. Returns (k,) positions. This is the ranked group fairness
    of FA*IR (Zehlike et al. 2017) with a plain share as its minimum; fewer protected products are
    used where there are not enough.
    """
    protected_rows, others = list(np.flatnonzero(protected)), list(np.flatnonzero(~protected))
    chosen: list[int] = []
    given = 0
    while len(chosen) < min(k, len(protected)):
        short = given < int(share * (len(chosen) + 1) + 1e-9)
        take = (
            protected_rows
            if protected_rows and (short or not others or protected_rows[0] < others[0])
            else others
        )
        given += take is protected_rows
        chosen.append(int(take.pop(0)))
    return np.array(chosen, dtype=np.int64)


def diversified(similarity: np.ndarray, diversity: float) -> np.ndarray:
    """Maximal marginal relevance (Carbonell & Goldstein 1998): each next product is relevant and
    unlike those before it.

    similarity: (n, n) in [0, 1] in ranking order; diversity: in [0, 1], 0 keeps the order, 1
    considers only similarity. Relevance is NDCG's discount of the rank. Returns (n,) positions; the
    first place stays.
    """
    n = len(similarity)
    good, likest = 1.0 / np.log2(np.arange(n) + 2), np.zeros(n)
    left, chosen = np.ones(n, dtype=bool), []
    for _ in range(n):
        worth = np.where(left, (1 - diversity) * good - diversity * likest, -np.inf)
        best = int(worth.argmax())
        chosen.append(best)
        left[best] = False
        likest = np.maximum(likest, similarity[best])
    return np.array(chosen, dtype=np.int64)
