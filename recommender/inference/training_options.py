"""Options of a training run: recipes, presets, fields, stages; and writing its snapshot."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.configuration.recipe import Recipe

MULTILINGUAL = "multilingual"
"""Name of the packaged multilingual encoder in the configuration."""


class InvalidConfig(ValueError):
    """An unknown recipe, preset or field, or an invalid value; the message names it."""


def check_config(recipe: str, preset: str, overrides: dict[str, Any]) -> None:
    """Validate the configuration of a training run. Raises InvalidConfig."""
    from training.configuration.fields import ConfigError
    from training.configuration.recipes import make_config

    try:
        make_config(recipe, overrides, preset)
    except ConfigError as error:
        raise InvalidConfig(str(error)) from None


def names_outside(overrides: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Flat overrides that name a folder, file or code: field -> (kind, name).

    Kinds are those of `training.configuration.limits.OUTSIDE`.
    """
    from training.configuration.limits import OUTSIDE

    kinds = {field: OUTSIDE.get(field.rpartition(".")[2]) for field in overrides}
    return {
        field: (kinds[field], str(value))
        for field, value in overrides.items()
        if kinds[field] and value
    }


def recipes() -> dict[str, list[tuple[str, Any, str]]]:
    """Every recipe with (field, default, meaning) of its fields."""
    from training.configuration.recipes import RECIPES, describe

    return {name: describe(name) for name in RECIPES}


def described(recipe: str) -> dict[str, Any]:
    """A recipe with its fields, their defaults and limits, as REST returns it."""
    from training.configuration.limits import CHOICES, LIMITS, OUTSIDE
    from training.configuration.recipes import RECIPES, describe

    declaration = RECIPES[recipe]
    settings = []
    for name, default, meaning in describe(recipe):
        last = name.rpartition(".")[2]
        low, high = LIMITS.get(last, (None, None))
        choices = CHOICES.get(last)
        settings.append(
            {
                "field": name,
                "default": default,
                "description": meaning,
                "minimum": low,
                "maximum": high,
                "choices": list(choices) if choices else None,
                "restricted": last in OUTSIDE,
            }
        )
    return {
        "recipe": recipe,
        "purpose": declaration.purpose,
        "needs": [list(need) for need in needs_of(recipe)],
        "stages": stages(recipe),
        "presets": declaration.presets,
        "settings": settings,
    }


def declared(recipe: str) -> "Recipe | None":
    """The declaration of a recipe; None for one that this version does not know."""
    from training.configuration.recipes import RECIPES

    return RECIPES.get(recipe)


def purpose_of(recipe: str) -> str:
    """Purpose of the recipe's model versions, such as ranking; each has one champion."""
    declaration = declared(recipe)
    return declaration.purpose if declaration else "ranking"


def purposes() -> set[str]:
    """All purposes of model versions."""
    from training.configuration.recipes import RECIPES

    return {recipe.purpose for recipe in RECIPES.values()}


def starts_from_newest_encoder(recipe: str) -> bool:
    """True where a run starts from the encoder in use, not from the champion of its purpose."""
    from training.configuration.recipe import NEWEST_ENCODER

    declaration = declared(recipe)
    return declaration is not None and declaration.starts_from == NEWEST_ENCODER


def needs_of(recipe: str) -> tuple[tuple[str, ...], ...]:
    """Data that a recipe requires: every entry, of each entry one alternative."""
    declaration = declared(recipe)
    return tuple(tuple(need.split("|")) for need in declaration.needs) if declaration else ()


def stages(recipe: str) -> list[str]:
    """Names of the stages of a recipe's run, in order."""
    declaration = declared(recipe)
    return list(declaration.stages) if declaration else []


def write_snapshot(folder: Path, shop: str, tables: dict, currency: str) -> dict:
    """Write a snapshot folder; returns its manifest. `tables`: name -> polars frame."""
    from training.data.snapshot import write_snapshot

    return write_snapshot(folder, shop, tables, currency)
