"""Re-ranking of the best candidates by a cross-encoder, which reads query and title together."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.encoders.onnx import OnnxEncoder
from training.search.engine import Candidates

NAME = "cross"
RERANKED_MOST = 12
"""Candidates that the cross-encoder reads, the best by the ranker.

On CrowdFlower 25 gain no more in NDCG@10 (0.003 to 0.005 each), and take twice the time.
"""
BATCHES = 2
"""Batches of similar length in which pairs are read."""
SCALE = 10.0
"""Slope of the head: unit vectors are short for a logit."""


@dataclass(frozen=True)
class CrossHead:
    """Linear head on the unit vector of a pair of texts.

    weight: (dim,); interpolation: weight of its logit in the sum with the ranker's score
    """

    weight: np.ndarray
    bias: float
    interpolation: float

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """(n,) logits of relevance. vectors: (n, dim)."""
        return SCALE * (vectors @ self.weight + self.bias)

    def save(self, folder: Path) -> None:
        about = {
            "weight": self.weight.tolist(),
            "bias": self.bias,
            "interpolation": self.interpolation,
        }
        (folder / "head.json").write_text(json.dumps(about), encoding="utf-8")


@dataclass(frozen=True, eq=False)
class CrossEncoder:
    """An int8 cross-encoder of a checkpoint."""

    encoder: OnnxEncoder
    head: CrossHead

    def score(self, query: str, titles: Sequence[str]) -> np.ndarray:
        """(n,) what these titles (n,) add to the scores of the ranker."""
        vectors = self.encoder.encode([query] * len(titles), titles, BATCHES)
        logits = self.head.logits(vectors)
        return self.head.interpolation * logits


def load_cross_encoder(folder: Path, threads: int = 1) -> CrossEncoder | None:
    """The cross-encoder of a checkpoint; None without one.

    Raises OSError, ValueError, KeyError, or an error of onnxruntime where a file is damaged.
    """
    folder = folder / NAME
    if not (folder / "head.json").exists():
        return None
    about = json.loads((folder / "head.json").read_text(encoding="utf-8"))
    weight = np.array(about["weight"], dtype=np.float32)
    head = CrossHead(weight, float(about["bias"]), float(about["interpolation"]))
    return CrossEncoder(OnnxEncoder(folder, threads), head)


def reranked(candidates: Candidates, scores: Sequence[float], added: np.ndarray) -> np.ndarray:
    """(m,) scores whose best ones are changed by a cross-encoder.

    scores: (m,) by the ranker of the first m candidates, in their order, best first; added: (n,) of
    the first n of these. The n candidates stay before the others: their scores are raised where
    needed, all alike.
    """
    out, n = np.array(scores, dtype=np.float64), len(added)
    out[:n] += added
    free = ~candidates.equal[:n]
    if n and n < len(out) and free.any():
        out[:n] += max(0.0, out[n:].max() - out[:n][free].min() + 1e-6)
    return out
