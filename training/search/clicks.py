"""Relevance from clicks: a position-based click model, fitted by expectation maximization.

A product is clicked where it is looked at and relevant: P(click) = propensity of the position ×
relevance of the product to the query (Chuklin, Markov & de Rijke 2015, chapter 3). Products that
were shown at several positions tell the two apart.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

LONGEST_LIST = 50
"""Positions with a propensity of their own; later ones share the last."""
ROUNDS = 50
PRIOR_LOOKS = 2.0
"""Looks that each (query, product) is assumed to have had, at the mean relevance."""
HIGHEST = 0.99
"""Quantile of the relevance that has the highest grade."""
SMOOTHING = 20.0
"""Looks that pull the propensity of a rarely shown position to those around it."""


@dataclass(frozen=True, eq=False)
class ClickModel:
    """propensity: (positions,) how likely a position is looked at, the first being 1
    pair: (n,) number of the (query, product) pair of each shown product, as given
    relevance: (pairs,) [0, 1]; looks: (pairs,) expected number of looks at it
    """

    propensity: np.ndarray
    relevance: np.ndarray
    looks: np.ndarray


def fit_clicks(
    pair: np.ndarray, position: np.ndarray, clicked: np.ndarray, unbiased: bool = True
) -> ClickModel:
    """The click model of shown products.

    pair: (n,) int number of (query, product); position: (n,) int from 0; clicked: (n,) bool
    unbiased: False: every position counts as looked at, for comparison
    """
    position = np.minimum(position, LONGEST_LIST - 1)
    pairs, places = int(pair.max(initial=-1)) + 1, int(position.max(initial=-1)) + 1
    # Equal (pair, position) rows are one: their number, and how many were clicked.
    cell, inverse = np.unique(pair * places + position, return_inverse=True)
    shown = np.bincount(inverse).astype(np.float64)
    clicks = np.bincount(inverse, weights=clicked.astype(np.float64))
    pair, position = cell // max(places, 1), cell % max(places, 1)
    mean = max(float(clicks.sum() / max(shown.sum(), 1)), 1e-6)
    seen = np.bincount(position, weights=shown, minlength=places)
    propensity = np.ones(places)
    if unbiased:
        rate = np.bincount(position, weights=clicks, minlength=places) / np.maximum(seen, 1)
        propensity = np.clip(rate / max(rate[0], 1e-6), 0.02, 1.0) if places else propensity
    relevance = np.full(pairs, mean)
    for _ in range(ROUNDS if unbiased else 1):
        looked = np.bincount(pair, weights=shown * propensity[position], minlength=pairs)
        taken = np.bincount(pair, weights=clicks, minlength=pairs)
        prior = mean / max(float((shown * propensity[position]).sum() / shown.sum()), 1e-6)
        relevance = np.clip((taken + PRIOR_LOOKS * prior) / (looked + PRIOR_LOOKS), 0.0, 1.0)
        if not unbiased:
            break
        propensity = _propensity(position, shown, clicks, relevance[pair], propensity, seen)
    looks = np.bincount(pair, weights=shown * propensity[position], minlength=pairs)
    return ClickModel(propensity, relevance, looks)


def relevance_of_shown(shown: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    """(relevance of each shown product to its query, propensities of the positions (positions,)).

    Queries without a click say nothing and are left out.

    shown: query, item_id, position (from 1), clicked
    Returns columns query, item_id, relevance as a share of its `HIGHEST` quantile, at most 1, and
    looks, the expected number of looks; in order of their first appearance.
    """
    shown = shown.filter(pl.col("clicked").any().over("query"))
    if not len(shown):
        none = pl.lit(None, dtype=pl.Float64)
        empty = shown.select("query", "item_id", relevance=none, looks=none)
        return empty, np.zeros(0)
    pairs = shown.select("query", "item_id").unique(maintain_order=True).with_row_index("pair")
    shown = shown.join(pairs, on=["query", "item_id"], how="left", maintain_order="left")
    model = fit_clicks(
        shown["pair"].to_numpy().astype(np.int64),
        shown["position"].to_numpy() - 1,
        shown["clicked"].to_numpy(),
    )
    highest = max(float(np.quantile(model.relevance, HIGHEST)), 1e-6)
    relevance = np.minimum(model.relevance / highest, 1.0)
    return pairs.drop("pair").with_columns(relevance=relevance, looks=model.looks), model.propensity


def _propensity(
    position: np.ndarray,
    shown: np.ndarray,
    clicks: np.ndarray,
    relevance: np.ndarray,
    propensity: np.ndarray,
    seen: np.ndarray,
) -> np.ndarray:
    """One step of expectation maximization: (positions,) shares of looks, the first being 1."""
    theta = propensity[position]
    unclicked = theta * (1 - relevance) / np.maximum(1 - theta * relevance, 1e-9)
    looked = clicks + (shown - clicks) * unclicked
    total = np.bincount(position, weights=looked, minlength=len(propensity))
    raw = total / np.maximum(seen, 1e-9)
    around = np.convolve(np.pad(raw, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    smooth = (total + SMOOTHING * around) / (seen + SMOOTHING)
    return np.clip(smooth / max(smooth[0], 1e-9), 0.01, 1.0)
