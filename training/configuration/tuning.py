"""Configuration shared by recipes: event weights, and training of an encoder."""

from dataclasses import dataclass

EVENT_WEIGHTS = {
    "purchase": 1.0,
    "rating": 1.0,
    "review": 1.0,
    "add_to_cart": 0.5,
    "share": 0.3,
    "click": 0.2,
    "view": 0.1,
}


@dataclass(frozen=True)
class TuningConfig:
    """Configuration of fine-tuning an encoder, for any task."""

    encoder: str = ""
    """Hugging Face folder or name of a BERT. `multilingual`: the packaged multilingual-e5-small.
    Empty: the packaged MiniLM-L6.
    """
    max_tokens: int = 48
    """Maximum number of tokens of a text. The rest is cut off."""
    train: str = "all"
    """Trained part above the frozen layers: all, lora, adalora, adapters (bottleneck), or only the
    head.
    """
    frozen_layers: int = 4
    """Number of frozen lower layers, whose output is computed once and cached on disk. 0 with
    `train` = all trains everything.
    """
    lora_rank: int = 8
    """Rank of the LoRA matrices. AdaLoRA: the mean rank that it keeps."""
    lora_alpha: int = 16
    """LoRA scale: the update is multiplied by alpha / rank."""
    adapter_size: int = 48
    """Dimension of a bottleneck adapter."""
    steps: int = 120
    """Maximum number of training steps. Early stopping usually ends training sooner."""
    epochs: float = 0.0
    """Passes over the training data. Above 0, this determines the steps."""
    batch_size: int = 128
    """Examples per step, over all devices."""
    accumulate: int = 1
    """Gradient accumulation: parts that a batch is split into. The step is the same and needs less
    memory.
    """
    optimiser: str = "adamw"
    """adamw (decoupled weight decay, fused), sgd (momentum 0.9) or adafactor."""
    learning_rate: float = 2e-4
    """Peak learning rate of the encoder, after the warm-up."""
    head_learning_rate: float = 1e-3
    """Peak learning rate of the head."""
    schedule: str = "linear"
    """Learning-rate schedule after the warm-up: linear, cosine or constant."""
    warmup_ratio: float = 0.1
    """Share of the steps over which the learning rate rises from zero."""
    weight_decay: float = 0.01
    """Weight decay. Biases and norms have none."""
    dropout: float = 0.1
    """Dropout rate in the encoder and before the head."""
    clip_norm: float = 1.0
    """Maximum gradient norm. Longer gradients are clipped."""
    shard_weights: bool = False
    """Spread weights in training, gradients and optimizer state over the processes (FSDP), for
    a model whose training does not fit one device.
    """
    precision: str = "auto"
    """fp32, bf16 or fp16; auto: bf16 where a GPU has it, else fp32."""
    evaluate_every: int = 25
    """Steps between two looks at the validation data."""
    patience: int = 2
    """Evaluations without improvement before training stops."""
    word_dropout: float = 0.0
    """Share of words dropped from training texts, drawn again at each step."""
    synonyms: float = 0.0
    """Share of words replaced by a synonym from `synonym_file`, else by the nearest word of the
    encoder's vocabulary.
    """
    synonym_file: str = ""
    """Text file of synonyms: one group per line, separated by commas."""
    attribute_shuffle: float = 0.0
    """Share of training texts whose parts (title, brand, categories, …) are reordered."""
    back_translation: str = ""
    """`module:function` that takes and returns a list of texts, for augmentation by
    back-translation.
    """
    back_translation_share: float = 0.3
    """Share of training texts replaced by `back_translation`, where it is set."""
    adversarial: float = 0.0
    """Length of the FGM step on the input embeddings (Miyato et al. 2017). 0: none. Usual: 0.5 to
    1.
    """
    average_runs: int = 1
    """Number of training runs with successive seeds whose results are averaged."""
    average: str = "weights"
    """What is averaged over the runs: weights (one model, no extra serving cost) or scores (one
    model per run).
    """


@dataclass(frozen=True)
class TextConfig(TuningConfig):
    """Fine-tuning of the encoder on pairs from the shop's events: shopper's history → next
    product.
    """

    anchors: int = 8
    """History products averaged into the query side of a pair. The projection uses four times as
    many.
    """
    temperature: float = 0.1
    """Softmax temperature of the cosine similarities."""
    popularity_correction: float = 1.0
    """Share of log-popularity subtracted from each in-batch negative (1: the full logQ
    correction).
    """
    pair_half_life_days: float = 30.0
    """Days after which the sampling weight of a pair halves. 0, or a snapshot without dates: all
    pairs have the same weight.
    """
    hard_negatives: int = 0
    """Extra negatives per pair, from the nearest products at the previous evaluation."""
    projection_steps: int = 600
    """Steps that first train a projection matrix after pooling, on frozen vectors. 0: no
    projection.
    """


@dataclass(frozen=True)
class RecipeConfig:
    """Configuration fields of every recipe."""

    seed: int = 7
    """Seed of all randomness."""
    search_minutes: float = 0.0
    """Time budget in minutes of the hyperparameter search on validation data before the fit. 0: no
    search.
    """
    search_trials: int = 50
    """Maximum number of trials of that search."""
    onnx: bool = True
    """Write an int8 ONNX encoder into the checkpoint, for processes without torch."""
