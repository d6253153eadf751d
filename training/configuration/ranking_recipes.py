"""Configuration of recipes that train ranking models or their text encoders."""

from dataclasses import dataclass, field

from training.configuration.recipe import ENCODER, NEWEST_ENCODER, QUICK, RANKING, THOROUGH, Recipe
from training.configuration.tuning import EVENT_WEIGHTS, RecipeConfig, TextConfig, TuningConfig


@dataclass(frozen=True)
class RetrievalConfig(RecipeConfig):
    """Recipe `retrieval`: fine-tunes the text encoder on which product a shopper takes next."""

    window_days: int = 31
    """Length of the test window, and of the validation window before it, in days."""
    half_life_days: float = 90.0
    """Days after which the weight of an interaction halves, for item-kNN and recent tastes."""
    event_weights: dict[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    """Weight of one event of each type. Other types have weight 0."""
    neighbours: int = 200
    """Neighbors per product in each co-visitation matrix."""
    shard: int = 256
    """Maximum number of shoppers scored at once. It bounds memory."""
    text: TextConfig = field(default_factory=TextConfig)
    """Fine-tuning of the encoder."""


@dataclass(frozen=True)
class SequenceConfig:
    """Sequence model: one self-attention block over the latest products' vectors and texts predicts
    the next product.
    """

    dim: int = 64
    """Dimension of the product vectors."""
    steps: int = 1200
    """Maximum number of training steps. Early stopping usually ends training sooner."""
    batch_size: int = 1024
    """Target products per step."""
    sampled: int = 2048
    """Sampled negative products per step, in addition to those of the batch."""
    learning_rate: float = 2e-3
    """Peak learning rate."""
    weight_decay: float = 0.01
    """Weight decay of matrices."""
    dropout: float = 0.3
    """Dropout rate in training."""
    evaluate_every: int = 100
    """Steps between two evaluations on validation data."""
    patience: int = 3
    """Evaluations without improvement before training stops."""


@dataclass(frozen=True)
class FusionConfig(RetrievalConfig):
    """Recipe `fusion`: behavioral signals, fine-tuned text, candidate sources, and a ranker over
    all of them.
    """

    ranker_windows: int = 1
    """Number of past windows that the ranker is trained on."""
    ease_regularisation: float = 300.0
    """λ of EASE. Larger values smooth more."""
    ease_largest: int = 15_000
    """Maximum number of products for EASE, whose matrix is dense. Larger catalogs train without
    EASE.
    """
    candidates_per_source: int = 100
    """Candidates per shopper from each source."""
    rounds: int = 200
    """Boosting rounds. Too many fit the last window's habits instead of the next one's."""
    ranker_learning_rate: float = 0.08
    """Learning rate of each boosting round."""
    leaves: int = 15
    """Leaves of each tree."""
    most_training_rows: int = 2_000_000
    """Maximum number of candidate rows that the ranker is trained on. Shoppers beyond it are
    dropped at random.
    """
    negatives_per_shopper: int = 100
    """Candidates per shopper that were not bought and that the ranker is trained on, drawn at
    random.
    """
    new_products_cost: float = 0.005
    """Share of NDCG@10 on the validation days that boosting products with up to 5 events may cost.
    0: no boost.
    """
    pretrain_steps: int = 0
    """Masked-language-model steps on the shop's texts before fine-tuning. 0: none."""
    fine_tune: bool = True
    """Fine-tune the encoder. Otherwise text similarity uses the encoder as it is."""
    served_encoder: str = ""
    """Checkpoint of a separately trained and evaluated encoder that serves. The evaluation of this
    run does not use it.
    """
    use_popularity: bool = True
    """Allow features that count a product's raw popularity."""
    left_out: str = ""
    """Candidate sources and feature groups to leave out, separated by commas."""
    sequence: SequenceConfig = field(default_factory=SequenceConfig)
    """The sequence model."""

    @property
    def parts_left_out(self) -> set[str]:
        """The names in `left_out`, and the popularity features where `use_popularity` is off."""
        named = {name.strip() for name in self.left_out.split(",") if name.strip()}
        return named if self.use_popularity else named | {"popularity"}


@dataclass(frozen=True)
class IncrementalConfig(RetrievalConfig):
    """Recipe `incremental`: continues training the champion's encoder on new events and a replay of
    old ones.
    """

    new_days: int = 31
    """Days before the test window that count as new, where the champion does not record its
    training period.
    """
    replay: float = 0.3
    """Minimum share of pairs drawn from old events, against forgetting."""
    compare_full: bool = True
    """Also train from scratch, to measure what incremental training gives up."""
    text: TextConfig = field(
        default_factory=lambda: TextConfig(
            steps=40, evaluate_every=10, learning_rate=1e-4, projection_steps=150
        )
    )
    """Fine-tuning of the encoder."""


@dataclass(frozen=True)
class DistilConfig(RecipeConfig):
    """Recipe `distil`: trains a shallower student encoder on the vectors of its fine-tuned
    teacher.
    """

    teacher: str = ""
    """Checkpoint folder of the teacher. Runs from the console use the champion."""
    student_layers: int = 3
    """Layers of the student, selected evenly from the teacher's."""
    window_days: int = 31
    """Length of the test window on which both rank by text, in days."""
    half_life_days: float = 90.0
    """Days after which the weight of an interaction halves."""
    event_weights: dict[str, float] = field(default_factory=lambda: dict(EVENT_WEIGHTS))
    """Weight of one event of each type."""
    shard: int = 256
    """Maximum number of shoppers scored at once. It bounds memory."""
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


THOROUGH_TEXT = {
    "text.steps": 300,
    "text.patience": 4,
    "text.average_runs": 3,
    "text.projection_steps": 1200,
}

RECIPES = (
    Recipe(
        "fusion",
        FusionConfig,
        fit="training.recipes.fusion:fit_fusion",
        checkpoint=RANKING,
        trial="training.recipes.retrieval:try_fields",
        stages={
            "Signals": 0.04,
            "Fine-tuning": 0.24,
            "Sequences": 0.10,
            "Candidates": 0.05,
            "Ranking": 0.08,
            "Check": 0.09,
            "Refit": 0.40,
        },
        purpose="ranking",
        presets={
            QUICK: {"rounds": 100, "text.steps": 50, "sequence.steps": 300},
            THOROUGH: {
                **THOROUGH_TEXT,
                "sequence.steps": 2400,
                "sequence.patience": 6,
                "rounds": 400,
                "ranker_learning_rate": 0.04,
            },
        },
    ),
    Recipe(
        "retrieval",
        RetrievalConfig,
        fit="training.recipes.retrieval:fit_retrieval",
        checkpoint=ENCODER,
        trial="training.recipes.retrieval:try_fields",
        stages={"Fine-tuning": 0.6, "Check": 0.05, "Refit": 0.35},
        purpose="encoder",
        presets={QUICK: {"text.steps": 50}, THOROUGH: THOROUGH_TEXT},
    ),
    Recipe(
        "incremental",
        IncrementalConfig,
        fit="training.recipes.incremental:fit_incremental",
        checkpoint=ENCODER,
        stages={"Fine-tuning": 0.25, "Full retraining": 0.45, "Refit": 0.30},
        purpose="encoder",
        needs=("encoder", "events"),
        starts_from=NEWEST_ENCODER,
    ),
    Recipe(
        "distil",
        DistilConfig,
        fit="training.recipes.distillation:fit_distil",
        checkpoint=ENCODER,
        stages={"Fine-tuning": 0.9, "Check": 0.1},
        purpose="encoder",
        needs=("encoder", "events"),
        presets={QUICK: {"text.steps": 200}, THOROUGH: {"text.steps": 1200}},
        starts_from=NEWEST_ENCODER,
        teacher=True,
    ),
)
