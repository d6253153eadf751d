"""One training run: a snapshot goes in, the recipe's checkpoint comes out."""

import tempfile
from pathlib import Path

from training.configuration.fields import ConfigError
from training.finetuning.loop import is_main_process, number_of_processes
from training.runs.experiment_tracking import Tracking
from training.runs.progress import STAGES, Progress
from training.runs.run import Run


def fit(run: Run, out: Path) -> dict:
    """Carry out a run and leave its checkpoint at `out`; returns the report."""
    trials = []
    if run.config.text.shard_weights and run.config.text.train == "adalora":
        raise ConfigError(
            "text.shard_weights: adalora moves rank between whole matrices, which spread "
            "ones are not"
        )
    if run.config.search_minutes and number_of_processes() > 1:
        raise ConfigError("search_minutes: search with one process; then train with several")
    if run.config.search_minutes:
        from training.runs.hyperparameter_search import search_fields

        run.config, trials = search_fields(run, lambda trial: validate(trial))
    if not is_main_process():
        with (
            tempfile.TemporaryDirectory() as scratch
        ):  # every process has the whole result; the first one keeps it
            return _RECIPES[run.recipe](run, Path(scratch) / "out", trials)
    report = _RECIPES[run.recipe](run, out, trials)
    run.keeper.clear()
    return report


def validate(run: Run) -> None:
    """Train once and validate, as a trial of the search over fields; `run.trial` is told each look.

    The test data are not looked at.
    """
    from training.recipes import behaviour, classification, mlm, retrieval, search

    trials = {
        "fusion": retrieval.try_fields,
        "retrieval": retrieval.try_fields,
        "mlm": mlm.fit_mlm,
        "search": search.try_fields,
        "behaviour": behaviour.try_fields,
    }
    trials |= dict.fromkeys(("rating", "sentiment", "topic", "intent"), classification.try_fields)
    if run.recipe not in trials:
        raise ConfigError(f"search_minutes: the recipe {run.recipe} has no search over its fields")
    trials[run.recipe](run)


def _fit_fusion(run: Run, out: Path, trials: list[dict]) -> dict:
    from training.recipes.fusion import fit_fusion

    return fit_fusion(run, out, trials)


def _fit_encoder(run: Run, out: Path, trials: list[dict]) -> dict:
    from training.recipes import distillation, incremental, mlm, retrieval, search, text_checkpoints

    fits = {
        "mlm": mlm.fit_mlm,
        "retrieval": retrieval.fit_retrieval,
        "incremental": incremental.fit_incremental,
        "search": search.fit_search,
        "distil": distillation.fit_distil,
    }
    encoder, vectors, report = fits[run.recipe](run)
    text_checkpoints.save_encoder(run, out, encoder, report | {"trials": trials}, vectors)
    return report


def _fit_head(run: Run, out: Path, trials: list[dict]) -> dict:
    from training.recipes import behaviour, classification, text_checkpoints

    fitted, report, more = (
        behaviour.fit_behaviour(run)
        if run.recipe == "behaviour"
        else (*classification.fit_labels(run, classification.recipe_rows(run)), {})
    )
    text_checkpoints.save_head(run, out, fitted, report | {"trials": trials}, more)
    return report


_RECIPES = {
    "fusion": _fit_fusion,
    **dict.fromkeys(("mlm", "retrieval", "incremental", "search", "distil"), _fit_encoder),
    **dict.fromkeys(("behaviour", "rating", "sentiment", "topic", "intent"), _fit_head),
}


def new_progress(
    path: Path | None, recipe: str, quiet: bool = False, config: dict | None = None
) -> Progress:
    """Progress into this file, with TensorBoard's files beside it."""
    tracking = Tracking(path.parent, f"{recipe} {path.parent.name}", config) if path else None
    return Progress(path, STAGES[recipe], quiet, tracking)
