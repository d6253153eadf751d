"""Benchmarks of a recipe under two protocols, ablations, and the evaluation of a checkpoint."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from training.candidates.sources import LearnedSignals, fit_signals
from training.configuration.fields import to_dict
from training.data.snapshot import DAY, Snapshot
from training.data.splits import Window, discovery, leave_last_out, time_window
from training.errors import TrainingError, need
from training.evaluation.ranking import (
    baseline_rankings,
    date_of,
    judge,
    rank_by_fusion,
    rank_by_other,
    report_head,
    segments,
    summary,
)
from training.inference.checkpoint import load_checkpoint, read_run
from training.inference.recommender import Recommender
from training.ranking.features import PARTS
from training.recipes.fusion import Fitted, earlier_windows, fit_model, require_shoppers
from training.recipes.fusion_parts import TrainedParts
from training.recipes.sequence import fit_sequence
from training.recipes.text_evaluation import text_systems
from training.recipes.text_training import Texts, fit_texts, fit_up_to
from training.runs.run import Run, peak_memory_mb

STAGES = {"Fine-tuning": 0.4, "Sequences": 0.2, "Candidates": 0.1, "Ranking": 0.15, "Check": 0.15}
LANGUAGE = "language"
"""Name of the ablation that leaves out every part made from text."""
ABLATIONS = (*PARTS, LANGUAGE)
RECIPES = ("fusion", "retrieval")
"""Recipes whose models rank products."""


def benchmark_time(run: Run, cut: int, days: int, ablate: Sequence[str] = ()) -> dict:
    """Benchmark under the `time` protocol: train on events before `cut`, evaluate on the next
    `days`.

    ablate: parts to leave out, one fit each. Returns the report. Raises TrainingError without test
    shoppers.
    """
    snapshot = run.snapshot
    known = snapshot.with_events(snapshot.events.before(cut))
    test = time_window(snapshot.events, snapshot.n_items, run.config.event_weights, cut, days)
    if not len(test.users):
        require_shoppers(days)
    run = replace(run, snapshot=known, config=replace(run.config, window_days=days))
    report = report_head(
        snapshot, {"kind": "time", "cut": date_of(cut), "days": days, "seed": run.config.seed}, test
    )
    if run.recipe == "retrieval":
        validation = time_window(
            known.events, known.n_items, run.config.event_weights, cut - days * DAY, days
        )
        return _text_alone(
            run,
            fit_up_to(run, validation, test.fit),
            {"all": test, "discovery": discovery(test)},
            report,
        )
    windows = earlier_windows(known, cut, days, run.config)
    questions = {"all": test, "discovery": discovery(test)}
    fitted = fit_model(run, windows, test.fit, cut)
    models = {
        "vitrine": fitted.recommender,
        "vitrine_no_popularity": _without(run, windows, test, fitted, "popularity"),
    }
    for i, (name, window) in enumerate(questions.items()):
        run.progress.stage("Check", i / 2)
        report[name] = judge(snapshot, window, models, fitted.final_parts.texts)
    report["ablation"] = _ablation(run, windows, questions, fitted, ablate)
    return _finish(report, fitted, run)


def benchmark_leave_last_out(run: Run, ablate: Sequence[str] = ()) -> dict:
    """Benchmark under the leave-last-out protocol of the literature.

    The target is each shopper's last event; the ranker is trained on the last but one. Returns the
    report.

    Raises TrainingError.
    """
    snapshot = run.snapshot
    validation, test = leave_last_out(snapshot.events, snapshot.n_items, run.config.event_weights)
    if not len(test.users):
        raise TrainingError("no shopper has three events, which leave-last-out needs")
    report = report_head(snapshot, {"kind": "leave-last-out", "seed": run.config.seed}, test)
    if run.recipe == "retrieval":
        return _text_alone(run, fit_texts(run, validation.fit, validation), {"": test}, report)
    fitted = fit_model(run, [validation], validation.fit, test.now)
    models = {
        "vitrine": fitted.recommender,
        "vitrine_no_popularity": _without(run, [validation], test, fitted, "popularity"),
    }
    run.progress.stage("Check", 0)
    report |= judge(snapshot, test, models, fitted.final_parts.texts)
    report["ablation"] = _ablation(run, [validation], {"all": test}, fitted, ablate)
    return _finish(report, fitted, run)


def _text_alone(run: Run, texts: Texts | None, questions: dict[str, Window], report: dict) -> dict:
    """Report of the recipe `retrieval` on the given windows."""
    need(texts is not None, "no product has a text, which retrieval learns from")
    run.progress.stage("Check", 0)
    for name, window in questions.items():
        part = {"systems": text_systems(run, window, texts), "segments": {}}
        report |= {name: part} if name else part
    report["chosen"] = {"text.steps": texts.steps, "text.projection_steps": texts.space_steps}
    report["config"], report["peak_memory_mb"] = to_dict(run.config), peak_memory_mb()
    return report


def _without(
    run: Run, windows: list[Window], test: Window, fitted: Fitted, part: str
) -> Recommender:
    """The same configuration without a source or a feature group. Without LANGUAGE, sequences are
    learned from ids alone.
    """
    left_out = run.config.parts_left_out | ({"text"} if part == LANGUAGE else {part})
    without = replace(
        run,
        config=replace(run.config, left_out=",".join(sorted(left_out))),
        keeper=run.keeper.child(part),
    )
    ranker_parts, final_parts = fitted.ranker_parts, fitted.final_parts
    if part == LANGUAGE and "sequence" not in left_out:
        ranker_parts = TrainedParts(None, fit_sequence(without, windows[-1].fit, None, windows[-1]))
        final_parts = (
            ranker_parts
            if test.fit is windows[-1].fit
            else TrainedParts(
                None, fit_sequence(without, test.fit, None, None, ranker_parts.sequence.steps)
            )
        )
    return fit_model(without, windows, test.fit, test.now, ranker_parts, final_parts).recommender


def _ablation(
    run: Run,
    windows: list[Window],
    questions: dict[str, Window],
    fitted: Fitted,
    parts: Sequence[str],
) -> dict:
    """Measures of a fit without each part, keyed by part. Measures of further windows stand under
    their names.
    """
    metrics = {}
    for part in parts:
        run.progress.stage("Check", message=f"without {part}")
        model = _without(run, windows, next(iter(questions.values())), fitted, part)
        measures = {
            name: summary(rank_by_fusion(window, model)) for name, window in questions.items()
        }
        metrics[part] = measures.pop("all") | measures
    return metrics


def _finish(report: dict, fitted: Fitted, run: Run) -> dict:
    report["chosen"], report["off"], report["config"] = (
        fitted.ranker_parts.chosen,
        fitted.recommender.signals.off,
        to_dict(run.config),
    )
    report["new_products"] = asdict(fitted.boost)
    report["peak_memory_mb"] = peak_memory_mb()
    return report


def evaluate_checkpoint(folder: Path, snapshot: Snapshot, days: int) -> dict:
    """Evaluate a checkpoint's evaluation fit on the last `days` of a snapshot.

    Products are matched by id. Raises TrainingError where the fit was trained on those days.
    """
    model, model_ids = load_checkpoint(folder, verify=True, part="judged")
    end = int(snapshot.events.time[-1]) + 1
    window = time_window(
        snapshot.events, snapshot.n_items, model.config.event_weights, end - days * DAY, days
    )
    if not len(window.users):
        require_shoppers(days)
    if read_run(folder)["judged_until"] > window.now:
        raise TrainingError(
            f"this checkpoint has learned some of the last {days} days; take fewer days or "
            "a later snapshot"
        )
    report = report_head(
        snapshot, {"kind": "checkpoint", "cut": date_of(window.now), "days": days}, window
    )
    signals = fit_signals(
        window.fit,
        len(snapshot.user_ids),
        snapshot.n_items,
        window.now,
        model.config,
        LearnedSignals(),
    )
    for name, question in (("all", window), ("discovery", discovery(window))):
        ranked = baseline_rankings(question, signals, None, model.config)
        ranked["vitrine"] = rank_by_other(question, snapshot.item_ids, model, model_ids)
        sold = signals.popularity.column("sold")
        systems = {system: summary(r) for system, r in ranked.items()}
        report[name] = (
            {"systems": systems, "segments": segments(ranked, snapshot, sold)}
            if len(question.target)
            else {"systems": {}}
        )
    report["peak_memory_mb"] = peak_memory_mb()
    return report
