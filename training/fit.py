"""One training run: a snapshot goes in, the recipe's checkpoint comes out."""

from pathlib import Path

from training.fields import ConfigError
from training.progress import Progress
from training.recipes.run import Run

STAGES = {
    "fusion": {"Signals": 0.04, "Fine-tuning": 0.34, "Candidates": 0.05, "Ranking": 0.08, "Check": 0.09, "Refit": 0.40},
    "retrieval": {"Fine-tuning": 0.6, "Check": 0.05, "Refit": 0.35},
    "incremental": {"Fine-tuning": 0.25, "Full retraining": 0.45, "Refit": 0.30},
    "mlm": {"Fine-tuning": 1.0},
    "distil": {"Fine-tuning": 0.9, "Check": 0.1},
    "search": {"Baselines": 0.2, "Fine-tuning": 0.7, "Check": 0.1},
    **{name: {"Baselines": 0.15, "Fine-tuning": 0.7, "Check": 0.15} for name in ("behaviour", "rating", "sentiment", "topic", "intent")},
}
"""Stages of each recipe, in order, with their usual share of the time."""


def fit(run: Run, out: Path) -> dict:
    """Carry out a run and leave its checkpoint at `out`; returns the report."""
    trials = []
    if run.config.search_minutes:
        from training.recipes.hyper import search_fields

        run.config, trials = search_fields(run, lambda trial: validate(trial))
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


def new_progress(path: Path | None, recipe: str, quiet: bool = False) -> Progress:
    return Progress(path, STAGES[recipe], quiet)
