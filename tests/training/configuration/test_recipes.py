import pytest

from training.configuration.fields import ConfigError, to_dict
from training.configuration.recipe import PRESETS
from training.configuration.recipes import RECIPES, describe, from_dict, make_config


def test_dotted_fields_and_text_values():
    config = make_config(
        "fusion", {"text.steps": "30", "fine_tune": "false", "event_weights.view": "0.5"}
    )
    assert (config.text.steps, config.fine_tune, config.event_weights["view"]) == (30, False, 0.5)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"stepz": 1}, "stepz: no such field"),
        ({"text.stepz": 1}, "text.stepz: no such field"),
        ({"text.steps": "many"}, "text.steps: 'many' is not a int"),
        ({"text.steps": 1.5}, "text.steps: 1.5 is not a int"),
        ({"rounds": True}, "rounds: True is not a int"),
        ({"rounds": -1}, "rounds: -1 is not between 1 and"),
        ({"shard": 0}, "shard: 0 is not between 1"),
        ({"half_life_days": float("inf")}, "half_life_days: inf is not between"),
        ({"event_weights.stroll": 1}, "stroll"),
        ({"event_weights": {"stroll": 1}}, "stroll"),
        ({"text.encoder": "a\x00"}, "text.encoder: is not a usable text"),
        ({"half_life_days": "x"}, "half_life_days: 'x' is not a float"),
    ],
)
def test_a_wrong_field_is_named(overrides, says):
    with pytest.raises(ConfigError, match=says):
        make_config("fusion", overrides)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_share_of_an_epoch_is_a_number_of_epochs(recipe):
    config = make_config(recipe)
    if hasattr(config, "text"):
        assert make_config(recipe, {"text.epochs": 0.25}).text.epochs == 0.25
        assert isinstance(dict(row[:2] for row in describe(recipe))["text.epochs"], float)


def test_unknown_recipe_and_preset():
    with pytest.raises(ConfigError, match="recipe"):
        make_config("magic")
    with pytest.raises(ConfigError, match="preset"):
        make_config("fusion", preset="magic")


def test_every_field_says_what_it_means():
    assert all(meaning for _, _, meaning in describe("fusion"))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_saved_configuration_comes_back(preset):
    config = make_config("fusion", preset=preset)
    assert from_dict("fusion", to_dict(config)) == config
