"""Configuration that recipes share: event weights, training of an encoder."""

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
