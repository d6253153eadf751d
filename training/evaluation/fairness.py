"""Fairness: quality by group of shoppers, exposure by popularity band, and the cost of re-ranking
for exposure.
"""

import numpy as np

from training.data.segments import is_head, shopper_groups
from training.data.snapshot import Snapshot
from training.data.splits import Window
from training.evaluation.ranking import Ranked, interval, rank_by_fusion
from training.inference.recommender import Recommender
from training.metrics.ranking import K
from training.ranking.reranking import with_exposure

SHARES = (0.1, 0.2, 0.3, 0.5)
DEPTH = 100
"""Ranking depth searched for products that need exposure."""
FEWEST = 50
"""Minimum number of shoppers of a group."""


def fairness(snapshot: Snapshot, window: Window, model: Recommender) -> dict:
    """Fairness part of a report: `groups` of shoppers, popularity `bands` of products, and the cost
    of each minimum `exposure` of products outside the head.
    """
    sold = model.signals.popularity.column("sold")
    head = is_head(sold)
    deep = rank_by_fusion(window, model, DEPTH)
    plain = Ranked(window, deep.lists[:, :K])
    return {
        "groups": _groups(snapshot, plain),
        "bands": {name: _band(plain, mask) for name, mask in bands_of(sold).items()},
        "exposure": [_exposed(deep, ~head, share, plain) for share in (0.0, *SHARES)],
    }


def bands_of(sold: np.ndarray) -> dict[str, np.ndarray]:
    """Popularity bands, (items,) bool each; every product is in exactly one."""
    head = is_head(sold)
    new = ~head & (sold <= 0)
    return {"head": head, "tail": ~head & ~new, "unsold": new}


def _groups(snapshot: Snapshot, ranked: Ranked) -> dict:
    """NDCG@10 of each group of shoppers, absolute and relative to all shoppers."""
    ndcg = ranked.ndcg()
    whole = float(np.nanmean(ndcg))
    groups = {}
    for name, mask in shopper_groups(snapshot, ranked.window).items():
        value = interval(ndcg[mask])
        if value and mask.sum() >= FEWEST:
            groups[name] = {
                "shoppers": int(mask.sum()),
                "ndcg@10": value,
                "of_all": value["value"] / whole if whole else 1.0,
            }
    return groups


def _band(ranked: Ranked, mask: np.ndarray) -> dict:
    """Share of the products, of purchases and of exposure, and recall of the purchases."""
    shown, bought = ranked.lists[ranked.lists >= 0], ranked.window.target
    hits = ranked.lists[ranked.hits()]
    bought_here = mask[bought].sum()
    return {
        "products": float(mask.mean()),
        "bought": float(mask[bought].mean()) if len(bought) else 0.0,
        "shown": float(mask[shown].mean()) if len(shown) else 0.0,
        "found": float(mask[hits].sum() / bought_here) if bought_here else None,
    }


def _exposed(deep: Ranked, protected: np.ndarray, share: float, plain: Ranked) -> dict:
    """Metrics of lists re-ranked to at least this share of protected products."""
    lists = np.full((len(deep.lists), K), -1, dtype=np.int64)
    for row, ranked in enumerate(deep.lists):
        ranked = ranked[ranked >= 0]
        chosen = ranked[with_exposure(protected[ranked], share, K)]
        lists[row, : len(chosen)] = chosen
    reranked, before = Ranked(deep.window, lists), float(np.nanmean(plain.ndcg()))
    value = interval(reranked.ndcg())
    shown = lists[lists >= 0]
    return {
        "least": share,
        "shown": float(protected[shown].mean()) if len(shown) else 0.0,
        "ndcg@10": value,
        "cost": 1 - value["value"] / before if value and before else 0.0,
    }
