"""The training loop of every recipe. A Task supplies data and validation; a ResumableState saves
the state.
"""

import contextlib
import copy
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from training.configuration.tuning import TuningConfig
from training.errors import TrainingError
from training.finetuning.devices import precision_of, process_state, put_weights, spread, weights_of
from training.finetuning.heads import Batch
from training.finetuning.methods import (
    TuningMethod,
    make_optimizer,
    schedule_of,
    trainable,
    trainable_share,
)
from training.finetuning.resume_state import ResumableState

log = logging.getLogger(__name__)


class Task(ABC):
    """Data and validation of one training. All randomness comes from the given generator, so that a
    step can be repeated.
    """

    model: nn.Module

    @abstractmethod
    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Draw `size` rows of training examples for this step: (size,) or (size, columns)."""

    @abstractmethod
    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """The rows (size,) as a batch of tensors; `target` is (size,)."""

    @abstractmethod
    def validate(self) -> float:
        """The validation metric; larger is better."""

    def state(self) -> dict[str, torch.Tensor]:
        """Tensors that a resumed run needs besides the weights; by default none."""
        return {}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:  # noqa: B027 (most tasks remember nothing)
        """Restore a state returned by `state`."""


class _Stop:
    """A request to end the loop after the current step."""

    running = requested = False


def stop() -> bool:
    """Ask the loop to save its state and raise KeyboardInterrupt after the current step. Returns
    False where no loop runs, or it was requested before.
    """
    if not _Stop.running or _Stop.requested:
        return False
    _Stop.requested = True
    return True


OnEvaluation = Callable[["Evaluation", float], None] | None


@dataclass(frozen=True)
class Evaluation:
    """End of an evaluation interval: step, mean loss since the last one, steps per second."""

    step: int
    loss: float
    steps_per_second: float


@dataclass
class Best:
    """State of early stopping: the best validation value, its step and weights."""

    value: float
    step: int = 0
    misses: int = 0
    weights: dict[str, torch.Tensor] | None = None


def finetune(
    task: Task,
    tuned: TuningMethod,
    config: TuningConfig,
    seed: int,
    best: Best,
    keeper: ResumableState,
) -> Iterator[Evaluation]:
    """Train `task.model`. Yields after each evaluation interval; the caller evaluates, keeps the
    best weights in `best`, and may stop.

    A step depends only on the weights, the seed and its number, so that a resumed run ends like an
    uninterrupted one.

    Raises TrainingError or KeyboardInterrupt.
    """
    AcceleratorState._reset_state()
    process_state()
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(), mixed_precision=precision_of(config)
    )
    sharded = config.shard_weights and accelerator.num_processes > 1
    model = spread(copy.deepcopy(task.model)) if sharded else task.model
    optimiser = make_optimizer(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, schedule_of(config))
    model, optimiser = (
        (model, accelerator.prepare(optimiser))
        if sharded
        else accelerator.prepare(model, optimiser)
    )
    parameters = trainable(model)
    step, losses = _restore(keeper, task, optimiser, schedule, tuned, best)
    began, first = time.monotonic(), step

    while step < config.steps:
        # a step's examples, drawn alike on every process, each of which takes its part
        step += 1
        rng = np.random.default_rng([seed, step])
        torch.manual_seed(seed * 1_000_003 + step)
        model.train()
        own_rows = task.draw(step, config.batch_size, rng)[
            accelerator.process_index :: accelerator.num_processes
        ]
        parts = np.array_split(own_rows, min(config.accumulate, len(own_rows)))

        # forward and backward, part by part
        total = 0.0
        for i, rows in enumerate(parts):
            batch = task.collate(rows, rng)
            with accelerator.no_sync(model) if i < len(parts) - 1 else contextlib.nullcontext():
                loss = _forward_backward(
                    accelerator, model, batch, tuned, len(parts), config.adversarial
                )
            total += loss / len(parts)
        if not math.isfinite(total):
            if (
                keeper.folder
                and not sharded
                and all(w.isfinite().all() for w in weights_of(task.model).values())
            ):
                _keep(keeper, task, optimiser, tuned, best, step - 1, losses)
            raise TrainingError(
                f"the loss is not a number at step {step} (learning rate "
                f"{schedule.get_last_lr()[0]:.2g}); the last good state is kept, the best one was "
                f"of step {best.step}. A lower learning_rate or clip_norm may help"
            )

        # update
        accelerator.clip_grad_norm_(parameters, config.clip_norm)
        optimiser.step()
        tuned.after_backward(step)
        schedule.step()
        optimiser.zero_grad()
        losses.append(total)

        if step % config.evaluate_every == 0 or step == config.steps:
            if sharded:
                put_weights(task.model, weights_of(model))
            yield Evaluation(
                step, float(np.mean(losses)), (step - first) / (time.monotonic() - began)
            )
            losses.clear()
        if (
            (keeper.due() or (_Stop.requested and keeper.folder))
            and accelerator.is_main_process
            and not sharded
        ):
            _keep(keeper, task, optimiser, tuned, best, step, losses)
        if _Stop.requested:
            raise KeyboardInterrupt


def _keep(
    keeper: ResumableState,
    task: Task,
    optimiser,
    tuned: TuningMethod,
    best: Best,
    step: int,
    losses: list[float],
) -> None:
    """Save the state after this step."""
    tensors = {
        "weights": weights_of(task.model),
        "optimiser": optimiser.state_dict(),
        "best": best.weights or {},
        "tuned": tuned.state(),
        "task": task.state(),
    }
    keeper.write(
        tensors,
        {
            "step": step,
            "losses": losses,
            "value": best.value,
            "best_step": best.step,
            "misses": best.misses,
        },
    )


def _forward_backward(
    accelerator: Accelerator,
    model: nn.Module,
    batch: Batch,
    tuned: TuningMethod,
    parts: int,
    adversarial: float,
) -> float:
    if adversarial:
        batch.texts.watch()
    with accelerator.autocast():
        loss = model(batch)
    accelerator.backward((loss + tuned.penalty()) / parts)
    if adversarial:
        batch.texts.perturb(adversarial)
        with accelerator.autocast():
            attacked = model(batch)
        accelerator.backward(attacked / parts)
    return loss.item()


def _restore(
    keeper: ResumableState, task: Task, optimiser, schedule, tuned: TuningMethod, best: Best
) -> tuple[int, list[float]]:
    """Restore the saved state, if any: (step, losses since the last evaluation)."""
    saved = keeper.read()
    if saved is None:
        return 0, []
    tensors, facts = saved
    put_weights(task.model, tensors["weights"])
    task.load_state(tensors["task"])
    optimiser.load_state_dict(tensors["optimiser"])
    tuned.load_state(tensors["tuned"])
    schedule.last_epoch = facts["step"] - 1
    schedule.step()
    best.value, best.step, best.misses = facts["value"], facts["best_step"], facts["misses"]
    best.weights = tensors.get("best") or None
    log.info("resumed at step %d", facts["step"])
    return facts["step"], list(facts["losses"])


@dataclass(frozen=True)
class Outcome:
    """Summary of a training run. before, best: validation metric before training and at the best
    step; best_step, steps: step of the best value and of the end; seconds: duration;
    trainable_share: share of the parameters that were trained.
    """

    before: float
    best: float
    best_step: int
    steps: int
    seconds: float
    trainable_share: float


def train(
    task: Task,
    tuned: TuningMethod,
    config: TuningConfig,
    seed: int,
    keeper: ResumableState,
    on_evaluation: OnEvaluation = None,
    keep_last: bool = False,
) -> Outcome:
    """Train with early stopping. Afterwards `task.model` has the weights with the best validation
    value.

    keep_last: skip validation, train the configured number of steps, and keep the last weights.
    """
    began, initial = time.monotonic(), weights_of(task.model)
    before = float("-inf") if keep_last else task.validate()
    on_evaluation = on_evaluation or (lambda look, value: None)
    if not keep_last:
        on_evaluation(Evaluation(0, float("nan"), 0.0), before)
    best, share, step = Best(before), trainable_share(task.model), 0
    _Stop.running = True
    try:
        for look in (
            finetune(task, tuned, config, seed, best, keeper) if trainable(task.model) else ()
        ):
            step = look.step
            value = float("nan") if keep_last else task.validate()
            on_evaluation(look, value)
            if value > best.value or keep_last:
                best.value, best.step, best.misses = value, step, 0
                best.weights = None if keep_last else weights_of(task.model)
            else:
                best.misses += 1
                if best.misses >= config.patience:
                    break
    finally:
        _Stop.running = _Stop.requested = False
    if not keep_last:
        put_weights(task.model, initial if best.weights is None else best.weights)
    return Outcome(before, best.value, best.step, step, time.monotonic() - began, share)


def blend(task: Task, start: dict[str, torch.Tensor], shares: tuple[float, ...]) -> float:
    """Interpolate between initial and tuned weights at the share with the best validation value.
    Returns that share.

    Interpolated weights are often better than both ends (Wortsman et al. 2022, "WiSE-FT").
    """
    end, values = weights_of(task.model), {}
    for share in shares:
        put_weights(
            task.model, {name: start[name] + share * (w - start[name]) for name, w in end.items()}
        )
        values[share] = task.validate() if len(shares) > 1 else 0.0
    best = max(values, key=values.get)
    put_weights(
        task.model, {name: start[name] + best * (w - start[name]) for name, w in end.items()}
    )
    return best


def train_several(
    task: Task,
    tuned: TuningMethod,
    config: TuningConfig,
    seed: int,
    keeper: ResumableState,
    on_evaluation: OnEvaluation = None,
    keep_last: bool = False,
) -> tuple[Outcome, list[dict[str, torch.Tensor]]]:
    """Train `average_runs` times from the same start with successive seeds. Returns the first
    outcome, and the weights of each run.

    The model ends with the mean of the weights (Wortsman et al. 2022), or with those of the first
    run where scores are averaged.
    """
    initial, outcomes, members = weights_of(task.model), [], []
    for i in range(config.average_runs):
        put_weights(task.model, initial)
        outcomes.append(
            train(
                task,
                tuned,
                config,
                seed + i,
                keeper.child(f"run-{i}"),
                on_evaluation if i == 0 else None,
                keep_last,
            )
        )
        members.append(weights_of(task.model))
    if config.average == "weights":
        members = (
            [{name: torch.stack([m[name] for m in members]).mean(0) for name in members[0]}]
            if len(members) > 1
            else members
        )
    put_weights(task.model, members[0])
    return outcomes[0], members
