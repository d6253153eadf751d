"""Boost of products with few events, limited by its cost on the validation days."""

from dataclasses import dataclass

import numpy as np

from training.configuration.ranking_recipes import FusionConfig
from training.metrics.ranking import K, ndcg_at_k
from training.ranking.features import few_events
from training.ranking.ranker import TrainingRows, stack, top_lists, train_ranker

BOOSTS = tuple(round(0.05 * n, 2) for n in range(1, 21))
"""Boosts that are tried, in units of the ranker's score: 0.7 doubles the odds against another
product.
"""
FEWEST = 20
"""Minimum number of bought candidates with few events for an estimate."""


@dataclass(frozen=True)
class NewProductBoost:
    """Boost of products with few events, and its effect on the validation days.

    cost: share of NDCG@10 lost, in the window with the largest loss
    bought: number of bought candidates with few events
    found, found_without: number of those among the first K, with and without the boost
    """

    value: float = 0.0
    cost: float = 0.0
    bought: int = 0
    found: int = 0
    found_without: int = 0


def choose_boost(
    questions: list[TrainingRows], names: list[str], config: FusionConfig
) -> NewProductBoost:
    """Choose the largest boost that loses at most the share `config.new_products_cost` of NDCG@10
    in each window; 0 where there are too few data, or no bought new product more is in the lists.

    Each half of the shoppers is ranked by a ranker trained on the other half. Candidates are those
    of the ranker's training: all bought ones and a sample of the others.
    """
    questions = [rows for rows in questions if len(rows.group)]
    few = [few_events(rows.features, names) for rows in questions]
    bought = int(sum((rows.label & mask).sum() for rows, mask in zip(questions, few, strict=True)))
    shoppers = np.unique(np.concatenate([rows.shopper for rows in questions])) if questions else []
    if not config.new_products_cost or bought < FEWEST or len(shoppers) < 2:
        return NewProductBoost(bought=bought)
    scores = _out_of_fold(
        questions, np.random.default_rng(config.seed).permutation(shoppers)[::2], names, config
    )
    before = [_quality(*one, 0.0) for one in zip(questions, scores, few, strict=True)]
    chosen = NewProductBoost(
        bought=bought,
        found=sum(n for _, n in before),
        found_without=sum(n for _, n in before),
    )
    for value in BOOSTS:
        after = [_quality(*one, value) for one in zip(questions, scores, few, strict=True)]
        cost = max(
            (
                1 - boosted / reference
                for (boosted, _), (reference, _) in zip(after, before, strict=True)
                if reference
            ),
            default=0.0,
        )
        if cost > config.new_products_cost:
            break
        chosen = NewProductBoost(
            value, max(cost, 0.0), bought, sum(found for _, found in after), chosen.found_without
        )
    return (
        chosen
        if chosen.found > chosen.found_without
        else NewProductBoost(
            bought=bought, found=chosen.found_without, found_without=chosen.found_without
        )
    )


def _out_of_fold(
    questions: list[TrainingRows], half: np.ndarray, names: list[str], config: FusionConfig
) -> list[np.ndarray]:
    """Scores (rows,) per window, each by a ranker that was not trained on the shopper. `half`:
    shoppers of the first fold.
    """
    scores = [np.zeros(len(rows.label)) for rows in questions]
    for invert in (False, True):
        fold = [np.isin(rows.shopper, half, invert=invert) for rows in questions]
        ranker = train_ranker(
            stack([rows.of(mask) for rows, mask in zip(questions, fold, strict=True)]),
            names,
            config,
        )
        for rows, mask, score in zip(questions, fold, scores, strict=True):
            other_rows = np.repeat(~mask, rows.group)
            score[other_rows] = ranker.predict(rows.features[other_rows]) if other_rows.any() else 0
    return scores


def _quality(
    rows: TrainingRows, score: np.ndarray, few: np.ndarray, boost: float
) -> tuple[float, int]:
    """NDCG@K, and the number of bought products with few events among the first K."""
    owner = np.repeat(np.arange(len(rows.group)), rows.group)
    lists = top_lists(owner, np.arange(len(owner)), score + boost * few, len(rows.group), K)
    hits = rows.label[lists] & (lists >= 0)
    return float(
        ndcg_at_k(hits, np.bincount(owner[rows.label], minlength=len(rows.group)), K).mean()
    ), int(few[lists[hits]].sum())
