"""Sequence model: the next product by one self-attention block; served without torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from training.candidates.scores import DenseScores, Scores, SearchedScores
from training.data.interactions import Histories

LENGTH = 50
"""Latest products of a history that are read."""
DISTANCES = 32
"""Number of distances with a bias of their own; larger ones share the last."""
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
    present: np.ndarray


def latest(past: Histories, by_event: bool) -> Sequences:
    """The last LENGTH products of each history; `by_event`: distances in products, not baskets."""
    length = np.minimum(np.diff(past.start), LENGTH)
    place = np.arange(max(1, int(length.max(initial=0))))
    present = place[None, :] < length[:, None]
    entry = np.where(present, past.start[1:, None] - 1 - place[None, :], 0)
    if not len(past.item):
        nothing = np.zeros(present.shape, dtype=np.int64)
        return Sequences(nothing, nothing, present)
    if by_event:
        back = np.broadcast_to(place, present.shape)
    else:
        back = past.back[entry].astype(np.int64)
    item = past.item[entry].astype(np.int64)
    return Sequences(item, np.minimum(back, DISTANCES - 1), present)


@dataclass(frozen=True)
class SequenceModel:
    """The trained sequence model for inference by numpy; `SequenceNet` is the trainable one.

    items: (items, dim) float32 embeddings, of products in a history and of the next product
    weights: parameters of the attention block, by their names in `SequenceNet`
    by_event: positions count events instead of baskets
    """

    items: np.ndarray
    weights: dict[str, np.ndarray]
    by_event: bool

    def states(self, past: Histories) -> np.ndarray:
        """(shoppers, dim) the state after each history; zeros where it is empty.

        A pre-norm transformer block (Vaswani et al. 2017; for sequences of products Kang & McAuley
        2018, "SASRec"). The query is the mean of the latest basket; each distance has a learned
        bias.
        """
        w, read = self.weights, latest(past, self.by_event)
        embedded = self.items[read.item]
        in_last_basket = read.present & (read.back == read.back[:, :1])
        share = in_last_basket / np.maximum(in_last_basket.sum(axis=1, keepdims=True), 1)
        now = np.einsum("ul,uld->ud", share, embedded)
        normed = _norm(embedded, w, "norm_in")
        query = _linear(_norm(now, w, "norm_in"), w, "query")
        key, value = _linear(normed, w, "key"), _linear(normed, w, "value")
        logits = np.einsum("ud,uld->ul", query, key) / np.sqrt(query.shape[1])
        logits = logits + w["distance"][read.back]
        shifted = logits - logits.max(axis=1, keepdims=True)
        attention = np.exp(np.where(read.present, shifted, -np.inf))
        attention /= np.maximum(attention.sum(axis=1, keepdims=True), 1e-12)
        after = now + _linear(np.einsum("ul,uld->ud", attention, value), w, "out")
        widened = np.maximum(_linear(_norm(after, w, "norm_inner"), w, "widen"), 0)
        after = _norm(after + _linear(widened, w, "narrow"), w, "norm_out")
        return (after * read.present.any(axis=1, keepdims=True)).astype(np.float32)

    def scores(self, past: Histories) -> np.ndarray:
        """(shoppers, items) float32: the softmax probability of each product to come next.

        0 without a history.
        """
        logits = self.states(past) @ self.items.T
        logits -= logits.max(axis=1, keepdims=True)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=1, keepdims=True)
        return logits * (np.diff(past.start) > 0)[:, None]

    def score(self, past: Histories, common: tuple[np.ndarray, np.ndarray] | None) -> Scores:
        """Scores of all products, or of common ones alone.

        common: rows (m,) and embeddings (m, dim) of the products over which the softmax runs
        """
        if common is None:
            return DenseScores(self.scores(past))
        rows, items = common
        states, has_history = self.states(past), np.diff(past.start) > 0
        logits = states @ items.T
        largest = logits.max(axis=1)
        values = np.exp(logits - largest[:, None])
        total = values.sum(axis=1)

        def search(allowed: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
            free = allowed[:, rows]
            probability = values / total[:, None] * has_history[:, None]
            return [
                (rows[columns], row[columns])
                for columns, row in zip(free, probability, strict=True)
            ]

        def at(user: np.ndarray, item: np.ndarray) -> np.ndarray:
            logit = np.einsum("nd,nd->n", states[user], self.items[item])
            return np.exp(logit - largest[user]) / total[user] * has_history[user]

        return SearchedScores(search, at)

    def save(self, path: Path) -> None:
        """Write one safetensors file; embeddings in half precision."""
        tensors = {"items": self.items.astype(np.float16), **self.weights}
        save_file(tensors, path, {"by_event": str(int(self.by_event))})

    @staticmethod
    def load(path: Path) -> "SequenceModel":
        from safetensors import safe_open

        with safe_open(path, "numpy") as file:
            by_event = bool(int(file.metadata()["by_event"]))
        weights = load_file(path)
        return SequenceModel(weights.pop("items").astype(np.float32), weights, by_event)


def _linear(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """(..., out) of (..., in)."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(x: np.ndarray, weights: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Layer normalization over the last axis."""
    mean = x.mean(axis=-1, keepdims=True)
    spread = np.sqrt(((x - mean) ** 2).mean(axis=-1, keepdims=True) + EPSILON)
    return (x - mean) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]
