"""An intent checkpoint in memory: what a shopper's message wants."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from recommender.inference.checkpoint_files import BrokenCheckpoint, checkpoint_path
from recommender.inference.loaded_models import LoadedModels

if TYPE_CHECKING:
    from training.inference.text_predictor import Predictor

CACHED_MODELS = 4


class Intent(NamedTuple):
    """key: the likeliest intent; confidence: its calibrated probability; in_scope: False where the
    message is unlike all that the model learned from.
    """

    key: str
    confidence: float
    in_scope: bool


def model_of(folder: str) -> "Predictor":
    """The model in this folder below VITRINE_CHECKPOINTS, cached. Raises BrokenCheckpoint."""
    return _models.get(folder)


def intents(folder: str, texts: Sequence[str]) -> list[Intent]:
    """The intent of each text by the model in this folder below VITRINE_CHECKPOINTS. Raises
    BrokenCheckpoint.
    """
    model = model_of(folder)
    probability, in_scope = model.predict_in_scope(texts)
    best = probability.argmax(axis=1)
    return [
        Intent(model.facts["classes"][c], float(p[c]), bool(known))
        for c, p, known in zip(best, probability, in_scope, strict=True)
    ]


def load(folder: str) -> "Predictor":
    """Load an intent model, past the cache. Raises BrokenCheckpoint."""
    from training.inference.checkpoint import CheckpointError
    from training.inference.text_predictor import load_predictor

    try:
        return load_predictor(checkpoint_path(folder))
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None


_models = LoadedModels(load, CACHED_MODELS)
