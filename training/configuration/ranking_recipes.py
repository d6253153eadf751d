"""Recipes whose models rank products, or make the encoder of a ranking."""

from dataclasses import dataclass, field

from training.configuration.recipe import ENCODER, NEWEST_ENCODER, QUICK, RANKING, THOROUGH, Recipe
from training.configuration.tuning import EVENT_WEIGHTS, RecipeConfig, TextConfig, TuningConfig


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
