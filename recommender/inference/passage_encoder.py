"""The encoder of an `answers` checkpoint in memory, and its confidence that an answer is right."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recommender.inference.checkpoint_files import (
    BrokenCheckpoint,
    CheckpointEncoder,
    checkpoint_path,
)
from recommender.inference.loaded_models import LoadedModels

if TYPE_CHECKING:
    from pathlib import Path

CACHED_MODELS = 4
ALIKE = 0.6
"""Mean cosine from which questions are alike."""
USUAL_CONFIDENCE = {"cosine": 8.4, "lead": 13.3, "offset": -6.45}
"""Confidence of an encoder that was not fine-tuned on the shop's questions: fitted on questions of
a bank and one example of each intent, with questions on appliances as those without an answer.
"""


class QuestionEncoder(CheckpointEncoder):
    """The encoder of a checkpoint; search reads questions with it like the one of a model."""

    def __init__(self, folder: "Path") -> None:
        self.folder = folder


def encoder_of(folder: str) -> QuestionEncoder:
    """The encoder in this folder below VITRINE_CHECKPOINTS, cached. Raises BrokenCheckpoint."""
    return _encoders.get(folder)


def embed(folder: str, texts: Sequence[str]) -> list[bytes]:
    """Embed texts: vectors (dim,) float16 of unit length. Raises BrokenCheckpoint."""
    import numpy as np

    encoder = encoder_of(folder).encoder
    if encoder is None:
        raise BrokenCheckpoint(f"{folder}: its encoder cannot be read")
    return [vector.astype(np.float16).tobytes() for vector in encoder.encode(texts)]


def confidence(fitted: Mapping[str, float] | None, cosine: float, lead: float) -> float:
    """Probability that the best passage answers the question.

    fitted: coefficients of the version's report; None: USUAL_CONFIDENCE
    cosine: of the best passage; lead: over the best one of another source
    """
    chosen = fitted or USUAL_CONFIDENCE
    value = chosen["offset"] + chosen["cosine"] * cosine + chosen["lead"] * lead
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, value))))


def clusters(folder: str | None, texts: Sequence[str]) -> list[tuple[int, float]]:
    """(number of the cluster, mean cosine to its other texts) of each text.

    Texts with a mean cosine of ALIKE or more are together (average linkage, Sokal & Michener
    1958). folder: of the encoder; None: equal texts alone are together. Raises BrokenCheckpoint.
    """
    encoder = encoder_of(folder).encoder if folder else None
    if encoder is None or len(texts) < 2:
        numbers: dict[str, int] = {}
        folded = [" ".join(text.casefold().split()) for text in texts]
        return [(numbers.setdefault(text, len(numbers)), 1.0) for text in folded]
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage

    from recommender.inference.search_engine import vectors

    read = np.stack([vectors.get(encoder_of(folder), text) for text in texts])
    cosine = np.clip(read @ read.T, -1.0, 1.0)
    distances = 1 - cosine[np.triu_indices(len(texts), 1)]
    labels = fcluster(linkage(np.maximum(distances, 0), "average"), 1 - ALIKE, "distance")
    together = labels[:, None] == labels[None, :]
    closeness = (cosine * together).sum(axis=1) / together.sum(axis=1)
    return list(zip(labels.tolist(), closeness.tolist(), strict=True))


def _load(folder: str) -> QuestionEncoder:
    made = QuestionEncoder(checkpoint_path(folder))
    if made._encoder is None:
        raise BrokenCheckpoint(f"{folder}: it has no ONNX encoder")
    return made


_encoders = LoadedModels(_load, CACHED_MODELS)
