"""Registry of all recipes, and their configuration from defaults, presets and overrides."""

from dataclasses import replace
from typing import Any

from training.configuration import ranking_recipes, text_recipes
from training.configuration.fields import ConfigError, describe_fields, set_fields
from training.configuration.limits import CHOICES, KEYS, LIMITS
from training.configuration.recipe import PRESETS, STANDARD, Recipe

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (*ranking_recipes.RECIPES, *text_recipes.RECIPES)
}


def make_config(
    recipe: str, overrides: dict[str, Any] | None = None, preset: str = STANDARD
) -> Any:
    """Configuration of a recipe: defaults, then the preset's fields, then `overrides`.

    Keys may be dotted (`text.steps`); values may be strings. Raises ConfigError with the field's
    name.
    """
    if recipe not in RECIPES:
        raise ConfigError(f"recipe: unknown recipe {recipe!r}; there are {', '.join(RECIPES)}")
    if preset not in PRESETS:
        raise ConfigError(f"preset: unknown preset {preset!r}; there are {', '.join(PRESETS)}")
    chosen = {**RECIPES[recipe].presets.get(preset, {}), **(overrides or {})}
    return set_fields(RECIPES[recipe].config(), chosen, LIMITS, CHOICES, KEYS)


def describe(recipe: str) -> list[tuple[str, Any, str]]:
    """(field, default, description) of every field of a recipe; nested fields have dotted names."""
    return describe_fields(RECIPES[recipe].config())


def from_dict(recipe: str, values: dict[str, Any]) -> Any:
    """Configuration from the form in which a checkpoint stores it. Raises ConfigError."""
    return make_config(recipe, values)


def with_text(config: Any, **changes: Any) -> Any:
    """A copy of the configuration with these fields of `text` changed."""
    return replace(config, text=replace(config.text, **changes))
