"""The declaration of a recipe: its configuration, and what runs of it need, do and leave."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

RANKING, ENCODER, HEAD = "ranking", "encoder", "head"
"""What a checkpoint holds: a ranking model; an encoder; an encoder with a head."""
CHAMPION, NEWEST_ENCODER = "champion", "newest encoder"
"""What a run starts from, or is compared with: the champion of its purpose, or of the encoders."""
QUICK, STANDARD, THOROUGH = "quick", "standard", "thorough"
PRESETS = (QUICK, STANDARD, THOROUGH)
"""Names of the presets; STANDARD is every recipe's own defaults."""


@dataclass(frozen=True)
class Recipe:
    """One recipe.

    config: its configuration class
    fit: "module:function" that trains; see `checkpoint` for what it returns
    checkpoint: RANKING: fit(run, out, trials) -> report, and writes the checkpoint itself;
        ENCODER: fit(run) -> (encoder, vectors, report); HEAD: fit(run) -> (fitted, report, more)
    trial: "module:function" that trains once and validates, for the search over fields
    stages: names of the stages, in order, with their usual share of the time
    presets: per preset, the fields that differ from the defaults
    purpose: what its model versions are for; one champion each
    needs: data without which it cannot run: events, products, ratings, labels, topics, dialogues,
        queries, an encoder in use; several separated by "|" where one of them is enough
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
    """The function of "module:function"; imported here, because training needs torch."""
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)
