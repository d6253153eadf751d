"""Re-ranking of a ranked list: exposure of the long tail, and diversity."""

import numpy as np


def with_exposure(protected: np.ndarray, share: float, k: int) -> np.ndarray:
    """The first k places of a ranking, of whose first n at least ⌊share · n⌋ are protected, for
    every n, where there are as many.

    protected (n,) bool in the order of the ranking; returns (k,) positions in it. The ranked group
    fairness of FA*IR (Zehlike et al. 2017) with its minimum as a plain share.
    """
    own, others = list(np.flatnonzero(protected)), list(np.flatnonzero(~protected))
    chosen: list[int] = []
    given = 0
    while len(chosen) < min(k, len(protected)):
        short = given < int(share * (len(chosen) + 1) + 1e-9)
        take = own if own and (short or not others or own[0] < others[0]) else others
        given += take is own
        chosen.append(int(take.pop(0)))
    return np.array(chosen, dtype=np.int64)


def diversified(similarity: np.ndarray, diversity: float) -> np.ndarray:
    """The order of a ranking in which each next product is good and unlike those before it: maximal
    marginal relevance (Carbonell & Goldstein 1998).

    similarity (n, n) in [0, 1], products in the order of the ranking; diversity in [0, 1]: 0 leaves
    the order, 1 looks at likeness alone. A product is as good as its place, by the discount of
    NDCG. Returns (n,) positions; the first place stays.
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
