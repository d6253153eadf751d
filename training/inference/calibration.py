"""Calibration of head outputs, and votes of the nearest labeled texts, without torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH = 0.05
"""Width of the vote's kernel: a neighbor's vote is exp((cosine − 1) / WIDTH)."""
BLOCK = 1024


@dataclass(frozen=True)
class OutputCalibration:
    """Temperature scaling of probabilities (Guo et al. 2017), mixed with the neighbors' vote;
    clipping of ratings to the training range.
    """

    temperature: float
    low: float = 0.0
    high: float = 0.0
    vote_share: float = 0.0

    def apply(self, output: np.ndarray, vote: np.ndarray | None = None) -> np.ndarray:
        """(n, classes) logits -> probabilities; (n, 1) ratings -> ratings."""
        if output.shape[1] == 1:
            return np.clip(output, self.low, self.high)
        scaled = output / self.temperature
        e = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        probability = e / e.sum(axis=1, keepdims=True)
        return (
            probability
            if vote is None
            else (1 - self.vote_share) * probability + self.vote_share * vote
        )


@dataclass(frozen=True)
class NeighborVote:
    """k-nearest-neighbor vote over the training texts: unit vectors (n, dim) and classes (n,).

    Mixing the vote with the head's softmax follows Khandelwal et al. 2020, "Generalization through
    memorization".
    """

    vectors: np.ndarray
    label: np.ndarray
    k: int

    def vote(self, vectors: np.ndarray, classes: int) -> np.ndarray:
        """Vote shares for unit vectors (rows, dim): (rows, classes), rows sum to 1."""
        k = min(self.k, len(self.label))
        out = np.zeros((len(vectors), classes))
        for begin in range(0, len(vectors), BLOCK):
            cosine = vectors[begin : begin + BLOCK] @ self.vectors.T
            nearest = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
            cosine = np.take_along_axis(cosine, nearest, axis=1)
            weight = np.exp((cosine - cosine.max(axis=1, keepdims=True)) / WIDTH)
            np.add.at(
                out[begin : begin + BLOCK],
                (np.arange(len(cosine))[:, None], self.label[nearest]),
                weight,
            )
        return out / out.sum(axis=1, keepdims=True)


SCOPE_K, SCOPE_SURE = 3, 0.2
"""Nearest training texts whose cosine says whether a text is like them, and the weight of the
largest probability.
"""


def scope_scores(
    probability: np.ndarray, neighbours: NeighborVote | None, vectors: np.ndarray
) -> np.ndarray:
    """(n,) how much texts are like those that a classifier learned from; larger is more.

    probability: (n, classes), calibrated; vectors: (n, dim) of unit length. The mean cosine to the
    nearest training texts (Sun et al. 2022, "Out-of-distribution detection with deep nearest
    neighbors"), plus the largest probability; without remembered texts, this probability alone.
    """
    sure = probability.max(axis=1)
    if neighbours is None:
        return sure
    k = min(SCOPE_K, len(neighbours.label))
    out = np.empty(len(vectors))
    for begin in range(0, len(vectors), BLOCK):
        cosine = vectors[begin : begin + BLOCK] @ neighbours.vectors.T
        out[begin : begin + BLOCK] = np.sort(cosine, axis=1)[:, -k:].mean(axis=1)
    return out + SCOPE_SURE * sure


@dataclass(frozen=True)
class EnsembleMember:
    """An encoder (or its int8 version) with a linear head: weight (outputs, dim), bias (outputs,),
    and the texts that vote.
    """

    encoder: Any
    weight: np.ndarray
    bias: np.ndarray
    neighbours: NeighborVote | None = None

    def judge(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Outputs of the head (n, outputs) for vectors (n, dim), and the neighbors' vote (n,
        classes) or None.
        """
        return vectors @ self.weight.T + self.bias, self.neighbours.vote(
            vectors, len(self.bias)
        ) if self.neighbours else None


def averaged(
    judged: list[tuple[np.ndarray, np.ndarray | None]],
) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean output (n, outputs) of several members, and their mean vote (n, classes) or None."""
    outputs, votes = zip(*judged, strict=True)
    return np.mean(outputs, axis=0), None if votes[0] is None else np.mean(votes, axis=0)
