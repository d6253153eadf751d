"""One training run: from a snapshot to the checkpoint of a recipe."""

import tempfile
from pathlib import Path

from training.configuration.fields import ConfigError
from training.configuration.recipe import ENCODER, RANKING, SEARCH, resolve
from training.configuration.recipes import RECIPES
from training.finetuning.devices import is_main_process, number_of_processes
from training.runs.experiment_tracking import Tracking
from training.runs.progress import Progress
from training.runs.run import Run


def fit(run: Run, out: Path) -> dict:
    """Train a recipe and write its checkpoint folder `out`. Returns the report.

    Raises TrainingError where the data do not suffice, CheckpointError where the disk is full.
    """
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
        # Every process has the whole result; the main one keeps it.
        with tempfile.TemporaryDirectory() as scratch:
            return _carry_out(run, Path(scratch) / "out", trials)
    report = _carry_out(run, out, trials)
    run.keeper.clear()
    return report


def validate(run: Run) -> None:
    """Train once and evaluate on validation data: one trial of the hyperparameter search.

    `run.trial` receives each validation measure. Test data are not read. Raises ConfigError for a
    recipe without a search.
    """
    trial = RECIPES[run.recipe].trial
    if not trial:
        raise ConfigError(f"search_minutes: the recipe {run.recipe} has no search over its fields")
    resolve(trial)(run)


def _carry_out(run: Run, out: Path, trials: list[dict]) -> dict:
    """Train as the recipe declares and write its checkpoint. Returns the report."""
    recipe = RECIPES[run.recipe]
    train = resolve(recipe.fit)
    if recipe.checkpoint == RANKING:
        return train(run, out, trials)
    from training.recipes import text_checkpoints

    if recipe.checkpoint == ENCODER:
        encoder, vectors, report = train(run)
        text_checkpoints.save_encoder(run, out, encoder, report | {"trials": trials}, vectors)
    elif recipe.checkpoint == SEARCH:
        fitted, report = train(run)
        text_checkpoints.save_search(run, out, fitted, report | {"trials": trials})
    else:
        fitted, report, more = train(run)
        text_checkpoints.save_head(run, out, fitted, report | {"trials": trials}, more)
    return report


def new_progress(
    path: Path | None, recipe: str, quiet: bool = False, config: dict | None = None
) -> Progress:
    """A progress writer for this file, with TensorBoard files in the same folder."""
    tracking = Tracking(path.parent, f"{recipe} {path.parent.name}", config) if path else None
    return Progress(path, RECIPES[recipe].stages, quiet, tracking)
