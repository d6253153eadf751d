"""Configuration of recipes that learn from texts, labels, queries, or (shopper, product) pairs."""

from dataclasses import dataclass, field

from training.configuration.recipe import ENCODER, HEAD, QUICK, SEARCH, THOROUGH, Recipe
from training.configuration.tuning import EVENT_WEIGHTS, RecipeConfig, TextConfig, TuningConfig


@dataclass(frozen=True)
class MlmConfig(RecipeConfig):
    """Recipe `mlm`: masked-language-model pre-training on the shop's products, reviews and queries,
    with whole-word masking (Devlin et al. 2019).
    """

    mask_share: float = 0.15
    """Share of the words to predict: 80 % masked, 10 % replaced at random, 10 % unchanged."""
    validation_share: float = 0.1
    """Share of the texts used for validation."""
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
class LabeledTextConfig(RecipeConfig):
    """Configuration fields shared by recipes that learn from labeled or rated texts."""

    validation_share: float = 0.1
    """Share of the training rows used for validation."""
    test_share: float = 0.2
    """Share of the rows used for the test where rows have no fold; assigned by a hash of the
    text.
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
class ClassificationConfig(LabeledTextConfig):
    """Text classification: a linear head with softmax cross-entropy, initialized from logistic
    regression on frozen vectors.
    """

    per_class: int = 0
    """Training rows per class, for few-label experiments. 0: all."""
    named_below: int = 20
    """Classes with fewer training texts than this get the class name as two more training texts. 0:
    never.
    """
    label_smoothing: float = 0.0
    """Label smoothing: share of the target spread over all classes."""
    refit: bool = False
    """After validation has selected the steps, train again from the start with the validation rows
    included.
    """
    voters: int = 0
    """Nearest training texts that vote in addition to the head; validation selects their weight. 0:
    none.
    """


@dataclass(frozen=True)
class SentimentConfig(ClassificationConfig):
    """Recipe `sentiment`: polarity of a review, from its `label`, else from its rating (1-2
    negative, 3 neutral, 4-5 positive).
    """


@dataclass(frozen=True)
class TopicConfig(ClassificationConfig):
    """Recipe `topic`: classifies reviews by their field `topic`."""


@dataclass(frozen=True)
class FewLabelsConfig(ClassificationConfig):
    """Text classification of many classes with few texts each."""

    refit: bool = True
    """After validation has selected the steps, train again from the start with the validation rows
    included.
    """
    voters: int = 10
    """Nearest training texts that vote in addition to the head; validation selects their weight. 0:
    none.
    """


@dataclass(frozen=True)
class OpinionConfig(FewLabelsConfig):
    """Recipe `opinion`: topic and polarity of a clause, from the examples of the shop's topics and
    from people's labels.
    """

    refit: bool = False
    """After validation has selected the steps, train again from the start with the validation rows
    included.
    """
    voters: int = 0
    """Nearest training texts that vote in addition to the head. 0: none."""
    test_share: float = 0.1
    """Share of the rows used for the test where rows have no split; assigned by a hash of the
    text.
    """
    text: TuningConfig = field(
        default_factory=lambda: TuningConfig(
            max_tokens=48,
            frozen_layers=2,
            epochs=2,
            batch_size=32,
            learning_rate=1e-4,
            evaluate_every=100,
            patience=4,
        )
    )
    """Fine-tuning of the encoder."""


@dataclass(frozen=True)
class IntentConfig(FewLabelsConfig):
    """Recipe `intent`: classifies customers' messages by intent, learned from solved dialogues."""

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
class RatingConfig(LabeledTextConfig):
    """Recipe `rating`: stars of a review, by a linear head with mean squared error, initialized
    from ridge regression on frozen vectors.
    """


@dataclass(frozen=True)
class BehaviourConfig(RecipeConfig):
    """Recipe `behaviour`: purchase probability of a shopper and a product, from the text pair
    "history [SEP] product".
    """

    horizon_days: int = 28
    """Prediction horizon in days."""
    history_items: int = 8
    """Maximum number of history products in the text, newest first."""
    negatives: int = 4
    """Negative products per bought one, sampled by popularity. Calibration corrects for the
    sampling.
    """
    pairs: int = 20_000
    """Maximum number of training pairs."""
    judged_pairs: int = 8_000
    """Number of calibration pairs, and of test pairs. Both are drawn without regard to the
    outcome.
    """
    event_weights: dict[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    """Weight of one event of each type in the history."""
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
    """Recipe `search`: relevance of products to a query, from judgments, else from clicks and
    purchases after a query.
    """

    validation_share: float = 0.15
    """Share of the queries used for validation."""
    test_share: float = 0.2
    """Share of the queries used for the test, where judgments have no folds."""
    cross_fit: int = 2
    """Folds of the queries. An encoder that was fine-tuned without a fold shows on it whether
    fine-tuning helps, and the ranker learns from the fold by its vectors.
    """
    rounds: int = 200
    """Trees of the ranker."""
    cross_encoder: bool = True
    """Fine-tune a cross-encoder, which re-ranks the best results where that helps on queries that
    it has not seen. It needs `onnx`, and time with every search.
    """
    cross_layers: int = 6
    """Layers of the cross-encoder, the lowest ones of the encoder."""
    cross_steps: int = 150
    """Training steps of the cross-encoder."""
    text: TextConfig = field(
        default_factory=lambda: TextConfig(
            max_tokens=64,
            frozen_layers=3,
            steps=60,
            batch_size=64,
            learning_rate=5e-5,
            temperature=0.05,
            evaluate_every=20,
            patience=3,
            popularity_correction=0.0,
        )
    )
    """Fine-tuning of the encoder."""


@dataclass(frozen=True)
class AnswersConfig(RecipeConfig):
    """Recipe `answers`: the encoder that finds the passage which answers a question, from solved
    dialogues with their answers.
    """

    validation_share: float = 0.1
    """Share of the training questions used for validation."""
    test_share: float = 0.2
    """Share of the questions used for the test where rows have no split; assigned by a hash of the
    question.
    """
    text: TextConfig = field(
        default_factory=lambda: TextConfig(
            max_tokens=96,
            frozen_layers=0,
            epochs=4,
            batch_size=128,
            learning_rate=5e-5,
            temperature=0.05,
            evaluate_every=28,
            patience=3,
            popularity_correction=0.0,
        )
    )
    """Fine-tuning of the encoder."""


HEAD_STAGES = {"Baselines": 0.15, "Fine-tuning": 0.7, "Check": 0.15}


def _labeled(name: str, config: type, needs: str) -> Recipe:
    """Declaration of a recipe that learns from labeled texts. The recipe's name is its purpose."""
    return Recipe(
        name,
        config,
        fit="training.recipes.classification:fit_recipe",
        checkpoint=HEAD,
        trial="training.recipes.classification:try_fields",
        stages=HEAD_STAGES,
        purpose=name,
        needs=(needs,) if needs else (),
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
    _labeled("opinion", OpinionConfig, ""),
    _labeled("intent", IntentConfig, "dialogues"),
    Recipe(
        "answers",
        AnswersConfig,
        fit="training.recipes.answers:fit_answers",
        checkpoint=ENCODER,
        trial="training.recipes.answers:try_fields",
        stages={"Baselines": 0.1, "Fine-tuning": 0.9},
        purpose="answers",
        needs=(),
        presets={
            QUICK: {"text.epochs": 1, "text.frozen_layers": 3},
            THOROUGH: {"text.epochs": 8},
        },
    ),
    Recipe(
        "search",
        SearchConfig,
        fit="training.recipes.search:fit_search",
        checkpoint=SEARCH,
        trial="training.recipes.search:try_fields",
        stages={
            "Baselines": 0.1,
            "Cross-fitting": 0.4,
            "Fine-tuning": 0.2,
            "Cross-encoder": 0.2,
            "Check": 0.1,
        },
        purpose="search",
        needs=("judgements|clicks", "products"),
        presets={
            QUICK: {"text.steps": 20, "cross_encoder": False},
            THOROUGH: {"text.steps": 150, "cross_fit": 5, "cross_steps": 400},
        },
    ),
)
