"""Recipe `fusion`: fine-tune the text encoder, count signals, train the ranker, evaluate, fit again
on all data, save.
"""

import logging
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl

from training.candidates.sources import LearnedSignals, Signals, fit_signals
from training.configuration.ranking_recipes import FusionConfig
from training.data.interactions import Interactions, interactions
from training.data.product_text import product_texts
from training.data.snapshot import DAY, Snapshot
from training.data.splits import Window, discovery, time_window
from training.errors import TrainingError
from training.evaluation.fairness import fairness
from training.evaluation.ranking import date_of, judge, rank_by_other, report_head
from training.inference.checkpoint import (
    CheckpointError,
    load_checkpoint,
    read_run,
    save_checkpoint,
)
from training.inference.recommender import Recommender
from training.ranking.features import ItemFacts, check_parts, feature_names
from training.ranking.new_product_boost import NewProductBoost, choose_boost
from training.ranking.ranker import TrainingRows, stack, train_ranker, training_rows
from training.recipes.fusion_parts import (
    TrainedParts,
    learn_parts,
    origin_of_encoder,
    parts_with_encoder,
    pretrained_start,
    refit_parts,
)
from training.recipes.text_training import Start
from training.runs.run import NO_CHAMPION, Run, compared

log = logging.getLogger(__name__)

FEWEST_SHOPPERS = 5


@dataclass
class Fitted:
    """Result of a fit: the recommender, the parts of the ranker's windows, the parts of its final
    data, and the boost of new products.
    """

    recommender: Recommender
    ranker_parts: TrainedParts
    final_parts: TrainedParts
    boost: NewProductBoost


def facts_of(products: pl.DataFrame) -> ItemFacts:
    """Product attributes for ranking features: price, brand and top category, as numbers."""
    price = products["price"].fill_null(float("nan")).cast(pl.Float32).to_numpy()
    brand = (
        products["brand"].replace("", None).rank("dense").cast(pl.Int32).fill_null(0).to_numpy() - 1
    )
    first = products["categories"].list.first().replace("", None)
    category = first.rank("dense").cast(pl.Int32).fill_null(0).to_numpy() - 1
    return ItemFacts(
        np.where(price > 0, price, np.nan).astype(np.float32),
        brand.astype(np.int32),
        category.astype(np.int32),
    )


def window_days(snapshot: Snapshot, config: FusionConfig) -> int:
    """Configured window length, at most a quarter of the period of the data. Raises
    TrainingError.
    """
    if not len(snapshot.events):
        raise TrainingError("there are no events to learn from")
    span = (int(snapshot.events.time[-1]) - int(snapshot.events.time[0])) / DAY
    return int(max(1, min(config.window_days, span // (config.ranker_windows + 2))))


def fit_model(
    run: Run,
    windows: list[Window],
    final: Interactions,
    now: int,
    ranker_parts: TrainedParts | None = None,
    final_parts: TrainedParts | None = None,
    chosen: dict[str, int] | None = None,
    boost: NewProductBoost | None = None,
) -> Fitted:
    """Fit the ranker on `windows` (newest first) and the candidate sources on `final`, as of `now`.

    Parts are trained on the data before the oldest window and stopped early on its targets, or
    after the given `chosen` steps. The final parts are trained for as many steps on `final`.
    `ranker_parts`, `final_parts` and `boost` are used where they are given.

    Raises TrainingError.
    """
    snapshot, config, progress = run.snapshot, run.config, run.progress
    check_parts(config)
    usable = [w for w in windows if len(w.users) >= FEWEST_SHOPPERS]
    if not usable:
        raise TrainingError(
            f"fewer than {FEWEST_SHOPPERS} shoppers bought both before and within the last "
            f"{config.window_days} days of the training data: "
            "more events, or a longer time, are needed"
        )
    progress.stage("Fine-tuning", 0, f"{len(final):,} interactions, {snapshot.n_items:,} products")
    oldest, start = usable[-1], Start() if ranker_parts and final_parts else pretrained_start(run)
    ranker_parts = ranker_parts or learn_parts(run, oldest.fit, oldest, start, chosen)
    final_parts = final_parts or (
        ranker_parts if final is oldest.fit else refit_parts(run, ranker_parts, final, start)
    )
    facts = facts_of(snapshot.products)
    questions, signals = ranker_questions(run, usable, ranker_parts.learnt, facts)
    names = feature_names(signals, config)
    ranker = fit_ranker(run, questions, names)
    boost = boost or choose_boost(questions, names, config)
    if final is not oldest.fit:
        signals = fit_signals(
            final, len(snapshot.user_ids), snapshot.n_items, now, config, final_parts.learnt
        )
    return Fitted(
        Recommender(signals, facts, ranker, config, boost.value), ranker_parts, final_parts, boost
    )


def ranker_questions(
    run: Run, windows: list[Window], learnt: LearnedSignals, facts: ItemFacts
) -> tuple[list[TrainingRows], Signals]:
    """Candidates of each window for the ranker's training, and the signals of the oldest window."""
    snapshot, config, progress = run.snapshot, run.config, run.progress
    parts, signals = [], None
    for i, window in enumerate(windows):
        signals = fit_signals(
            window.fit, len(snapshot.user_ids), snapshot.n_items, window.now, config, learnt
        )
        questions = [window, discovery(window)] if window.exclude == "nothing" else [window]
        for j, question in enumerate(questions):
            begin = (i + j / len(questions)) / len(windows)
            progress.stage("Candidates", begin, f"window of {len(question.users):,} shoppers")
            seen = partial(_candidates_seen, run, begin, 1 / (len(questions) * len(windows)))
            parts.append(
                training_rows(
                    question,
                    signals,
                    facts,
                    config,
                    config.most_training_rows // (2 * len(windows)),
                    seen,
                )
            )
    return parts, signals


def fit_ranker(run: Run, questions: list[TrainingRows], names: list[str]) -> lgb.Booster:
    """Raises TrainingError."""
    rows = stack(questions)
    if not rows.label.any():
        raise TrainingError(
            "none of the products that were bought next could be proposed: the data hold "
            "too little repetition to learn from"
        )
    run.progress.stage(
        "Ranking", 0, f"{len(rows.label):,} candidates, {int(rows.label.sum()):,} of them bought"
    )
    return train_ranker(rows, names, run.config)


def _candidates_seen(run: Run, begin: float, share: float, part: float) -> None:
    run.progress.stage("Candidates", begin + share * part)


def earlier_windows(snapshot: Snapshot, now: int, days: int, config: FusionConfig) -> list[Window]:
    """The `ranker_windows` windows that end at `now` and before, newest first."""
    cuts = [now - (i + 1) * days * DAY for i in range(max(1, config.ranker_windows))]
    return [
        time_window(snapshot.events, snapshot.n_items, config.event_weights, cut, days)
        for cut in cuts
    ]


def evaluate_run(run: Run, test: Window, fitted: Fitted, days: int) -> dict:
    """Report of a run: `all` and `discovery` on the test window, for this fit and the champion's
    evaluation fit.
    """
    snapshot, progress, champion = run.snapshot, run.progress, run.champion
    config = fitted.recommender.config
    report = report_head(
        snapshot,
        {"kind": "time", "cut": date_of(test.now), "days": days, "seed": config.seed},
        test,
    )
    rival, why_not = _load_champion(champion, test.now)
    report["champion"] = compared(why_not)
    for i, (name, window) in enumerate((("all", test), ("discovery", discovery(test)))):
        progress.stage("Check", 0.1 + 0.45 * i)
        others = (
            {"champion": rank_by_other(window, snapshot.item_ids, *rival)}
            if rival and len(window.target)
            else {}
        )
        report[name] = judge(
            snapshot, window, {"vitrine": fitted.recommender}, fitted.final_parts.texts, others
        )
        for system, measures in report[name]["systems"].items():
            progress.metric(f"{name}.{system}.ndcg@10", 0, measures["ndcg@10"]["value"])
    report["fairness"] = fairness(snapshot, test, fitted.recommender)
    report["primary"] = {
        "measure": "ndcg@10",
        "system": "vitrine",
        "baseline": "popularity_30d",
        "also": ["popularity"],
        "part": "all",
        "higher_is_better": True,
    }
    report["chosen"], report["off"], report["new_products"] = (
        fitted.ranker_parts.chosen,
        fitted.recommender.signals.off,
        asdict(fitted.boost),
    )
    return report


def _load_champion(
    folder: Path | None, cut: int
) -> tuple[tuple[Recommender, list[str]] | None, str]:
    """The champion's evaluation fit; or None and the reason: it must not have been trained on the
    days from `cut`.
    """
    if folder is None:
        return None, NO_CHAMPION
    try:
        if read_run(folder)["judged_until"] > cut:
            return (
                None,
                (
                    "the champion has already learned some of these days; train with a later "
                    "last day or a shorter window"
                ),
            )
        return load_checkpoint(folder, part="judged"), ""
    except (CheckpointError, KeyError) as error:
        return None, f"the champion cannot be read: {error}"


def require_shoppers(days: int) -> None:
    """Raises TrainingError: the test window has no shoppers."""
    raise TrainingError(
        f"no shopper known before bought in the last {days} days: nothing to evaluate on"
    )


def fit_fusion(run: Run, out: Path, trials: list[dict]) -> dict:
    """The complete run: the evaluation fit on the data before the test window, its report, then the
    production fit on all data. Returns the report.

    Raises TrainingError where the data do not suffice.
    """
    snapshot, config, progress = run.snapshot, run.config, run.progress
    days = window_days(snapshot, config)
    end = int(snapshot.events.time[-1]) + 1
    cut = end - days * DAY
    progress.stage(
        "Signals",
        0,
        f"evaluated on the {days} days from {time.strftime('%Y-%m-%d', time.gmtime(cut))}",
    )
    test = time_window(snapshot.events, snapshot.n_items, config.event_weights, cut, days)
    if not len(test.users):
        require_shoppers(days)
    evaluation_fit = fit_model(
        replace(run, keeper=run.keeper.child("judged")),
        earlier_windows(snapshot, cut, days, config),
        test.fit,
        cut,
    )
    progress.stage("Check", 0)
    report = evaluate_run(run, test, evaluation_fit, days)

    refit = replace(run, progress=progress.within("Refit"), keeper=run.keeper.child("refit"))
    everything = interactions(snapshot.events, config.event_weights)
    # The evaluation fit's final data end before the last window, as the production fit's first
    # parts do, unless the ranker has several windows.
    known = evaluation_fit.final_parts if config.ranker_windows == 1 else None
    given = (
        parts_with_encoder(refit, evaluation_fit.ranker_parts, everything)
        if config.served_encoder
        else None
    )
    windows = earlier_windows(snapshot, end, days, config)
    production_fit = fit_model(
        refit,
        windows,
        everything,
        end,
        known,
        given,
        evaluation_fit.ranker_parts.chosen,
        evaluation_fit.boost,
    )
    report["served"] = {
        "until": end,
        "events": len(snapshot.events),
        "chosen": production_fit.ranker_parts.chosen,
        "encoder": config.served_encoder,
    }
    report["trials"] = trials
    run.finish_report(report)
    about = {
        "snapshot_digest": snapshot.manifest["digest"],
        "judged_until": cut,
        "served_until": end,
    } | origin_of_encoder(config.served_encoder)
    encoder = production_fit.final_parts.texts.encoder if production_fit.final_parts.texts else None
    save_checkpoint(
        out,
        production_fit.recommender,
        evaluation_fit.recommender,
        snapshot.item_ids,
        encoder,
        run.recipe,
        about,
        report,
        config.onnx,
        product_texts(snapshot.products),
    )
    return report
