"""The search ranker: LightGBM scores of candidates, learned from graded queries."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np

from training.ranking.ranker import LAMBDARANK
from training.search.engine import Candidates
from training.search.features import FEATURES

log = logging.getLogger(__name__)

NAME = "search_ranker.txt"
RANKED_MOST = 100
"""Candidates that the ranker orders; the others follow as reciprocal rank fusion has them."""


@dataclass(frozen=True, eq=False)
class RankerRows:
    """Training rows, queries one after the other.

    features: (rows, features); gain: (rows,) int grade from 0; group: (queries,) rows of each
    """

    features: np.ndarray
    gain: np.ndarray
    group: np.ndarray


@dataclass(frozen=True)
class RankerConfig:
    """Size of the ranker, and how fast it learns."""

    rounds: int = 200
    learning_rate: float = 0.05
    leaves: int = 15
    least_rows: int = 40
    seed: int = 0


@dataclass(eq=False)
class SearchRanker:
    """A trained ranker."""

    booster: lgb.Booster

    def score(self, features: np.ndarray) -> np.ndarray:
        """(n,) scores of candidates (n, features)."""
        if not len(features):
            return np.zeros(0)
        return self.booster.predict(features, num_threads=1)

    def contributions(self, features: np.ndarray) -> np.ndarray:
        """(n, features + 1) exact additive contributions (SHAP; Lundberg et al. 2020), the base
        value last.
        """
        return self.booster.predict(features, pred_contrib=True, num_threads=1)

    def gains(self) -> dict[str, float]:
        """Share of each feature in the gain of all splits, largest first."""
        gain = self.booster.feature_importance("gain")
        shares = zip(FEATURES, gain / max(gain.sum(), 1e-9), strict=True)
        return {name: round(float(share), 4) for name, share in sorted(shares, key=lambda x: -x[1])}

    def save(self, folder: Path) -> None:
        (folder / NAME).write_text(self.booster.model_to_string(), encoding="utf-8")


def load_ranker(folder: Path) -> SearchRanker | None:
    """The ranker of a checkpoint; None without one, or where it reads other features than this
    version of the library makes.
    """
    path = folder / NAME
    if not path.exists():
        return None
    booster = lgb.Booster(model_file=str(path))
    if booster.feature_name() != list(FEATURES):
        log.warning("%s: its ranker reads other features; it is left out", folder.name)
        return None
    return SearchRanker(booster)


def train_ranker(rows: RankerRows, config: RankerConfig) -> SearchRanker:
    """Train LambdaRank (Burges 2010) with randomly drawn split thresholds (Geurts et al. 2006)."""
    parameters = LAMBDARANK | {
        "lambdarank_truncation_level": 30,
        "learning_rate": config.learning_rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.least_rows,
        "seed": config.seed,
        "num_threads": 1,
    }
    names = list(FEATURES)
    data = lgb.Dataset(rows.features, rows.gain, group=rows.group, feature_name=names)
    booster = lgb.train(parameters, data, config.rounds)
    return SearchRanker(booster)


def ranked_order(candidates: Candidates, scores: np.ndarray) -> np.ndarray:
    """(n,) positions of candidates in the order of the ranker: equal codes first, then by score,
    then those without one. scores: (m,) of the first m candidates.
    """
    first = np.lexsort((candidates.keys[: len(scores)], -scores, ~candidates.equal[: len(scores)]))
    return np.concatenate([first, np.arange(len(scores), len(candidates))])


def ordered(candidates: Candidates, scores: np.ndarray) -> tuple[Candidates, np.ndarray]:
    """(candidates in the order of `ranked_order`, the scores of the first ones)."""
    order = ranked_order(candidates, scores)
    return candidates.only(order), scores[order[: len(scores)]]


def grades_of(values: Sequence[float], best: float, most: int = 4) -> np.ndarray:
    """(n,) int grades from 0 to `most` out of relevance values, whose spacing is kept.

    best: highest value of the whole set
    """
    array = np.asarray(values, dtype=np.float64)
    if best <= most and np.allclose(array, np.round(array)):
        return np.maximum(array, 0).astype(np.int64)
    return np.round(np.maximum(array, 0) / max(best, 1e-9) * most).astype(np.int64)
