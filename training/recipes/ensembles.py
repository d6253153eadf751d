"""Trained text models: one encoder with a linear head, or an ensemble whose outputs are
averaged.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from training.data.product_text import length_batches
from training.encoders.bert import BATCH_TOKENS
from training.finetuning.devices import put_weights
from training.finetuning.heads import Classifier
from training.finetuning.methods import TuningMethod
from training.finetuning.text_store import TextStore
from training.inference.calibration import (
    EnsembleMember,
    NeighborVote,
    OutputCalibration,
    averaged,
    scope_scores,
)

FEWEST_SCOPED = 40
"""Validation rows from which the least score of what is in scope is known."""


def vectors(model: Classifier, store: TextStore, rows: np.ndarray) -> np.ndarray:
    """Encode these rows by the model's current encoder: unit vectors (n, dim)."""
    was_training = model.training
    model.eval()
    out = np.zeros((len(rows), model.encoder.dim), dtype=np.float32)
    with torch.inference_mode():
        for batch in length_batches(store.lengths[rows], BATCH_TOKENS):
            out[batch] = store.batch(rows[batch]).encode(model.encoder).float().cpu().numpy()
    model.train(was_training)
    return out


def head_of(model: Classifier) -> tuple[np.ndarray, np.ndarray]:
    """Copies of the head's weight (outputs, dim) and bias (outputs,)."""
    return (
        model.head.weight.detach().cpu().numpy().copy(),
        model.head.bias.detach().cpu().numpy().copy(),
    )


def outputs(model: Classifier, store: TextStore, rows: np.ndarray) -> np.ndarray:
    """Outputs of the head for these rows: (n, classes) logits, or (n, 1) ratings."""
    weight, bias = head_of(model)
    return vectors(model, store, rows) @ weight.T + bias


@dataclass
class Members:
    """Weights of each run of an ensemble, loaded in turn into one model. `neighbours` is empty
    where no texts vote.
    """

    model: Classifier
    weights: list[dict[str, torch.Tensor]]
    neighbours: list[NeighborVote] = field(default_factory=list)

    def remember(self, store: TextStore, rows: np.ndarray, target: np.ndarray, k: int) -> "Members":
        """A copy with a nearest-neighbor vote: the `k` nearest texts among these rows (n,). 0: no
        vote.
        """
        made = (
            [NeighborVote(vectors(self.model, store, rows), target[rows], k) for _ in self._each()]
            if k
            else []
        )
        return Members(self.model, self.weights, made)

    def outputs(self, store: TextStore, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Mean output (rows, outputs) of all members, and the mean vote (rows, classes) of their
        neighbors or None.
        """
        return averaged(
            [self._member(i).judge(vectors(self.model, store, rows)) for i in self._each()]
        )

    def answers(self, store: TextStore, rows: np.ndarray, answer: OutputCalibration) -> np.ndarray:
        """Predict with the ensemble: (rows, classes) probabilities or (rows, 1) ratings."""
        return answer.apply(*self.outputs(store, rows))

    def scope(
        self, store: TextStore, rows: np.ndarray, answer: OutputCalibration, kept: float
    ) -> dict[str, float] | None:
        """Least score of texts that are in scope, so that a share `kept` of these rows (n,) is;
        None where no texts vote, or too few rows tell.
        """
        if not self.neighbours or len(rows) < FEWEST_SCOPED:
            return None
        probability = self.answers(store, rows, answer)
        put_weights(self.model, self.weights[0])
        encoded = vectors(self.model, store, rows)
        scores = scope_scores(probability, self.neighbours[0], encoded)
        return {"least": float(np.quantile(scores, 1 - kept)), "kept": kept}

    def finish(self, tuned: TuningMethod) -> list[EnsembleMember]:
        """The ensemble's encoders with merged weights, and their heads, ready to be saved."""
        alone = len(self.weights) == 1
        return [
            replace(self._member(i), encoder=(tuned if alone else copy.deepcopy(tuned)).finish())
            for i in self._each()
        ]

    def _each(self) -> Iterator[int]:
        """Number of each member, while its weights are loaded into the model."""
        for i, weights in enumerate(self.weights):
            put_weights(self.model, weights)
            yield i

    def _member(self, i: int) -> EnsembleMember:
        return EnsembleMember(
            self.model.encoder,
            *head_of(self.model),
            self.neighbours[i] if self.neighbours else None,
        )


@dataclass
class LabeledModel:
    """Result of a recipe that answers single texts: members, names of their outputs, and the
    calibration.
    """

    members: list[EnsembleMember]
    classes: list[str]
    answer: OutputCalibration
