"""Recipe `retrieval`: fine-tunes the text encoder on which product a shopper takes next; also a
part of `fusion`.
"""

from dataclasses import replace

import numpy as np

from training.configuration.fields import ConfigError
from training.data.interactions import interactions
from training.data.product_text import product_texts
from training.data.snapshot import DAY
from training.data.splits import Window, discovery, time_window
from training.encoders.bert import TextEncoder
from training.errors import need
from training.evaluation.ranking import date_of, rank_by_source, summary
from training.inference.checkpoint import CheckpointError, read_run
from training.recipes.text_evaluation import robustness, text_systems
from training.recipes.text_training import fit_texts, fit_up_to, refreshed, window_before
from training.runs.run import NO_CHAMPION, Run, compared


def fit_retrieval(run: Run) -> tuple[TextEncoder, np.ndarray, dict]:
    """Evaluate on the last days, then train on all data: the encoder, the product vectors (items,
    dim), the report. Raises TrainingError.
    """
    snapshot, config = run.snapshot, run.config
    need(len(snapshot.events) > 0, "there are no events to learn from")
    end = int(snapshot.events.time[-1]) + 1
    span = (end - int(snapshot.events.time[0])) / DAY
    days = int(max(1, min(config.window_days, span // 3)))
    cut = end - days * DAY
    test = time_window(snapshot.events, snapshot.n_items, config.event_weights, cut, days)
    need(
        len(test.users) > 0,
        f"no shopper known before bought in the last {days} days: nothing to evaluate on",
    )
    evaluation_fit = fit_up_to(
        replace(run, keeper=run.keeper.child("judged")), window_before(run, cut, days), test.fit
    )
    need(evaluation_fit is not None, "no product has a text, which retrieval learns from")
    run.progress.stage("Check", 0)
    report = run.report_head(
        {
            "kind": "time",
            "cut": date_of(cut),
            "days": days,
            "shoppers": len(test.users),
            "products": int(test.rankable.sum()),
        }
    )
    report |= {
        name: {"systems": text_systems(run, window, evaluation_fit)}
        for name, window in (("all", test), ("discovery", discovery(test)))
    }
    report["champion"] = _judge_champion(
        run, cut, {"all": test, "discovery": discovery(test)}, report
    )
    report["robustness"] = robustness(run, discovery(test), evaluation_fit)
    report["chosen"] = {
        "text.steps": evaluation_fit.steps,
        "text.projection_steps": evaluation_fit.space_steps,
    }
    report["primary"] = {
        "measure": "ndcg@10",
        "system": "text_after",
        "baseline": "text_before",
        "part": "discovery",
        "higher_is_better": True,
    }
    refit = replace(run, progress=run.progress.within("Refit"), keeper=run.keeper.child("refit"))
    production_fit = refreshed(
        refit, evaluation_fit, interactions(snapshot.events, config.event_weights)
    )
    report["about"] = {"judged_until": cut, "served_until": end}
    return production_fit.encoder, production_fit.after, run.finish_report(report)


def try_fields(run: Run) -> None:
    """One trial of the hyperparameter search, on the window before the test window."""
    end = int(run.snapshot.events.time[-1]) + 1 if len(run.snapshot.events) else 0
    days = run.config.window_days
    validation = window_before(run, end - days * DAY, days)
    fit_texts(run, validation.fit, validation)


def _judge_champion(run: Run, cut: int, questions: dict[str, Window], report: dict) -> dict:
    """Metrics of the champion's encoder on the same days, where it was not trained on them."""
    if run.champion is None:
        return compared(NO_CHAMPION)
    try:
        about = read_run(run.champion)
        if about.get("served_until", cut + 1) > cut:
            why = (
                "the champion has already learned some of these days; train with a later last "
                "day or a shorter window"
            )
            return compared(why)
        theirs = TextEncoder.load(str(run.champion / "encoder"), run.config.text.max_tokens).encode(
            product_texts(run.snapshot.products)
        )
    except (CheckpointError, ConfigError) as error:
        return compared(f"the champion cannot be read: {error}")
    for name, window in questions.items():
        if len(window.target):
            report[name]["systems"]["champion"] = summary(
                rank_by_source(window, "text", run.config, vectors=theirs)
            )
    return compared()
