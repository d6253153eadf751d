"""What a training run may be told: one frozen dataclass per recipe, a docstring under each
field.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from training.configuration.fields import ConfigError, describe_fields, set_fields, to_dict
from training.data.snapshot import TYPE_CODE

__all__ = [
    "PRESETS",
    "RECIPES",
    "USUAL",
    "ConfigError",
    "describe",
    "from_dict",
    "make_config",
    "to_dict",
]

EVENT_WEIGHTS = {
    "purchase": 1.0,
    "rating": 1.0,
    "review": 1.0,
    "add_to_cart": 0.5,
    "share": 0.3,
    "click": 0.2,
    "view": 0.1,
}

LIMITS = {
    "window_days": (1, 3650),
    "ranker_windows": (1, 100),
    "neighbours": (1, 1e5),
    "candidates_per_source": (1, 1e5),
    "rounds": (1, 1e5),
    "leaves": (2, 1e5),
    "shard": (1, 1e6),
    "max_tokens": (4, 8192),
    "frozen_layers": (0, 1000),
    "lora_rank": (1, 1024),
    "lora_alpha": (1, 4096),
    "adapter_size": (1, 4096),
    "steps": (1, 1e8),
    "epochs": (0, 1e4),
    "batch_size": (2, 1e6),
    "accumulate": (1, 1e4),
    "learning_rate": (1e-9, 10),
    "head_learning_rate": (1e-9, 10),
    "warmup_ratio": (0, 1),
    "weight_decay": (0, 10),
    "dropout": (0, 0.9),
    "clip_norm": (1e-6, 1e6),
    "evaluate_every": (1, 1e8),
    "patience": (1, 1e8),
    "word_dropout": (0, 0.9),
    "synonyms": (0, 0.9),
    "attribute_shuffle": (0, 1),
    "back_translation_share": (0, 1),
    "adversarial": (0, 100),
    "average_runs": (1, 20),
    "anchors": (1, 100),
    "half_life_days": (0.01, 1e6),
    "temperature": (0.001, 100),
    "popularity_correction": (0, 10),
    "hard_negatives": (0, 100),
    "projection_steps": (0, 1e6),
    "mask_share": (0.01, 0.9),
    "dim": (2, 4096),
    "sampled": (1, 1e7),
    "validation_share": (0.01, 0.5),
    "test_share": (0.01, 0.5),
    "label_smoothing": (0, 0.9),
    "per_class": (0, 1e6),
    "named_below": (0, 1000),
    "voters": (0, 1000),
    "horizon_days": (1, 3650),
    "negatives": (1, 1000),
    "negatives_per_shopper": (1, 1e6),
    "history_items": (1, 100),
    "pairs": (10, 1e8),
    "judged_pairs": (10, 1e8),
    "student_layers": (1, 1000),
    "replay": (0, 1),
    "new_days": (1, 3650),
    "search_minutes": (0, 1e5),
    "search_trials": (1, 1e5),
    "seed": (0, 2**31),
    "ranker_learning_rate": (1e-6, 1),
    "new_products_cost": (0, 1),
    "ease_regularisation": (1e-6, 1e9),
}
"""Smallest and largest value of numbers; those that are not here are from 0 to 1e9."""
CHOICES = {
    "train": ("all", "lora", "adalora", "adapters", "head"),
    "optimiser": ("adamw", "sgd", "adafactor"),
    "schedule": ("linear", "cosine", "constant"),
    "precision": ("auto", "fp32", "bf16", "fp16"),
    "average": ("weights", "scores"),
}
OUTSIDE = {
    "encoder": "encoder",
    "served_encoder": "encoder",
    "teacher": "checkpoint",
    "synonym_file": "file",
    "back_translation": "function",
}
"""Fields, by their last name, that name something outside the configuration: a folder, a file,
or code to be run.
"""
KEYS = {"event_weights": tuple(TYPE_CODE)}


@dataclass(frozen=True)
class TuningConfig:
    """How an encoder is trained, whatever for."""

    encoder: str = ""
    """Hugging Face folder or name of a BERT; `multilingual`: the packaged
    multilingual-e5-small; empty: the packaged MiniLM-L6.
    """
    max_tokens: int = 48
    """Tokens of a text that are read; the rest is cut off."""
    train: str = "all"
    """What is trained above the frozen layers: all, lora, adalora, adapters (bottleneck), or
    the head alone.
    """
    frozen_layers: int = 4
    """Lower layers that stay as they are, computed once and kept on disk; 0 with `train` = all
    trains everything.
    """
    lora_rank: int = 8
    """Rank of LoRA's matrices (AdaLoRA: the mean rank it keeps)."""
    lora_alpha: int = 16
    """LoRA's scale: its update counts alpha / rank."""
    adapter_size: int = 48
    """Width of a bottleneck adapter."""
    steps: int = 120
    """Most training steps; early stopping usually ends sooner."""
    epochs: float = 0.0
    """Passes over the training data; above 0 this sets the steps."""
    batch_size: int = 128
    """Examples in one step, over all devices."""
    accumulate: int = 1
    """Parts that a step's batch is cut into, whose gradients are added up: the same step in
    less memory.
    """
    optimiser: str = "adamw"
    """adamw (decoupled weight decay, fused), sgd (momentum 0.9) or adafactor."""
    learning_rate: float = 2e-4
    """Peak learning rate of the encoder, reached after the warm-up."""
    head_learning_rate: float = 1e-3
    """Peak learning rate of what sits on top of the encoder."""
    schedule: str = "linear"
    """How the learning rate falls after the warm-up: linear, cosine, or constant."""
    warmup_ratio: float = 0.1
    """Share of the steps over which the learning rate rises from zero."""
    weight_decay: float = 0.01
    """Weight decay; not of biases and norms."""
    dropout: float = 0.1
    """Dropout inside the encoder and before the head."""
    clip_norm: float = 1.0
    """Largest norm of the gradient; longer ones are shortened to it."""
    shard_weights: bool = False
    """Spread weights in training, gradients and optimiser state over the processes (FSDP), for
    a model whose training does not fit one device.
    """
    precision: str = "auto"
    """fp32, bf16 or fp16; auto: bf16 where a GPU has it, else fp32."""
    evaluate_every: int = 25
    """Steps between two looks at the validation data."""
    patience: int = 2
    """Looks without a better validation measure before stopping."""
    word_dropout: float = 0.0
    """Share of words left out of training texts, anew each time."""
    synonyms: float = 0.0
    """Share of words replaced by a near one: of `synonym_file`, else the nearest in the
    encoder's own vocabulary.
    """
    synonym_file: str = ""
    """Text file of synonyms, a group a line, separated by commas."""
    attribute_shuffle: float = 0.0
    """Share of training texts whose parts (title, brand, categories, …) change places."""
    back_translation: str = ""
    """`module:function` that takes and returns a list of texts, for augmentation by
    back-translation.
    """
    back_translation_share: float = 0.3
    """Share of training texts that come from `back_translation`, where there is one."""
    adversarial: float = 0.0
    """Length of FGM's step on the input embeddings (Miyato et al. 2017); 0: none.

    Usual: 0.5 to 1.
    """
    average_runs: int = 1
    """Runs with successive seeds whose results are averaged."""
    average: str = "weights"
    """What is averaged over the runs: weights (one model, no extra cost in serving) or scores
    (as many models as runs).
    """


@dataclass(frozen=True)
class TextConfig(TuningConfig):
    """Fine-tuning the encoder on the shop's own pairs: shopper's history → next product."""

    anchors: int = 8
    """Products of the history that are averaged into a pair's first side (the projection takes
    four times as many).
    """
    temperature: float = 0.1
    """Softmax temperature of the cosine similarities."""
    popularity_correction: float = 1.0
    """How much of log-popularity is taken off each in-batch negative (1: the full logQ
    correction).
    """
    pair_half_life_days: float = 30.0
    """After so many days a pair is drawn half as often; 0: all alike.

    Without a real clock all are drawn alike.
    """
    hard_negatives: int = 0
    """Near products of the previous look's index that each pair gets as extra negatives."""
    projection_steps: int = 600
    """Steps that first turn the whole space by one matrix after pooling, on frozen vectors; 0:
    no such matrix.
    """


@dataclass(frozen=True)
class RecipeConfig:
    """What every recipe has."""

    seed: int = 7
    """Seed of every random choice."""
    search_minutes: float = 0.0
    """Minutes of search over hyper-parameters on the validation data before the fit; 0: none."""
    search_trials: int = 50
    """Most trials of that search."""
    onnx: bool = True
    """Leave an int8 ONNX encoder in the checkpoint, for processes without torch."""


@dataclass(frozen=True)
class RetrievalConfig(RecipeConfig):
    """The `retrieval` recipe: text alone learns what the shop's customers take next."""

    window_days: int = 31
    """Length of the held-out window, and of the validation window before it, in days."""
    half_life_days: float = 90.0
    """After so many days an interaction counts half, for item-kNN and recent tastes."""
    event_weights: dict[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    """What one event of each type counts; types that are not named count nothing."""
    neighbours: int = 200
    """Neighbours kept per product in each co-visitation matrix."""
    shard: int = 256
    """Shoppers scored at once at most; bounds memory."""
    text: TextConfig = field(default_factory=TextConfig)
    """Fine-tuning of the encoder."""


@dataclass(frozen=True)
class SequenceConfig:
    """A model of which product comes next after the latest ones: one block of self-attention
    over vectors and texts of the products.
    """

    dim: int = 64
    """Width of the products' vectors."""
    steps: int = 1200
    """Most training steps; early stopping usually ends sooner."""
    batch_size: int = 1024
    """Products that came next in one step."""
    sampled: int = 2048
    """Products drawn for each step that did not come next, beside those of the batch."""
    learning_rate: float = 2e-3
    """Peak learning rate."""
    weight_decay: float = 0.01
    """Weight decay of matrices."""
    dropout: float = 0.3
    """Share of the values left out in training."""
    evaluate_every: int = 100
    """Steps between two looks at the validation data."""
    patience: int = 3
    """Looks without a better validation measure before stopping."""


@dataclass(frozen=True)
class FusionConfig(RetrievalConfig):
    """The `fusion` recipe: signals, fine-tuned text, candidates, and the ranker that fuses them."""

    ranker_windows: int = 1
    """Earlier windows that the ranker is trained on."""
    ease_regularisation: float = 300.0
    """The λ of EASE; larger is smoother."""
    ease_largest: int = 15_000
    """Catalogues larger than this go without EASE, whose matrix is dense."""
    candidates_per_source: int = 100
    """Products that each source proposes per shopper."""
    rounds: int = 200
    """Boosting rounds; more learn the last window's habits rather than the next one's."""
    ranker_learning_rate: float = 0.08
    """Shrinkage of each boosting round."""
    leaves: int = 15
    """Leaves of each tree."""
    most_training_rows: int = 2_000_000
    """Candidate rows that the ranker is trained on at most; shoppers beyond are left out at
    random.
    """
    negatives_per_shopper: int = 100
    """Candidates a shopper that were not bought and that the ranker is trained on, at random."""
    new_products_cost: float = 0.005
    """Share of NDCG@10 that may be given up on the validation days so that products with up to
    5 events stand higher; 0: none.
    """
    pretrain_steps: int = 0
    """Masked-token steps on the shop's texts before fine-tuning; 0: none."""
    fine_tune: bool = True
    """Fine-tune the encoder; otherwise its text similarity is used as it comes."""
    served_encoder: str = ""
    """An encoder that serves as it comes, because it was trained and judged by itself; what is
    judged here is made without it.
    """
    use_popularity: bool = True
    """May features count a product's raw popularity?"""
    left_out: str = ""
    """Candidate sources and groups of features that are not used, separated by commas."""
    sequence: SequenceConfig = field(default_factory=SequenceConfig)
    """The sequence model."""

    @property
    def parts_left_out(self) -> set[str]:
        """The names in `left_out`; without popularity, what counts it."""
        named = {name.strip() for name in self.left_out.split(",") if name.strip()}
        return named if self.use_popularity else named | {"popularity"}


@dataclass(frozen=True)
class IncrementalConfig(RetrievalConfig):
    """The `incremental` recipe: the champion's encoder goes on from new events and a replay of
    old ones.
    """

    new_days: int = 31
    """How many of the last days before the held-out window count as new, where the champion
    does not say what it has learned.
    """
    replay: float = 0.3
    """Least share of the pairs that are drawn from old events, so that they are not forgotten."""
    compare_full: bool = True
    """Also train anew from the start, to show what incremental training gives away."""
    text: TextConfig = field(
        default_factory=lambda: TextConfig(
            steps=40, evaluate_every=10, learning_rate=1e-4, projection_steps=150
        )
    )
    """Fine-tuning of the encoder."""


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


@dataclass(frozen=True)
class DistilConfig(RecipeConfig):
    """The `distil` recipe: a shallower student learns its fine-tuned teacher's vectors."""

    teacher: str = ""
    """Checkpoint folder of the teacher (the champion's where the console starts the run)."""
    student_layers: int = 3
    """Layers of the student, taken evenly from the teacher's."""
    window_days: int = 31
    """Length of the held-out window on which both rank by text, in days."""
    half_life_days: float = 90.0
    """After so many days an interaction counts half."""
    event_weights: dict[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    """What one event of each type counts."""
    shard: int = 256
    """Shoppers scored at once at most; bounds memory."""
    text: TuningConfig = field(
        default_factory=lambda: TuningConfig(
            frozen_layers=0,
            steps=600,
            batch_size=64,
            learning_rate=3e-4,
            evaluate_every=100,
            patience=3,
        )
    )
    """Training of the student."""


RECIPES: dict[str, type] = {
    "fusion": FusionConfig,
    "retrieval": RetrievalConfig,
    "incremental": IncrementalConfig,
    "mlm": MlmConfig,
    "behaviour": BehaviourConfig,
    "rating": RatingConfig,
    "sentiment": SentimentConfig,
    "topic": TopicConfig,
    "intent": IntentConfig,
    "search": SearchConfig,
    "distil": DistilConfig,
}
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "quick": {
        "fusion": {"rounds": 100, "text.steps": 50, "sequence.steps": 300},
        "retrieval": {"text.steps": 50},
        "mlm": {"text.steps": 100},
        "behaviour": {"pairs": 5_000, "judged_pairs": 3_000, "text.frozen_layers": 4},
        **{
            name: {"text.epochs": 1, "text.frozen_layers": 4}
            for name in ("rating", "sentiment", "topic", "intent")
        },
        "search": {"text.steps": 50},
        "distil": {"text.steps": 200},
    },
    "standard": {},
    "thorough": {
        "fusion": {
            "text.steps": 300,
            "text.patience": 4,
            "text.average_runs": 3,
            "text.projection_steps": 1200,
            "sequence.steps": 2400,
            "sequence.patience": 6,
            "rounds": 400,
            "ranker_learning_rate": 0.04,
        },
        "retrieval": {
            "text.steps": 300,
            "text.patience": 4,
            "text.average_runs": 3,
            "text.projection_steps": 1200,
        },
        "mlm": {"text.steps": 1200},
        "behaviour": {"pairs": 60_000},
        **{
            name: {"text.average_runs": 3}
            for name in ("rating", "sentiment", "topic", "intent", "search")
        },
        "distil": {"text.steps": 1200},
    },
}
"""What differs from the defaults, per recipe; `standard` is what a merchandiser gets without
choosing.
"""
USUAL = "standard"


def make_config(recipe: str, overrides: dict[str, Any] | None = None, preset: str = USUAL) -> Any:
    """The recipe's configuration with `overrides`; keys may be dotted (`text.steps`), values
    may be strings.
    """
    if recipe not in RECIPES:
        raise ConfigError(f"recipe: {recipe!r} is none of {', '.join(RECIPES)}")
    if preset not in PRESETS:
        raise ConfigError(f"preset: {preset!r} is none of {', '.join(PRESETS)}")
    chosen = {**PRESETS[preset].get(recipe, {}), **(overrides or {})}
    return set_fields(RECIPES[recipe](), chosen, LIMITS, CHOICES, KEYS)


def describe(recipe: str) -> list[tuple[str, Any, str]]:
    """(field, default, meaning) of every field of a recipe, nested ones dotted."""
    return describe_fields(RECIPES[recipe]())


def from_dict(recipe: str, values: dict[str, Any]) -> Any:
    """A configuration as it was saved with what it produced."""
    return make_config(recipe, values)


def with_text(config: Any, **changes: Any) -> Any:
    """The configuration with these fields of `text` changed."""
    return replace(config, text=replace(config.text, **changes))
