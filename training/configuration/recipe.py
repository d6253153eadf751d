"""Declaration of a recipe: its configuration, requirements, training function and checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

RANKING, ENCODER, HEAD, SEARCH = "ranking", "encoder", "head", "search"
"""Kinds of checkpoint: a ranking model; a text encoder; an encoder with a task head; an encoder
with a search ranker.
"""
CHAMPION, NEWEST_ENCODER = "champion", "newest encoder"
"""What a run starts from or is compared with: the champion of its purpose, or the newest
encoder.
"""
QUICK, STANDARD, THOROUGH = "quick", "standard", "thorough"
PRESETS = (QUICK, STANDARD, THOROUGH)
"""Names of the presets. STANDARD uses the defaults of each recipe."""


@dataclass(frozen=True)
class Recipe:
    """Declaration of one recipe.

    config: configuration class
    fit: "module:function" that trains; its result depends on `checkpoint`
    checkpoint: RANKING: fit(run, out, trials) -> report, and writes the checkpoint itself;
        ENCODER: fit(run) -> (encoder, vectors, report); HEAD: fit(run) -> (fitted, report, more);
        SEARCH: fit(run) -> (fitted, report)
    trial: "module:function" that trains once and evaluates on validation data, for the search
    stages: names of the stages in order, with their usual share of the time
    presets: per preset, the fields that differ from the defaults
    purpose: purpose of its model versions; each purpose has one champion
    needs: data that it requires: events, products, ratings, labels, topics, dialogues, queries, an
        encoder in use; "|" separates alternatives
    starts_from: CHAMPION or NEWEST_ENCODER
    teacher: True where the model that it starts from is its teacher
    """

    name: str
    config: type
    fit: str
    checkpoint: str
    stages: dict[str, float]
    purpose: str
    needs: tuple[str, ...] = ("events",)
    trial: str = ""
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)
    starts_from: str = CHAMPION
    teacher: bool = False


def resolve(name: str) -> Callable[..., Any]:
    """The function of a "module:function" reference. Imported on demand, because training requires
    torch.
    """
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)
