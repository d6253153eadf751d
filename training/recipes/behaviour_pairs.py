"""(shopper, product) pairs of the recipe `behaviour`: sampling, text, features of the baseline."""

from dataclasses import dataclass

import numpy as np

from training.configuration.text_recipes import BehaviourConfig
from training.data.interactions import Histories
from training.data.snapshot import DAY
from training.data.splits import Window


@dataclass(frozen=True)
class PairRows:
    """(shopper, product) pairs of one moment, their outcome, and counts as features of the
    baseline.

    history, product: texts for the encoder; label: (n,) bool, bought
    facts: (n, 4): log(1 + sales), purchases by the shopper, purchases per basket of the shopper,
        log(1 + days since the last purchase), 365 days where never
    """

    history: list[str]
    product: list[str]
    label: np.ndarray
    facts: np.ndarray

    @staticmethod
    def join(parts: list["PairRows"]) -> "PairRows":
        return PairRows(
            [t for p in parts for t in p.history],
            [t for p in parts for t in p.product],
            np.concatenate([p.label for p in parts]),
            np.concatenate([p.facts for p in parts]),
        )

    def take(self, rows: np.ndarray) -> "PairRows":
        """The subset of pairs at these indices (n,)."""
        return PairRows(
            [self.history[i] for i in rows],
            [self.product[i] for i in rows],
            self.label[rows],
            self.facts[rows],
        )


class PairWindow:
    """Pairs of one window: shoppers known at `now`, and their purchases in the following days."""

    def __init__(self, window: Window, texts: list[str], config: BehaviourConfig) -> None:
        self.window, self.texts, self.config = window, texts, config
        self.sales = np.bincount(
            window.fit.item[window.fit.bought], minlength=window.n_items
        ).astype(np.float64)
        owner = np.repeat(np.arange(len(window.users)), np.diff(window.start))
        self.bought = owner.astype(np.int64) * window.n_items + window.target

    def drawn_by_outcome(self, most: int, negatives: int, rng: np.random.Generator) -> PairRows:
        """Sample pairs by outcome: every purchase, with negatives of similar popularity."""
        positive = rng.permutation(self.bought)[: max(1, most // (1 + negatives))]
        user = np.repeat(positive // self.window.n_items, negatives)
        negative = user * self.window.n_items + self._popular(len(user), rng)
        negative = negative[~np.isin(negative, self.bought)]
        return self._rows(np.concatenate([positive, negative]))

    def drawn_blindly(self, most: int, rng: np.random.Generator) -> PairRows:
        """Pairs drawn without regard to the outcome: shoppers uniformly, half the products by past
        sales, half from the shopper's history.
        """
        user = rng.integers(0, len(self.window.users), most)
        past = self.window.past
        size = np.diff(past.start)[user]
        own_items = past.item[
            np.minimum(
                past.start[user] + (rng.random(most) * size).astype(np.int64), len(past.item) - 1
            )
        ]
        item = np.where((rng.random(most) < 0.5) & (size > 0), own_items, self._popular(most, rng))
        return self._rows(np.unique(user.astype(np.int64) * self.window.n_items + item))

    def _popular(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.choice(self.window.n_items, n, p=self.sales / self.sales.sum())

    def _rows(self, code: np.ndarray) -> PairRows:
        user, item = code // self.window.n_items, code % self.window.n_items
        past = self.window.past
        known = {
            int(u): history_text(past, int(u), self.texts, self.config.history_items)
            for u in np.unique(user)
        }
        facts = np.stack(
            [np.log1p(self.sales[item]), *_own_facts(past, user, item, self.window.now)], axis=1
        )
        return PairRows(
            [known[int(u)] for u in user],
            [self.texts[i] for i in item],
            np.isin(code, self.bought).astype(np.int64),
            facts,
        )


def history_text(past: Histories, user: int, texts: list[str], most: int) -> str:
    """Text of the latest history products, the newest first, for the encoder."""
    latest = past.item[past.start[user] : past.start[user + 1]][::-1][:most]
    return "; ".join(texts[i] for i in latest)


def _own_facts(past: Histories, user: np.ndarray, item: np.ndarray, now: int) -> list[np.ndarray]:
    entries = past.matrix(np.arange(1, len(past.item) + 1, dtype=np.float64))
    entry = np.asarray(entries[user, item]).ravel().astype(np.int64) - 1
    known = entry >= 0
    times = np.where(known, past.bought[entry], 0.0)
    days = np.where(known, (now - past.last[entry]) / DAY, 365.0)
    return [times, times / np.maximum(past.baskets[user], 1), np.log1p(days)]
