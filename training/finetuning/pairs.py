"""Pairs (history, next product) of shoppers, and the task of matching them by text."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from training.configuration.tuning import TextConfig
from training.data.interactions import Interactions, number_baskets
from training.data.snapshot import DAY
from training.encoders.bert import TextEncoder
from training.finetuning.augmentation import Augment
from training.finetuning.heads import Batch, Matching
from training.finetuning.loop import Task
from training.finetuning.text_store import TextStore

HISTORY_REACH = 30
NEAREST = 30
"""Nearest products per product from which hard negatives are drawn."""


@dataclass(frozen=True)
class Pairs:
    """First purchases (with `repeats`: all) as targets, and the positions of each shopper's earlier
    entries.

    item: (n,) products by shopper, in time order
    number: (n,) number of the basket within the shopper, from 0
    first: (n,) position of the shopper's first entry
    basket: (n,) position of the basket's first entry
    time: (n,) seconds
    usable: (m,) positions of targets with an entry before their basket
    """

    item: np.ndarray
    number: np.ndarray
    first: np.ndarray
    basket: np.ndarray
    time: np.ndarray
    usable: np.ndarray

    def anchored(
        self, rng: np.random.Generator, at: np.ndarray, anchors: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(n, anchors) history products drawn from the last HISTORY_REACH, and (n,) the next
        product, of pairs `at` (n,).
        """
        reach = np.minimum(self.basket[at] - self.first[at], HISTORY_REACH)
        back = (rng.random((len(at), anchors)) * reach[:, None]).astype(np.int64)
        return self.item[self.basket[at][:, None] - 1 - back], self.item[at]


def history_pairs(events: Interactions, n_items: int, repeats: bool = False) -> Pairs:
    """Pairs of what shoppers took earlier and what they took later for the first time."""
    known = events.take(events.user >= 0)
    known = known.take(np.lexsort((np.arange(len(known)), known.time, known.user)))
    number, _ = number_baskets(known.user, known.basket, int(known.user.max(initial=-1)) + 1)
    code = known.user.astype(np.int64) * n_items + known.item
    is_first = _marked(len(known), np.unique(code, return_index=True)[1])
    once = (
        np.unique(np.stack([known.basket, code]), axis=1, return_index=True)[1]
        if repeats
        else np.flatnonzero(is_first)
    )
    entries = np.sort(once)
    known, number = known.take(entries), number[entries]
    new_user = np.ones(len(known), dtype=bool)
    new_user[1:] = known.user[1:] != known.user[:-1]
    new_basket = new_user.copy()
    new_basket[1:] |= known.basket[1:] != known.basket[:-1]
    position = np.arange(len(known))
    first = np.maximum.accumulate(np.where(new_user, position, 0))
    basket = np.maximum.accumulate(np.where(new_basket, position, 0))
    return Pairs(
        known.item,
        number,
        first,
        basket,
        known.time,
        np.flatnonzero((basket > first) & is_first[entries]),
    )


def _marked(n: int, places: np.ndarray) -> np.ndarray:
    marked = np.zeros(n, dtype=bool)
    marked[places] = True
    return marked


@dataclass
class Source:
    """Sampling weights of pairs: recent pairs have larger ones; those before `since` (seconds) have
    at least the total share `replay`.
    """

    pairs: Pairs
    half_life_days: float = 0.0
    since: int | None = None
    replay: float = 0.0
    chance: np.ndarray = field(init=False)
    up_to: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        """Computes (usable,) sampling probabilities, which sum to 1."""
        time = self.pairs.time[self.pairs.usable].astype(np.float64)
        age = (time.max(initial=0) - time) / DAY
        weight = 0.5 ** (age / self.half_life_days) if self.half_life_days else np.ones(len(age))
        self.chance = weight / max(weight.sum(), 1e-12)
        if self.since is not None:
            self._replay(time < self.since)
        self.up_to = np.cumsum(self.chance)[:-1]

    def _replay(self, old: np.ndarray) -> None:
        share = self.chance[old].sum()
        if 0 < share < self.replay and not old.all():
            self.chance = self.chance * np.where(
                old, self.replay / share, (1 - self.replay) / (1 - share)
            )

    def places(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Sample training pairs: their indices (size,)."""
        weighted = self.half_life_days or self.since is not None
        chosen = (
            np.searchsorted(self.up_to, rng.random(size))
            if weighted
            else rng.integers(0, len(self.chance), size)
        )
        return self.pairs.usable[chosen]

    def draw(
        self, rng: np.random.Generator, size: int, anchors: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sample training pairs: anchor products (size, anchors) and target products (size,)."""
        return self.pairs.anchored(rng, self.places(rng, size), anchors)


@dataclass
class PairTask(Task):
    """Matching task history → next product with in-batch softmax. `judge` returns NDCG@10 of
    vectors (items, dim) on the validation window.
    """

    store: TextStore
    source: Source
    config: TextConfig
    judge: Callable[[np.ndarray], float]
    augment: Augment | None = None
    model: nn.Module = field(init=False)
    near: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.model = Matching(self.store.encoder, self.config.temperature).to(self.store.device)
        self.log_popularity = log_popularity(
            self.source, len(self.store), self.config.popularity_correction
        )

    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Sample a batch of products (size, columns): anchors, one target, hard negatives."""
        anchor, target = self.source.draw(rng, size, self.config.anchors)
        columns = [anchor, target[:, None]]
        if self.config.hard_negatives and self.near is not None:
            chosen = rng.integers(0, self.near.shape[1], (size, self.config.hard_negatives))
            columns.append(np.take_along_axis(self.near[target], chosen, axis=1))
        return np.concatenate(columns, axis=1)

    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """Batch of product pairs. rows: (size, columns) products, from `draw`; each text is encoded
        once.
        """
        unique, place = np.unique(rows, return_inverse=True)
        place = torch.from_numpy(place.reshape(rows.shape)).to(self.store.device)
        n = self.config.anchors
        target = rows[:, n]
        extra = {
            "anchor": place[:, :n],
            "positive": place[:, n],
            "log_popularity": self._tensor(self.log_popularity[target]),
        }
        if rows.shape[1] > n + 1:
            extra |= {"hard": place[:, n + 1 :], "hard_item": self._tensor(rows[:, n + 1 :])}
        augment = (lambda texts: self.augment(texts, rng)) if self.augment else None
        return Batch(self.texts(unique, augment), self._tensor(target), extra)

    def texts(self, items: np.ndarray, augment):
        """The texts of these products (n,), ready to be encoded."""
        return self.store.batch(items, augment)

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.store.device)

    def vectors(self) -> np.ndarray:
        """Encode all products by the current weights: (items, dim)."""
        return self.store.vectors()

    def validate(self) -> float:
        vectors = self.vectors()
        if self.config.hard_negatives:
            self.near = nearest(vectors, NEAREST)
        return self.judge(vectors)

    def state(self) -> dict[str, torch.Tensor]:
        """The hard negatives, `near`: (items, neighbors)."""
        return {} if self.near is None else {"near": torch.from_numpy(self.near)}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Restore the hard negatives, `near`: (items, neighbors)."""
        if "near" in state:
            self.near = state["near"].numpy()


@dataclass
class SpaceTask(PairTask):
    """The same task on fixed vectors (`pooled`): only the projection is trained, which makes steps
    cheap.
    """

    pooled: np.ndarray = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fixed = torch.from_numpy(self.pooled).to(self.store.device)

    def texts(self, items: np.ndarray, augment):
        """Fixed vectors of these products (n,), as a batch that needs no encoder."""
        return _Fixed(self.fixed[torch.from_numpy(items).to(self.store.device)])

    def vectors(self) -> np.ndarray:
        """Project the fixed vectors of all products: (items, dim)."""
        return projected(self.store.encoder, self.pooled)


@dataclass
class _Fixed:
    """Precomputed vectors with the interface of a batch of texts."""

    vectors: torch.Tensor

    def encode(self, encoder: TextEncoder) -> torch.Tensor:
        return nn.functional.normalize(encoder.projection(self.vectors), dim=1)


def pooled_vectors(store: TextStore) -> np.ndarray:
    """Unit vectors before the projection: (texts, dim)."""
    projection, store.encoder.projection = store.encoder.projection, None
    vectors = store.vectors()
    store.encoder.projection = projection
    return vectors


def projected(encoder: TextEncoder, pooled: np.ndarray) -> np.ndarray:
    """Unit vectors after the encoder's projection, if any: (texts, dim)."""
    if encoder.projection is None:
        return pooled
    with torch.no_grad():
        fixed = torch.from_numpy(pooled).to(encoder.projection.weight.device)
        return _Fixed(fixed).encode(encoder).float().cpu().numpy()


def log_popularity(source: Source, n_items: int, correction: float) -> np.ndarray:
    """(items,) float32: log of each product's sampling probability times `correction`. The minimum
    is that of one pair.
    """
    share = np.bincount(source.pairs.item[source.pairs.usable], source.chance, minlength=n_items)
    return (correction * np.log(np.maximum(share, 1 / max(1, len(source.pairs.usable))))).astype(
        np.float32
    )


def nearest(vectors: np.ndarray, k: int, shard: int = 1024) -> np.ndarray:
    """The k nearest products of each product, itself excluded: (items, k)."""
    k = min(k, len(vectors) - 1)
    out = np.zeros((len(vectors), k), dtype=np.int64)
    for begin in range(0, len(vectors), shard):
        cosine = vectors[begin : begin + shard] @ vectors.T
        cosine[np.arange(len(cosine)), np.arange(begin, begin + len(cosine))] = -np.inf
        out[begin : begin + shard] = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
    return out
