"""Text encoder and sequence model as parts of the recipe `fusion`."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from training.candidates.ivf_index import build_ivf_index
from training.candidates.sources import LearnedSignals
from training.data.interactions import Interactions
from training.data.product_text import product_texts
from training.data.splits import Window
from training.encoders.bert import TextEncoder
from training.finetuning.devices import device
from training.inference.checkpoint import (
    CheckpointError,
)
from training.recipes.incremental import origin
from training.recipes.mlm import pretrain
from training.recipes.sequence import SequenceFit, fit_sequence
from training.recipes.text_training import Start, Texts, fit_texts, refreshed
from training.runs.run import Run, load_encoder


@dataclass(frozen=True)
class TrainedParts:
    """Text encoder (None without texts) and sequence model trained on one period."""

    texts: Texts | None
    sequence: SequenceFit

    @cached_property
    def learnt(self) -> LearnedSignals:
        off = {} if self.texts else {"text": "no product has a text"}
        off |= {"sequence": self.sequence.why_not} if self.sequence.model is None else {}
        vectors = self.texts.after if self.texts else None
        return LearnedSignals(
            vectors, self.sequence.model, off, None if vectors is None else build_ivf_index(vectors)
        )

    @property
    def chosen(self) -> dict[str, int]:
        """Number of training steps that early stopping selected, by part."""
        texts = self.texts
        steps = (
            {"text.steps": texts.steps, "text.projection_steps": texts.space_steps}
            if texts
            else {"text.steps": 0, "text.projection_steps": 0}
        )
        return steps | {"sequence.steps": self.sequence.steps}


def learn_parts(
    run: Run, known: Interactions, validation: Window, start: Start, chosen: dict[str, int] | None
) -> TrainedParts:
    """Train on the known data. Validation selects the number of steps, unless `chosen` gives it."""
    fixed = (chosen["text.steps"], chosen["text.projection_steps"]) if chosen else None
    texts = fit_texts(run, known, validation, fixed, start)
    if "sequence" in run.config.parts_left_out:
        return TrainedParts(texts, SequenceFit(None, 0, "left out"))
    sequence = fit_sequence(
        run,
        known,
        texts.after if texts else None,
        validation,
        chosen["sequence.steps"] if chosen else None,
    )
    return TrainedParts(texts, sequence)


def refit_parts(run: Run, before: TrainedParts, known: Interactions, start: Start) -> TrainedParts:
    """Train the parts again on more interactions, for as many steps as before."""
    texts = refreshed(run, before.texts, known, start)
    again = replace(run, keeper=run.keeper.child("anew"))
    sequence = (
        before.sequence
        if before.sequence.model is None
        else fit_sequence(again, known, texts.after if texts else None, None, before.sequence.steps)
    )
    return TrainedParts(texts, sequence)


def parts_with_encoder(run: Run, before: TrainedParts, known: Interactions) -> TrainedParts | None:
    """Parts that serve with a given encoder: its vectors, and a sequence model trained on them.
    None without texts.

    The ranker is trained on texts that have not seen its targets, so that it does not overestimate
    the given encoder.
    """
    if before.texts is None:
        return None
    encoder = TextEncoder.load(
        run.config.served_encoder, run.config.text.max_tokens, run.config.text.frozen_layers
    )
    vectors = encoder.to(device()).encode(product_texts(run.snapshot.products))
    sequence = (
        before.sequence
        if before.sequence.model is None
        else fit_sequence(run, known, vectors, None, before.sequence.steps)
    )
    return TrainedParts(
        Texts(vectors, vectors, encoder, before.texts.steps, before.texts.space_steps), sequence
    )


def origin_of_encoder(encoder: str) -> dict:
    """Where a given encoder comes from, read from its checkpoint; empty for a plain folder."""
    try:
        return origin(Path(encoder).parent) if encoder else {}
    except CheckpointError:
        return {}


def pretrained_start(run: Run) -> Start:
    """Starting point of fine-tuning: the encoder, after masked-language-model pre-training where
    configured.
    """
    if not run.config.pretrain_steps:
        return Start()
    return Start(
        pretrain(run, load_encoder(run.config.text, run.config.seed), run.config.pretrain_steps)
    )
