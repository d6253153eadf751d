"""Hyperparameter search (optuna) on validation data within a time budget, with pruning. All trials
are stored.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from training.configuration.fields import to_dict
from training.configuration.recipes import with_text
from training.errors import TrainingError
from training.finetuning.resume_state import ResumableState
from training.runs.progress import Progress
from training.runs.run import Run

log = logging.getLogger(__name__)

SPACE = {
    "learning_rate": lambda t, now: t.suggest_float("learning_rate", now / 8, now * 4, log=True),
    "weight_decay": lambda t, now: t.suggest_float("weight_decay", 1e-4, 0.1, log=True),
    "dropout": lambda t, now: t.suggest_float("dropout", 0.0, 0.3),
    "warmup_ratio": lambda t, now: t.suggest_float("warmup_ratio", 0.02, 0.3),
    "batch_size": lambda t, now: t.suggest_categorical(
        "batch_size", sorted({max(2, now // 2), now, now * 2})
    ),
    "temperature": lambda t, now: t.suggest_float("temperature", now / 3, now * 2, log=True),
    "popularity_correction": lambda t, now: t.suggest_float("popularity_correction", 0.0, 1.0),
}
"""Search space around the configured values. Fields that the recipe lacks are skipped."""


def search_fields(run: Run, validate: Callable[[Run], None]) -> tuple[object, list[dict]]:
    """The configuration with the best validation value, and all trials.

    The study is stored with the resumable state. The first trial is the given configuration; where
    it cannot be trained, its error ends the search.

    Raises TrainingError.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = run.keeper.folder
    storage = _storage(optuna, folder)
    study = optuna.create_study(
        storage=storage,
        study_name="fields",
        direction="maximize",
        load_if_exists=True,
        sampler=optuna.samplers.TPESampler(seed=run.config.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1),
    )
    if not study.trials:
        study.enqueue_trial({})
    until = time.monotonic() + 60 * run.config.search_minutes - _spent(study)
    while (
        time.monotonic() < until
        and len([t for t in study.trials if t.state.is_finished()]) < run.config.search_trials
    ):
        forgiven = (TrainingError,) if _completed(study, optuna) else ()
        study.optimize(lambda trial: _one(run, trial, optuna, validate), n_trials=1, catch=forgiven)
        last = study.trials[-1]
        run.progress.stage(
            run.progress.last_stage,
            message=f"trial {last.number}: {last.state.name.lower()}, {_value(last)}, "
            f"{last.params}",
        )
        if last.value is not None:
            run.progress.metric("search.validation", last.number, last.value)
    trials = [_trial_entry(t) for t in study.trials]
    if not _completed(study, optuna):
        raise TrainingError(
            f"none of the {len(trials)} trials came to an end within search_minutes = "
            f"{run.config.search_minutes}"
        )
    if folder:
        (folder.parent / "trials.json").write_text(json.dumps(trials, indent=1), encoding="utf-8")
    return with_text(run.config, **study.best_params), trials


def _completed(study, optuna) -> list:
    return [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]


def _storage(optuna, folder: Path | None):
    if folder is None:
        return None
    folder.parent.mkdir(parents=True, exist_ok=True)
    return optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(folder.parent / "search.journal"))
    )


def _spent(study) -> float:
    """Seconds of the trials that finished before an interruption."""
    return sum(t.duration.total_seconds() for t in study.trials if t.duration)


def _value(trial) -> str:
    return "no value" if trial.value is None else f"validation {trial.value:.4f}"


def _trial_entry(trial) -> dict:
    seconds = trial.duration.total_seconds() if trial.duration else None
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.value,
        "fields": trial.params,
        "seconds": seconds,
    }


def _one(run: Run, trial, optuna, validate: Callable[[Run], None]) -> float:
    """One trial: train on training data and return the validation value. Test data are not read."""
    text = run.config.text
    names = set(to_dict(text))
    changes = {
        name: suggest(trial, getattr(text, name))
        for name, suggest in SPACE.items()
        if name in names
    }
    seen: list[float] = []

    def look(step: int, value: float) -> None:
        """Raises TrialPruned."""
        trial.report(value, len(seen))
        seen.append(value)
        if step and trial.should_prune():
            raise optuna.TrialPruned

    inside = replace(
        run,
        config=with_text(run.config, **changes),
        keeper=ResumableState(),
        trial=look,
        progress=Progress(quiet=True),
    )
    validate(inside)
    return max(seen)
