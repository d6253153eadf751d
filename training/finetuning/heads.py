"""Task heads on the encoder. Each is a module whose forward pass returns the loss of a batch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from training.encoders.bert import TextEncoder
from training.finetuning.losses import (
    class_loss,
    distillation_loss,
    in_batch_softmax,
    masked_word_loss,
    rating_loss,
)
from training.finetuning.text_store import TextBatch


@dataclass
class Batch:
    """One training batch. texts: to encode, in the order that `rows` refers to; target: the
    expected output of each.
    """

    texts: TextBatch
    target: torch.Tensor
    extra: dict[str, torch.Tensor]


class Matching(nn.Module):
    """Matching of a query side with a product by cosine. A query side is the mean of its texts'
    vectors.

    batch.extra: anchor (batch, n), positive (batch,) rows of the texts; optional: hard (batch, m),
        log_popularity (batch,), hard_item (batch, m)
    batch.target: (batch,) product numbers
    """

    def __init__(self, encoder: TextEncoder, temperature: float) -> None:
        super().__init__()
        self.encoder, self.temperature = encoder, temperature

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss, a scalar (): in-batch softmax of batch queries against batch products."""
        vectors = batch.texts.encode(self.encoder)
        query = nn.functional.normalize(vectors[batch.extra["anchor"]].mean(1), dim=1)
        hard = vectors[batch.extra["hard"]] if "hard" in batch.extra else None
        positive = vectors[batch.extra["positive"]]
        return in_batch_softmax(
            query,
            positive,
            batch.target,
            batch.extra["log_popularity"],
            self.temperature,
            hard,
            batch.extra.get("hard_item"),
        )


class Classifier(nn.Module):
    """Classifier: a linear head on the unit vector, with softmax cross-entropy."""

    def __init__(
        self, encoder: TextEncoder, classes: int, dropout: float, smoothing: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.dim, classes)
        self.drop, self.smoothing = nn.Dropout(dropout), smoothing

    def start_from(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Initialize from a linear model on frozen vectors: weight (classes, dim), bias (classes,)
        (Kumar et al. 2022).
        """
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.asarray(weight, dtype=np.float32)))
            self.head.bias.copy_(torch.from_numpy(np.asarray(bias, dtype=np.float32)))

    def outputs(self, texts: TextBatch) -> torch.Tensor:
        """(texts, classes) logits."""
        return self.head(self.drop(texts.encode(self.encoder)))

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss, a scalar (): cross-entropy with target classes (batch,)."""
        return class_loss(self.outputs(batch.texts), batch.target, self.smoothing)


class Regressor(Classifier):
    """Regressor: a linear head with one output, with mean squared error."""

    def __init__(self, encoder: TextEncoder, dropout: float) -> None:
        super().__init__(encoder, 1, dropout)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss, a scalar (): mean squared error against targets (batch,)."""
        return rating_loss(self.outputs(batch.texts)[:, 0], batch.target)


class MaskedWords(nn.Module):
    """BERT's masked-language-model head. The output matrix is tied to the word embeddings; missing
    weights are initialized.

    batch.extra: per group of texts the changed ids, and the masked positions.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        config, words = encoder.bert.config, encoder.bert.embeddings.word_embeddings
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(words.num_embeddings))
        nn.init.eye_(self.dense.weight)
        nn.init.zeros_(self.dense.bias)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Vocabulary logits of masked words: (masked, dim) -> (masked, vocabulary)."""
        hidden = self.norm(nn.functional.gelu(self.dense(hidden)))
        return hidden @ self.encoder.bert.embeddings.word_embeddings.weight.T + self.bias

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss, a scalar (): cross-entropy of the masked words, target (masked,)."""
        masked = []
        for i, places in enumerate(batch.extra["places"]):
            masked.append(
                self.encoder.states(batch.texts.entering(self.encoder, i), batch.texts.masks[i])[
                    places
                ]
            )
        return masked_word_loss(self.logits(torch.cat(masked)), batch.target)


class Distiller(nn.Module):
    """Distillation: pulls the student's vectors to the teacher's (batch.target)."""

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss, a scalar (): distance to the teacher's vectors, target (batch, dim)."""
        return distillation_loss(batch.texts.encode(self.encoder), batch.target)
