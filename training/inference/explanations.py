"""Exact explanations: contribution of each feature and of each history product to a score, and why
a product is not in a list.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from training.candidates.sources import SOURCES
from training.data.interactions import Histories, Interactions, histories, interactions
from training.data.snapshot import Events
from training.inference.recommender import Recommender

HISTORY_READ = 30
"""Number of latest history products that are left out in turn."""


@dataclass(frozen=True)
class Explanation:
    """Explanation of one product's score.

    contributions: part of the score per kind of reason (TreeSHAP, Lundberg et al. 2020); they
        and `base` sum to the score
    falls: decrease of the score without each history product, where there is one
    examples: per kind of reason, the history product that contributes most
    """

    score: float
    base: float
    contributions: dict[str, float]
    falls: dict[int, float]
    examples: dict[str, int] = field(default_factory=dict)

    @property
    def shares(self) -> dict[int, float]:
        """Share of each history product in the sum of all decreases, largest first."""
        total = sum(self.falls.values())
        return (
            {
                item: fall / total
                for item, fall in sorted(self.falls.items(), key=lambda pair: (-pair[1], pair[0]))
            }
            if total > 0
            else {}
        )


def explain(
    model: Recommender,
    events: Events,
    items: list[int],
    now: int,
    showable: np.ndarray | None = None,
    only_new: bool = False,
) -> list[Explanation]:
    """Explanations of these products (n,) for one shopper, to whom all events belong."""
    if not items:
        return []
    counted = interactions(events, model.config.event_weights)
    latest = _latest(counted.item, HISTORY_READ)
    past = histories(_without_each(counted, latest), np.arange(len(latest) + 1), model.n_items)
    sought = np.unique(items)
    wanted = np.repeat(np.arange(past.n_users), len(sought)), np.tile(sought, past.n_users)
    features = model.candidates(
        past, now, model.allowed(past, showable, only_new), wanted, alone=True
    ).features
    score = model.score(features).reshape(past.n_users, len(sought))
    exact = model.contributions(features[: len(sought)])
    examples = _examples(model, past.shard(0, 1), sought, now)
    return [
        _explanation(score[:, place], *exact[place], latest, examples[place])
        for place in np.searchsorted(sought, items)
    ]


EXAMPLE_SOURCES = [source for source in SOURCES if source.count is not None]
"""Candidate sources that name a history product. Where two have one reason, the first decides."""


def _examples(
    model: Recommender, past: Histories, items: np.ndarray, now: int
) -> list[dict[str, int]]:
    """For each product (n,): per kind of reason, the history product of the one shopper that
    contributes most.
    """
    examples: list[dict[str, int]] = [{} for _ in items]
    for source in EXAMPLE_SOURCES:
        matrix = model.signals.matrices.get(source.name)
        if matrix is None or not len(past.item):
            continue
        weights = source.weight(past, now, model.signals.half_life_days)
        scores = matrix[past.item][:, items].toarray() * weights[:, None]  # (history, items)
        scores[past.item[:, None] == items] = 0
        best = scores.argmax(axis=0)
        for place, row in enumerate(best):
            if scores[row, place] > 0:
                examples[place].setdefault(source.reason, int(past.item[row]))
    return examples


def _latest(item: np.ndarray, most: int) -> np.ndarray:
    """Distinct items (n,), latest first."""
    different, since = np.unique(item[::-1], return_index=True)
    return different[np.argsort(since)][:most]


def _without_each(counted: Interactions, items: np.ndarray) -> Interactions:
    """Shopper 0 has all interactions; each further shopper lacks one of these products."""
    positions = [np.arange(len(counted)), *(np.flatnonzero(counted.item != item) for item in items)]
    owner = np.repeat(np.arange(len(positions), dtype=np.int32), [len(rows) for rows in positions])
    return replace(counted.take(np.concatenate(positions)), user=owner)


def _explanation(
    score: np.ndarray,
    base: float,
    contributions: dict[str, float],
    latest: np.ndarray,
    examples: dict[str, int],
) -> Explanation:
    falls = {
        int(item): float(score[0] - without)
        for item, without in zip(latest, score[1:], strict=True)
        if without < score[0]
    }
    return Explanation(float(score[0]), base, contributions, falls, examples)


@dataclass(frozen=True)
class WhyNot:
    """The stage at which a product drops out of a shopper's list, and the cause.

    stage: "hidden"; "bought" where only new products are eligible; "not_proposed" by any source;
        "ranked" below the list's end; "shown"
    place: rank from 1 among `of` products; 0 where it cannot be ranked
    sources: rank in each source's list, from 1; None where it is absent
    against: per kind of reason, its contribution minus that of the list's last product
    """

    stage: str
    place: int = 0
    of: int = 0
    score: float = 0.0
    last_score: float = 0.0
    sources: dict[str, int | None] = field(default_factory=dict)
    against: dict[str, float] = field(default_factory=dict)


def why_not(
    model: Recommender,
    past: Histories,
    item: int,
    now: int,
    k: int,
    showable: np.ndarray | None = None,
    only_new: bool = False,
) -> WhyNot:
    """Why a product is not among the first k of the one shopper in `past`. showable: (items,) bool,
    or None.
    """
    if showable is not None and not showable[item]:
        return WhyNot("hidden")
    allowed = model.allowed(past, showable, only_new)
    if not allowed[0, item]:
        return WhyNot("bought")
    candidates = model.candidates(
        past, now, allowed, (np.zeros(1, dtype=np.int64), np.array([item]))
    )
    score = model.score(candidates.features)
    order = np.lexsort((candidates.item, -score))
    row = int(np.flatnonzero(candidates.item == item)[0])
    place = int(np.flatnonzero(order == row)[0]) + 1
    last = int(order[min(k, len(order)) - 1])
    sources = model.places(candidates.features[row])
    stage = "shown" if place <= k else "ranked" if any(sources.values()) else "not_proposed"
    (_, own_parts), (_, theirs) = model.contributions(candidates.features[[row, last]])
    against = {kind: own_parts[kind] - theirs[kind] for kind in own_parts}
    return WhyNot(stage, place, len(order), float(score[row]), float(score[last]), sources, against)
