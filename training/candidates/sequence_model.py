"""A shopper's next product from the sequence of the last ones: one self-attention block, served
with numpy alone.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from training.candidates.scores import Dense, Scores, Sought
from training.data.interactions import Histories

REACH = 50
"""Latest products of a history that are read."""
DISTANCES = 32
"""How far back is told apart; what lies further counts as this far."""
EPSILON = 1e-5


@dataclass(frozen=True)
class Sequences:
    """The latest products of some shoppers, the newest first: item, back (shoppers, longest) int64,
    there (shoppers, longest) bool.

    back: how many baskets (or events) lie between a product and what comes next, at most DISTANCES
        - 1
    """

    item: np.ndarray
    back: np.ndarray
    there: np.ndarray


def latest(past: Histories, by_event: bool) -> Sequences:
    """The last REACH products of each history, as the model reads them.

    `by_event`: distances in products instead of baskets.
    """
    length = np.minimum(np.diff(past.start), REACH)
    place = np.arange(max(1, int(length.max(initial=0))))
    there = place[None, :] < length[:, None]
    entry = np.where(there, past.start[1:, None] - 1 - place[None, :], 0)
    if not len(past.item):
        nothing = np.zeros(there.shape, dtype=np.int64)
        return Sequences(nothing, nothing, there)
    back = np.broadcast_to(place, there.shape) if by_event else past.back[entry].astype(np.int64)
    return Sequences(past.item[entry].astype(np.int64), np.minimum(back, DISTANCES - 1), there)


@dataclass(frozen=True)
class SequenceModel:
    """What training leaves of it; `SequenceNet` is its twin with gradients.

    items: (items, dim) float32: what a product is, both in a history and as what comes next
    weights: of the block, by the net's names
    """

    items: np.ndarray
    weights: dict[str, np.ndarray]
    by_event: bool

    def states(self, past: Histories) -> np.ndarray:
        """(shoppers, dim) what each history calls for; zeros where it is empty.

        Pre-norm transformer block (Vaswani et al. 2017; for sequences of products Kang & McAuley
        2018, "SASRec"), asked by the mean of the latest basket, with a learned bias for how far
        back each product lies.
        """
        w, read = self.weights, latest(past, self.by_event)
        seen = self.items[read.item]
        share = read.there & (read.back == read.back[:, :1])
        share = share / np.maximum(share.sum(axis=1, keepdims=True), 1)
        now = np.einsum("ul,uld->ud", share, seen)
        normed = _norm(seen, w, "norm_in")
        query = _linear(_norm(now, w, "norm_in"), w, "query")
        key, value = _linear(normed, w, "key"), _linear(normed, w, "value")
        logits = (
            np.einsum("ud,uld->ul", query, key) / np.sqrt(query.shape[1]) + w["distance"][read.back]
        )
        attention = np.exp(
            np.where(read.there, logits - logits.max(axis=1, keepdims=True), -np.inf)
        )
        attention /= np.maximum(attention.sum(axis=1, keepdims=True), 1e-12)
        after = now + _linear(np.einsum("ul,uld->ud", attention, value), w, "out")
        after = after + _linear(
            np.maximum(_linear(_norm(after, w, "norm_inner"), w, "widen"), 0), w, "narrow"
        )
        return (_norm(after, w, "norm_out") * read.there.any(axis=1, keepdims=True)).astype(
            np.float32
        )

    def scores(self, past: Histories) -> np.ndarray:
        """(shoppers, items) float32: probability of each product to come next, by the softmax
        over all; 0 without a history.
        """
        logits = self.states(past) @ self.items.T
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits * (np.diff(past.start) > 0)[:, None]

    def asked(self, past: Histories, common: tuple[np.ndarray, np.ndarray] | None) -> Scores:
        """What the histories call for: `scores`, or the softmax over these products (m,) with
        their `items` (m, dim) where only these count.
        """
        if common is None:
            return Dense(self.scores(past))
        rows, items = common
        states, there = self.states(past), np.diff(past.start) > 0
        logits = states @ items.T
        largest = logits.max(axis=1)
        values = np.exp(logits - largest[:, None])
        total = values.sum(axis=1)

        def look(allowed: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
            free = allowed[:, rows]
            return [
                (rows[mine], value[mine] / all_of_them * known)
                for mine, value, all_of_them, known in zip(free, values, total, there, strict=True)
            ]

        def at(user: np.ndarray, item: np.ndarray) -> np.ndarray:
            logit = np.einsum("nd,nd->n", states[user], self.items[item])
            return np.exp(logit - largest[user]) / total[user] * there[user]

        return Sought(look, at)

    def save(self, path: Path) -> None:
        """One safetensors file; the products' vectors in half precision."""
        save_file(
            {"items": self.items.astype(np.float16), **self.weights},
            path,
            {"by_event": str(int(self.by_event))},
        )

    @staticmethod
    def load(path: Path) -> "SequenceModel":
        from safetensors import safe_open

        with safe_open(path, "numpy") as file:
            by_event = bool(int(file.metadata()["by_event"]))
        weights = load_file(path)
        return SequenceModel(weights.pop("items").astype(np.float32), weights, by_event)


def _linear(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Layer normalisation over the last axis."""
    mean = x.mean(axis=-1, keepdims=True)
    spread = np.sqrt(((x - mean) ** 2).mean(axis=-1, keepdims=True) + EPSILON)
    return (x - mean) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]
