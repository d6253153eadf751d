"""The two protocols by which two engineers get one figure, and a look at an existing checkpoint."""

import resource
from dataclasses import replace
from pathlib import Path

from training.candidates import fit_signals
from training.checkpoint import load_checkpoint, read_run
from training.config import FusionConfig, to_dict
from training.evaluate import baseline_rankings, date_of, judge, rank_by_other, report_head, segments, summary
from training.fit import (
    Fitted,
    TrainingError,
    earlier_windows,
    fit_model,
    refuse_nobody,
)
from training.progress import Progress
from training.recommender import Recommender
from training.snapshot import DAY, Snapshot
from training.split import Window, discovery, leave_last_out, time_window

STAGES = {"Fine-tuning": 0.6, "Candidates": 0.1, "Ranking": 0.15, "Check": 0.15}


def benchmark_time(snapshot: Snapshot, cut: int, days: int, config: FusionConfig, progress: Progress) -> dict:
    """The `time` protocol: trained on events before `cut` only, judged on the `days` from it."""
    known = snapshot.with_events(snapshot.events.before(cut))
    test = time_window(snapshot.events, snapshot.n_items, config.event_weights, cut, days)
    if not len(test.users):
        refuse_nobody(days)
    config = replace(config, window_days=days)
    fitted = fit_model(known, earlier_windows(known, cut, days, config), test.fit, cut, config, progress)
    models = {
        "vitrine": fitted.recommender,
        "vitrine_no_popularity": _without_popularity(known, earlier_windows(known, cut, days, config), test, fitted, config, progress),
    }
    report = report_head(snapshot, {"kind": "time", "cut": date_of(cut), "days": days, "seed": config.seed}, test)
    for i, (name, window) in enumerate((("all", test), ("discovery", discovery(test)))):
        progress.stage("Check", i / 2)
        report[name] = judge(window, models, fitted.texts, config)
    return _finish(report, fitted, config)


def benchmark_leave_last_out(snapshot: Snapshot, config: FusionConfig, progress: Progress) -> dict:
    """The literature's protocol: the last event of each shopper is asked for, the ranker is fitted on the last but one."""
    validation, test = leave_last_out(snapshot.events, snapshot.n_items, config.event_weights)
    if not len(test.users):
        raise TrainingError("no shopper has three events, which leave-last-out needs")
    fitted = fit_model(snapshot, [validation], validation.fit, test.now, config, progress)
    models = {"vitrine": fitted.recommender, "vitrine_no_popularity": _without_popularity(snapshot, [validation], test, fitted, config, progress)}
    report = report_head(snapshot, {"kind": "leave-last-out", "seed": config.seed}, test)
    progress.stage("Check", 0)
    report |= judge(test, models, fitted.texts, config)
    return _finish(report, fitted, config)


def _without_popularity(
    known: Snapshot, windows: list[Window], test: Window, fitted: Fitted, config: FusionConfig, progress: Progress
) -> Recommender:
    """The same model, none of whose features counts a product's raw popularity."""
    return fit_model(known, windows, test.fit, test.now, replace(config, use_popularity=False), progress, texts=fitted.texts).recommender


def _finish(report: dict, fitted: Fitted, config: FusionConfig) -> dict:
    report["chosen"], report["off"], report["config"] = fitted.chosen, fitted.recommender.signals.off, to_dict(config)
    report["peak_memory_mb"] = _peak_memory_mb()
    return report


def evaluate_checkpoint(folder: Path, snapshot: Snapshot, days: int) -> dict:
    """A checkpoint's judged fit on the last `days` of a snapshot, products matched by id; refused where it has learned those days."""
    model, model_ids = load_checkpoint(folder, verify=True, part="judged")
    end = int(snapshot.events.time[-1]) + 1
    window = time_window(snapshot.events, snapshot.n_items, model.config.event_weights, end - days * DAY, days)
    if not len(window.users):
        refuse_nobody(days)
    if read_run(folder)["judged_until"] > window.now:
        raise TrainingError(f"this checkpoint has learned some of the last {days} days; take fewer days or a later snapshot")
    report = report_head(snapshot, {"kind": "checkpoint", "cut": date_of(window.now), "days": days}, window)
    signals = fit_signals(window.fit, len(snapshot.user_ids), snapshot.n_items, window.now, model.config, None)
    for name, question in (("all", window), ("discovery", discovery(window))):
        ranked = baseline_rankings(question, signals, None, model.config)
        ranked["vitrine"] = rank_by_other(question, snapshot.item_ids, model, model_ids)
        report[name] = (
            {"systems": {system: summary(r) for system, r in ranked.items()}, "segments": segments(ranked, signals)}
            if len(question.target)
            else {"systems": {}}
        )
    report["peak_memory_mb"] = _peak_memory_mb()
    return report


def _peak_memory_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
