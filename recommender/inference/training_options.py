"""What a training run can be configured with: recipes, fields, stages; and writing its snapshot."""

from pathlib import Path
from typing import Any


def check_config(recipe: str, preset: str, overrides: dict[str, Any]) -> None:
    """Raises InvalidConfig where a training run could not be configured so."""
    from training.configuration.recipes import ConfigError, make_config

    try:
        make_config(recipe, overrides, preset)
    except ConfigError as error:
        raise InvalidConfig(str(error)) from None


def names_outside(overrides: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Flat overrides that name a folder, file or code: field -> (kind, name), with the kinds of
    training.configuration.recipes.OUTSIDE.
    """
    from training.configuration.recipes import OUTSIDE

    named = {
        field: (OUTSIDE.get(field.rpartition(".")[2]), value) for field, value in overrides.items()
    }
    return {field: (kind, str(value)) for field, (kind, value) in named.items() if kind and value}


def recipes() -> dict[str, list[tuple[str, Any, str]]]:
    """Every recipe with (field, default, meaning) of its fields."""
    from training.configuration.recipes import RECIPES, describe

    return {name: describe(name) for name in RECIPES}


def stages(recipe: str) -> list[str]:
    """Names of a run's stages, in order."""
    from training.runs.progress import STAGES

    return list(STAGES.get(recipe, ()))


def write_snapshot(folder: Path, shop: str, tables: dict, currency: str) -> dict:
    from training.data.snapshot import write_snapshot

    return write_snapshot(folder, shop, tables, currency)


class InvalidConfig(ValueError):
    """A recipe, preset or field that does not exist or cannot be so; the message names it."""
