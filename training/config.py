"""What a training run may be told: one frozen dataclass per recipe, a docstring under each field."""

import ast
import inspect
import itertools
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from training.snapshot import TYPE_CODE

EVENT_WEIGHTS = {"purchase": 1.0, "rating": 1.0, "review": 1.0, "add_to_cart": 0.5, "share": 0.3, "click": 0.2, "view": 0.1}


AT_LEAST = {
    "window_days": 1, "ranker_windows": 1, "neighbours": 1, "candidates_per_source": 1, "rounds": 1, "leaves": 2, "shard": 1, "max_tokens": 4,
    "steps": 1, "batch_size": 2, "anchors": 1, "evaluate_every": 1, "patience": 1, "half_life_days": 0.01, "temperature": 0.001,
}  # fmt: skip
"""Smallest value of fields that 0 would break."""


class ConfigError(ValueError):
    """A field that does not exist, or a value it cannot take; the message names the field."""


@dataclass(frozen=True)
class TextConfig:
    """Fine-tuning the encoder on the shop's own pairs: shopper's history → next product."""

    encoder: str = ""
    """Hugging Face folder or name of a BERT; empty: the packaged MiniLM-L6."""
    max_tokens: int = 48
    """Tokens of a product's text that are read; the rest is cut off."""
    frozen_layers: int = 4
    """Lower layers that stay as they are; computed once and kept, so that a step only runs the upper ones."""
    steps: int = 120
    """Most training steps; early stopping usually ends sooner."""
    batch_size: int = 256
    """Pairs in one step; each pair's product is a negative for all the others."""
    anchors: int = 4
    """Products of the history that are averaged into a pair's first side."""
    learning_rate: float = 2e-4
    """Peak learning rate of AdamW, reached after the warm-up and falling linearly to zero."""
    warmup_ratio: float = 0.1
    """Share of the steps over which the learning rate rises from zero."""
    weight_decay: float = 0.01
    """Decoupled weight decay (AdamW)."""
    temperature: float = 0.1
    """Softmax temperature of the cosine similarities."""
    popularity_correction: float = 1.0
    """How much of log-popularity is taken off each in-batch negative (1: the full logQ correction)."""
    evaluate_every: int = 25
    """Steps between two looks at the validation window."""
    patience: int = 2
    """Looks without a better NDCG@10 before stopping."""


@dataclass(frozen=True)
class FusionConfig:
    """The `fusion` recipe: signals, fine-tuned text, candidates, and the ranker that fuses them."""

    window_days: int = 31
    """Length of the held-out window, and of each earlier window that the ranker learns from, in days."""
    ranker_windows: int = 1
    """Earlier windows that the ranker is trained on."""
    neighbours: int = 200
    """Neighbours kept per product in each co-visitation matrix."""
    half_life_days: float = 90.0
    """After so many days an interaction counts half, for item-kNN and recent tastes."""
    ease_regularisation: float = 300.0
    """The λ of EASE; larger is smoother."""
    ease_largest: int = 15_000
    """Catalogues larger than this go without EASE, whose matrix is dense."""
    candidates_per_source: int = 100
    """Products that each source proposes per shopper."""
    rounds: int = 150
    """Boosting rounds; more learn the last window's habits rather than the next one's."""
    ranker_learning_rate: float = 0.05
    """Shrinkage of each boosting round."""
    leaves: int = 15
    """Leaves of each tree."""
    most_training_rows: int = 2_000_000
    """Candidate rows that the ranker is trained on at most; shoppers beyond are left out at random."""
    fine_tune: bool = True
    """Fine-tune the encoder; otherwise its text similarity is used as it comes."""
    use_popularity: bool = True
    """May features count a product's raw popularity?"""
    event_weights: dict[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    """What one event of each type counts; types that are not named count nothing."""
    shard: int = 256
    """Shoppers scored at once; bounds memory."""
    seed: int = 7
    """Seed of every random choice."""
    text: TextConfig = field(default_factory=TextConfig)
    """Fine-tuning of the encoder."""


RECIPES: dict[str, type] = {"fusion": FusionConfig}
PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"rounds": 100, "text.steps": 50, "text.batch_size": 128},
    "full": {},
}


def make_config(recipe: str, overrides: dict[str, Any] | None = None, preset: str = "full") -> FusionConfig:
    """The recipe's configuration with `overrides`; keys may be dotted (`text.steps`), values may be strings."""
    if recipe not in RECIPES:
        raise ConfigError(f"recipe: {recipe!r} is none of {', '.join(RECIPES)}")
    if preset not in PRESETS:
        raise ConfigError(f"preset: {preset!r} is none of {', '.join(PRESETS)}")
    config = RECIPES[recipe]()
    for key, value in {**PRESETS[preset], **(overrides or {})}.items():
        config = _with(config, key, value, key)
    return config


def _with(config: Any, key: str, value: Any, whole: str) -> Any:
    head, _, rest = key.partition(".")
    names = {f.name for f in fields(config)}
    if head not in names:
        raise ConfigError(f"{whole}: no such field; {type(config).__name__} has {', '.join(sorted(names))}")
    current = getattr(config, head)
    if rest and isinstance(current, dict):
        if rest not in TYPE_CODE:
            raise ConfigError(f"{whole}: {rest!r} is no event type")
        return replace(config, **{head: {**current, rest: _parse(value, 0.0, whole)}})
    if rest:
        return replace(config, **{head: _with(current, rest, value, whole)})
    if hasattr(current, "__dataclass_fields__"):
        if not isinstance(value, dict):
            raise ConfigError(f"{whole}: expected an object, got {value!r}")
        for name, inner in value.items():
            current = _with(current, name, inner, f"{whole}.{name}")
        return replace(config, **{head: current})
    if isinstance(current, dict) and isinstance(value, dict):
        for kind, weight in value.items():
            config = _with(config, f"{head}.{kind}", weight, f"{whole}.{kind}")
        return config
    return replace(config, **{head: _parse(value, current, whole)})


def _parse(value: Any, current: Any, name: str) -> Any:
    if isinstance(value, str) and not isinstance(current, str):
        try:
            value = ast.literal_eval(value.title() if value.lower() in ("true", "false") else value)
        except (ValueError, SyntaxError):
            raise ConfigError(f"{name}: {value!r} is not a {type(current).__name__}") from None
    if isinstance(current, bool) or not isinstance(current, float):
        if type(value) is not type(current):
            raise ConfigError(f"{name}: {value!r} is not a {type(current).__name__}")
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name}: {value!r} is not a number")
    if isinstance(value, str) and ("\x00" in value or len(value) > 1000):
        raise ConfigError(f"{name}: is no usable text")
    if isinstance(value, int | float) and not isinstance(value, bool):
        least = AT_LEAST.get(name.rpartition(".")[2], 0)
        if not least <= value <= 1e9:
            raise ConfigError(f"{name}: {value!r} is not between {least} and 1e9")
    return float(value) if isinstance(current, float) else value


def describe(recipe: str) -> list[tuple[str, Any, str]]:
    """(field, default, meaning) of every field of a recipe, nested ones dotted."""
    return _describe(RECIPES[recipe]())


def _describe(config: Any, prefix: str = "") -> list[tuple[str, Any, str]]:
    meanings = _field_docstrings(type(config))
    rows = []
    for f in fields(config):
        value = getattr(config, f.name)
        if hasattr(value, "__dataclass_fields__"):
            rows += _describe(value, f"{prefix}{f.name}.")
        else:
            rows.append((prefix + f.name, value, meanings.get(f.name, "")))
    return rows


def _field_docstrings(cls: type) -> dict[str, str]:
    body = ast.parse(inspect.getsource(cls)).body[0].body
    pairs = itertools.pairwise(body)
    return {
        a.target.id: inspect.cleandoc(b.value.value)
        for a, b in pairs
        if isinstance(a, ast.AnnAssign) and isinstance(b, ast.Expr) and isinstance(b.value, ast.Constant)
    }


def to_dict(config: FusionConfig) -> dict[str, Any]:
    return asdict(config)


def from_dict(recipe: str, values: dict[str, Any]) -> FusionConfig:
    """A configuration as it was saved with what it produced."""
    return make_config(recipe, values)
