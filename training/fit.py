"""One training run: a snapshot goes in, the recipe's checkpoint comes out."""

import tempfile
from pathlib import Path

from training.fields import ConfigError
from training.finetune import is_main_process, number_of_processes
from training.progress import STAGES, Progress
from training.recipes.run import Run
from training.tracking import Tracking


def fit(run: Run, out: Path) -> dict:
    """Carry out a run and leave its checkpoint at `out`; returns the report."""
    trials = []
    if run.config.text.shard_weights and run.config.text.train == "adalora":
        raise ConfigError("text.shard_weights: adalora moves rank between whole matrices, which spread ones are not")
    if run.config.search_minutes and number_of_processes() > 1:
        raise ConfigError("search_minutes: search with one process; then train with several")
    if run.config.search_minutes:
        from training.recipes.hyper import search_fields

        run.config, trials = search_fields(run, lambda trial: validate(trial))
    if not is_main_process():
        with tempfile.TemporaryDirectory() as scratch:  # every process has the whole result; the first one keeps it
            return _RECIPES[run.recipe](run, Path(scratch) / "out", trials)
    report = _RECIPES[run.recipe](run, out, trials)
    run.keeper.clear()
    return report


def validate(run: Run) -> None:
    """Train once and validate, as a trial of the search over fields; `run.trial` is told each look. The test data are not looked at."""
    from training.recipes import behaviour, labels, mlm, retrieval, search

    trials = {
        "fusion": retrieval.try_fields,
        "retrieval": retrieval.try_fields,
        "mlm": mlm.fit_mlm,
        "search": search.try_fields,
        "behaviour": behaviour.try_fields,
    }
    trials |= dict.fromkeys(("rating", "sentiment", "topic", "intent"), labels.try_fields)
    if run.recipe not in trials:
        raise ConfigError(f"search_minutes: the recipe {run.recipe} has no search over its fields")
    trials[run.recipe](run)


def _fit_fusion(run: Run, out: Path, trials: list[dict]) -> dict:
    from training.recipes.fusion import fit_fusion

    return fit_fusion(run, out, trials)


def _fit_encoder(run: Run, out: Path, trials: list[dict]) -> dict:
    from training.recipes import distil, incremental, mlm, retrieval, saving, search

    fits = {
        "mlm": mlm.fit_mlm,
        "retrieval": retrieval.fit_retrieval,
        "incremental": incremental.fit_incremental,
        "search": search.fit_search,
        "distil": distil.fit_distil,
    }
    encoder, vectors, report = fits[run.recipe](run)
    saving.save_encoder(run, out, encoder, report | {"trials": trials}, vectors)
    return report


def _fit_head(run: Run, out: Path, trials: list[dict]) -> dict:
    from training.recipes import behaviour, labels, saving

    fitted, report, more = behaviour.fit_behaviour(run) if run.recipe == "behaviour" else (*labels.fit_labels(run, labels.recipe_rows(run)), {})
    saving.save_head(run, out, fitted, report | {"trials": trials}, more)
    return report


_RECIPES = {
    "fusion": _fit_fusion, **dict.fromkeys(("mlm", "retrieval", "incremental", "search", "distil"), _fit_encoder),
    **dict.fromkeys(("behaviour", "rating", "sentiment", "topic", "intent"), _fit_head),
}  # fmt: skip


def new_progress(path: Path | None, recipe: str, quiet: bool = False, config: dict | None = None) -> Progress:
    """Progress into this file, with TensorBoard's files beside it."""
    tracking = Tracking(path.parent, f"{recipe} {path.parent.name}", config) if path else None
    return Progress(path, STAGES[recipe], quiet, tracking)
