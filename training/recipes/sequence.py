"""Training of the sequence model, a part of `fusion`."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from training.candidates.sequence_model import SequenceModel
from training.configuration.ranking_recipes import SequenceConfig
from training.configuration.tuning import TuningConfig
from training.data.interactions import Interactions
from training.data.splits import Window
from training.evaluation.ranking import rank_by_scores
from training.finetuning.devices import device
from training.finetuning.loop import train
from training.finetuning.methods import NoTuning
from training.finetuning.pairs import Source, history_pairs
from training.recipes.sequence_network import SequenceTask
from training.recipes.text_training import half_life, judged_question
from training.runs.run import Run

FEWEST_PAIRS = 200


@dataclass(frozen=True)
class SequenceFit:
    """A fitted sequence model, or None and the reason; `steps`: training step with the best
    validation value.
    """

    model: SequenceModel | None
    steps: int = 0
    why_not: str = ""


class SequenceJudge:
    """Validation of the sequence model: NDCG@10 on products new to the shopper."""

    def __init__(self, window: Window, config) -> None:
        self.window, self.config = judged_question(window, config), config

    def __call__(self, model: SequenceModel) -> float:
        if not len(self.window.target):
            return 0.0
        return float(
            np.nan_to_num(np.nanmean(rank_by_scores(self.window, model.scores, self.config).ndcg()))
        )


def fit_sequence(
    run: Run,
    known: Interactions,
    texts: np.ndarray | None,
    validation: Window | None,
    fixed: int | None = None,
) -> SequenceFit:
    """Train the sequence model and keep the weights with the best validation value.

    texts: (items, dim) unit vectors, or None
    fixed: train exactly this many steps, without validation
    """
    config, by_event = run.config.sequence, run.snapshot.manifest.get("clock", "real") != "real"
    if fixed == 0:
        return SequenceFit(None, 0, "it did not help on the validation days")
    pairs = history_pairs(
        replace(known, basket=np.arange(len(known))) if by_event else known,
        run.snapshot.n_items,
        repeats=True,
    )
    if len(pairs.usable) < FEWEST_PAIRS:
        return SequenceFit(
            None,
            0,
            f"only {len(pairs.usable)} products were taken after others, {FEWEST_PAIRS} are needed",
        )
    torch.manual_seed(run.config.seed)
    judge = SequenceJudge(validation, run.config) if validation else None
    task = SequenceTask(
        Source(pairs, half_life(run)), texts, run.snapshot.n_items, config, by_event, judge
    )
    task.model.to(device())
    chosen = _loop(config, fixed, len(pairs.usable))
    look = run.look("Sequences", chosen.steps, "ndcg@10", "sequence")
    outcome = train(
        task,
        NoTuning(),
        chosen,
        run.config.seed,
        run.keeper.child("sequence"),
        look,
        keep_last=bool(fixed),
    )
    if not outcome.best_step:
        return SequenceFit(None, 0, "it did not help on the validation days")
    return SequenceFit(task.model.plain(by_event), outcome.best_step)


def _loop(config: SequenceConfig, fixed: int | None, pairs: int) -> TuningConfig:
    steps = fixed or config.steps
    return TuningConfig(
        steps=steps,
        batch_size=min(config.batch_size, pairs),
        learning_rate=config.learning_rate,
        head_learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        evaluate_every=min(config.evaluate_every, steps),
        patience=config.patience,
        precision="fp32",
    )
