"""Recipes that learn from texts, labels, queries, or one shopper and product at a time."""

from dataclasses import dataclass, field

from training.configuration.recipe import ENCODER, HEAD, QUICK, THOROUGH, Recipe
from training.configuration.tuning import EVENT_WEIGHTS, RecipeConfig, TextConfig, TuningConfig


@dataclass(frozen=True)
class MlmConfig(RecipeConfig):
    """The `mlm` recipe: masked words of the shop's products, reviews and queries (Devlin et al.
    2019), whole words at a time.
    """

    mask_share: float = 0.15
    """Share of the words that are asked for: 80 % masked, 10 % replaced at random, 10 % left."""
    validation_share: float = 0.1
    """Share of the texts that is kept for validation."""
    text: TuningConfig = field(
        default_factory=lambda: TuningConfig(
            max_tokens=64,
            frozen_layers=0,
            steps=400,
            batch_size=32,
            learning_rate=1e-4,
            evaluate_every=100,
            patience=3,
        )
    )
    """Training of the encoder."""


@dataclass(frozen=True)
class LabelledConfig(RecipeConfig):
    """What recipes have that learn from texts with a label or a rating."""

    validation_share: float = 0.1
    """Share of the training rows that is kept for validation."""
    test_share: float = 0.2
    """Share of the rows that is kept for the test where they do not say themselves; chosen by a
    hash of the text.
    """
    text: TuningConfig = field(
        default_factory=lambda: TuningConfig(
            max_tokens=128,
            frozen_layers=3,
            epochs=2,
            batch_size=32,
            learning_rate=1e-4,
            evaluate_every=200,
            patience=3,
        )
    )
    """Fine-tuning of the encoder."""


@dataclass(frozen=True)
class ClassificationConfig(LabelledConfig):
    """A class per text: softmax over a linear head, cross-entropy, started from a logistic
    regression on the frozen vectors.
    """

    per_class: int = 0
    """Training rows drawn of each class, to see what few labels give; 0: all."""
    named_below: int = 20
    """In classes with fewer training texts, the class's name counts as two more of them; 0:
    never.
    """
    label_smoothing: float = 0.0
    """Share of the target that is spread over all classes."""
    refit: bool = False
    """Once validation has chosen the steps, train again from the start with the validation rows
    among the training rows.
    """
    voters: int = 0
    """Nearest training texts that vote beside the head, with a share that validation rows
    choose; 0: none.
    """


@dataclass(frozen=True)
class SentimentConfig(ClassificationConfig):
    """The `sentiment` recipe: polarity of a review, from its `label`, else from its rating (1-2
    negative, 3 neutral, 4-5 positive).
    """


@dataclass(frozen=True)
class TopicConfig(ClassificationConfig):
    """The `topic` recipe: what a review is about, from its `topic`."""


@dataclass(frozen=True)
class IntentConfig(ClassificationConfig):
    """The `intent` recipe: what a customer's message wants, from solved dialogues."""

    refit: bool = True
    """Once validation has chosen the steps, train again from the start with the validation rows
    among the training rows.
    """
    voters: int = 10
    """Nearest training texts that vote beside the head, with a share that validation rows
    choose; 0: none.
    """
    text: TuningConfig = field(
        default_factory=lambda: TuningConfig(
            max_tokens=64,
            frozen_layers=3,
            epochs=6,
            batch_size=32,
            learning_rate=1e-4,
            head_learning_rate=1e-2,
            evaluate_every=150,
            patience=12,
        )
    )
    """Fine-tuning of the encoder."""


@dataclass(frozen=True)
class RatingConfig(LabelledConfig):
    """The `rating` recipe: stars of a review, linear head and mean squared error, started from
    ridge regression on the frozen vectors.
    """


@dataclass(frozen=True)
class BehaviourConfig(RecipeConfig):
    """The `behaviour` recipe: the probability that a shopper buys a product, from "history
    [SEP] product".
    """

    horizon_days: int = 28
    """Within so many days."""
    history_items: int = 8
    """Latest products of the history that are read, the newest first."""
    negatives: int = 4
    """Products not bought that are drawn for each one bought, by popularity; the calibration
    takes the drawing back.
    """
    pairs: int = 20_000
    """Most training pairs."""
    judged_pairs: int = 8_000
    """Pairs that calibrate, and as many that judge: shoppers and products drawn without looking
    at what was bought.
    """
    event_weights: dict[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    """What of the history counts."""
    text: TuningConfig = field(
        default_factory=lambda: TuningConfig(
            max_tokens=96,
            frozen_layers=3,
            epochs=2,
            batch_size=32,
            learning_rate=1e-4,
            evaluate_every=100,
            patience=3,
        )
    )
    """Fine-tuning of the encoder."""


@dataclass(frozen=True)
class SearchConfig(RecipeConfig):
    """The `search` recipe: query → product, from people's judgements, else from clicks and
    purchases after a query.
    """

    validation_share: float = 0.15
    """Share of the queries that is kept for validation."""
    test_share: float = 0.2
    """Share of the queries that is kept for the test, where judgements have no folds."""
    text: TextConfig = field(
        default_factory=lambda: TextConfig(
            max_tokens=64,
            frozen_layers=3,
            steps=200,
            batch_size=64,
            temperature=0.05,
            evaluate_every=25,
            patience=3,
            popularity_correction=0.0,
        )
    )
    """Fine-tuning of the encoder."""


HEAD_STAGES = {"Baselines": 0.15, "Fine-tuning": 0.7, "Check": 0.15}


def _labeled(name: str, config: type, needs: str) -> Recipe:
    """A recipe that learns from labeled texts; its models are for what it is called."""
    return Recipe(
        name,
        config,
        fit="training.recipes.classification:fit_recipe",
        checkpoint=HEAD,
        trial="training.recipes.classification:try_fields",
        stages=HEAD_STAGES,
        purpose=name,
        needs=(needs,),
        presets={
            QUICK: {"text.epochs": 1, "text.frozen_layers": 4},
            THOROUGH: {"text.average_runs": 3},
        },
    )


RECIPES = (
    Recipe(
        "mlm",
        MlmConfig,
        fit="training.recipes.mlm:fit_mlm",
        checkpoint=ENCODER,
        trial="training.recipes.mlm:fit_mlm",
        stages={"Fine-tuning": 1.0},
        purpose="encoder",
        needs=("products|reviews",),
        presets={QUICK: {"text.steps": 100}, THOROUGH: {"text.steps": 1200}},
    ),
    Recipe(
        "behaviour",
        BehaviourConfig,
        fit="training.recipes.behaviour:fit_behaviour",
        checkpoint=HEAD,
        trial="training.recipes.behaviour:try_fields",
        stages=HEAD_STAGES,
        purpose="behaviour",
        presets={
            QUICK: {"pairs": 5_000, "judged_pairs": 3_000, "text.frozen_layers": 4},
            THOROUGH: {"pairs": 60_000},
        },
    ),
    _labeled("rating", RatingConfig, "ratings"),
    _labeled("sentiment", SentimentConfig, "labels"),
    _labeled("topic", TopicConfig, "topics"),
    _labeled("intent", IntentConfig, "dialogues"),
    Recipe(
        "search",
        SearchConfig,
        fit="training.recipes.search:fit_search",
        checkpoint=ENCODER,
        trial="training.recipes.search:try_fields",
        stages={"Baselines": 0.2, "Fine-tuning": 0.7, "Check": 0.1},
        purpose="search",
        needs=("judgements|clicks", "products"),
        presets={QUICK: {"text.steps": 50}, THOROUGH: {"text.average_runs": 3}},
    ),
)
