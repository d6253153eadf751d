"""An opinion checkpoint in memory: topics and polarities of the clauses of a text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from recommender.inference.checkpoint_files import BrokenCheckpoint, checkpoint_path
from recommender.inference.loaded_models import LoadedModels

if TYPE_CHECKING:
    from training.inference.opinion_judge import JudgedClause, OpinionJudge

CACHED_MODELS = 4
UNSURE, LANGUAGE = "unsure", "language"
"""Why a clause is not judged."""


def judge_of(folder: str) -> "OpinionJudge":
    """The judge in this folder below VITRINE_CHECKPOINTS, cached. Raises BrokenCheckpoint."""
    return _judges.get(folder)


def judge(folder: str, texts: Sequence[str]) -> "list[list[JudgedClause]]":
    """The judged clauses of each text, in order. Raises BrokenCheckpoint."""
    return judge_of(folder).judge(texts)


def default_topics() -> list[dict[str, Any]]:
    """The topics of a shop that has none of its own: key, name, and examples by polarity."""
    from training.data.opinions import defaults

    return defaults()["topics"]


def load(folder: str) -> "OpinionJudge":
    """Load a judge, past the cache. Raises BrokenCheckpoint."""
    from training.inference.checkpoint import CheckpointError
    from training.inference.opinion_judge import OpinionJudge
    from training.inference.text_predictor import load_predictor

    try:
        return OpinionJudge(load_predictor(checkpoint_path(folder)))
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None


_judges = LoadedModels(load, CACHED_MODELS)
