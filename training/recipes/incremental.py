"""Recipe `incremental`: continues training the champion's encoder on new events and a replay of old
ones; evaluated on both, and against full training.
"""

import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.configuration.ranking_recipes import IncrementalConfig, RetrievalConfig
from training.data.interactions import Interactions, interactions
from training.data.product_text import product_texts
from training.data.snapshot import DAY, Snapshot
from training.data.splits import Window, discovery, time_window
from training.encoders.bert import TextEncoder
from training.errors import TrainingError, need
from training.evaluation.ranking import date_of, differences, rank_by_source, summary
from training.inference.checkpoint import CheckpointError, read_run
from training.recipes.text_training import Start, Texts, fit_up_to, refreshed, window_before
from training.runs.run import Run

HELD_SHOPPERS = 0.1
"""Share of shoppers whose old events are held out, to measure forgetting."""
VALIDATION_PART = 0.25
"""Share of the new days before the test window that validation uses: the last ones."""


def fit_incremental(run: Run) -> tuple[TextEncoder, np.ndarray, dict]:
    """The encoder that serves, the product vectors (items, dim), and the report on new and old
    data. Raises TrainingError.
    """
    config: IncrementalConfig = run.config
    snapshot = run.snapshot
    need(len(snapshot.events) > 0, "there are no events to learn from")
    champion = _champion(run)
    end = int(snapshot.events.time[-1]) + 1
    learned, cut = _learned_and_cut(run, end)
    days = (end - cut) / DAY
    new, old = _questions(run, cut, days, learned)
    start = Start(champion, origin(run.champion)["encoder_layers"], learned)
    fitted, systems, seconds = _trained(run, start, cut, learned)
    protocol = {
        "kind": "incremental",
        "cut": date_of(cut),
        "days": round(days, 2),
        "learned_until": date_of(learned),
        "replay": config.replay,
    }
    report = run.report_head(protocol) | _judge(run, {"new": new, "old": old}, systems, seconds)
    report["chosen"] = {"text.steps": fitted.steps, "text.projection_steps": fitted.space_steps}
    report["primary"] = {
        "measure": "ndcg@10",
        "system": "incremental",
        "baseline": "champion",
        "part": "new",
        "higher_is_better": True,
    }
    refit = replace(run, progress=run.progress.within("Refit"), keeper=run.keeper.child("refit"))
    production_fit = refreshed(
        refit, fitted, interactions(snapshot.events, config.event_weights), start
    )
    report["about"] = {"judged_until": cut, "served_until": end}
    return production_fit.encoder, production_fit.after, run.finish_report(report)


def _trained(
    run: Run, start: Start, cut: int, learned: int
) -> tuple[Texts, dict[str, np.ndarray], dict[str, float]]:
    """Incremental training on data before `cut`; vectors (items, dim) of each compared system, and
    each training's seconds.
    """
    systems, seconds = {"champion": start.encoder.encode(product_texts(run.snapshot.products))}, {}
    without = _without_held(run, learned)
    inside = replace(run, snapshot=without, keeper=run.keeper.child("judged"))
    known = interactions(without.events.before(cut), run.config.event_weights)
    began = time.monotonic()
    fitted = fit_up_to(
        inside, window_before(inside, cut, (cut - learned) / DAY * VALIDATION_PART), known, start
    )
    need(fitted is not None, "no product has a text, which incremental training learns from")
    seconds["incremental"], systems["incremental"] = time.monotonic() - began, fitted.after
    if run.config.compare_full:
        run.progress.stage("Full retraining", 0)
        began = time.monotonic()
        systems["full"] = _full(run, without, cut, known).after
        seconds["full"] = time.monotonic() - began
    return fitted, systems, seconds


def _champion(run: Run) -> TextEncoder:
    """The champion's encoder, from which training continues."""
    need(
        run.champion is not None,
        "incremental training starts from the champion, and there is none: name its "
        "checkpoint, or train in full first",
    )
    folder = run.champion / "encoder"
    if not folder.exists():
        raise TrainingError(f"champion: {run.champion.name} has no encoder to go on from")
    return TextEncoder.load(str(folder), run.config.text.max_tokens, run.config.text.frozen_layers)


def _learned_and_cut(run: Run, end: int) -> tuple[int, int]:
    """End of the champion's training period, and start of the test window: `window_days`, at most
    half of the new data.

    A champion that does not record its period, or was trained on all data, counts as `new_days`
    old.
    """
    first, days = int(run.snapshot.events.time[0]), _usual_days(run, end)
    try:
        learned_until = origin(run.champion)["encoder_until"]
    except CheckpointError as error:
        raise TrainingError(f"champion: {error}") from None
    if learned_until is not None and first < learned_until < end:
        return learned_until, max(end - days * DAY, learned_until + (end - learned_until) // 2)
    if learned_until is not None and learned_until >= end:
        run.warnings.append(
            "there are no new events since the champion was trained: it has learned the "
            "held-out days, which flatters all that start from it"
        )
    cut = end - days * DAY
    return max(first + 1, cut - run.config.new_days * DAY), cut


def _usual_days(run: Run, end: int) -> int:
    """Configured window length, at most a quarter of the time before `end`."""
    return int(
        max(1, min(run.config.window_days, (end - int(run.snapshot.events.time[0])) / DAY // 4))
    )


def origin(checkpoint: Path) -> dict:
    """Origin of a checkpoint's encoder: end of its training period (seconds, or None), and whether
    layers or only the projection were trained.

    A ranking checkpoint may contain an encoder from another run. Raises CheckpointError.
    """
    run = read_run(checkpoint)
    facts = {
        "encoder_until": run.get("served_until"),
        "encoder_layers": _layers_were_trained(checkpoint),
    }
    return facts | {name: run[name] for name in facts if name in run}


def _layers_were_trained(champion: Path) -> bool:
    """Whether validation selected trained layers for the champion. Where they did not help,
    incremental runs do not try them again.
    """
    try:
        return bool(
            json.loads((champion / "report.json").read_text(encoding="utf-8"))
            .get("chosen", {})
            .get("text.steps", 1)
        )
    except (OSError, ValueError):
        return True


def _held(user_ids: list[str]) -> np.ndarray:
    """(shoppers,) bool: shoppers whose old events are held out; a stable selection."""
    place = [
        int.from_bytes(hashlib.blake2b(u.encode(), digest_size=6).digest()) / 2**48
        for u in user_ids
    ]
    return np.array(place) < HELD_SHOPPERS


def _without_held(run: Run, learned: int):
    events = run.snapshot.events
    hidden = (
        (events.user >= 0) & _held(run.snapshot.user_ids)[events.user] & (events.time < learned)
    )
    return run.snapshot.with_events(events.take(~hidden))


def _questions(run: Run, cut: int, days: float, learned: int) -> tuple[Window, Window]:
    """Test windows. New: all purchases from the cut on. Old: purchases of held-out shoppers before
    the champion's data ended.
    """
    weights, n = run.config.event_weights, run.snapshot.n_items
    new = discovery(time_window(run.snapshot.events, n, weights, cut, days))
    old = discovery(time_window(run.snapshot.events, n, weights, learned - days * DAY, days))
    old = old.only_users(np.flatnonzero(_held(run.snapshot.user_ids)[old.users]))
    need(
        len(new.target) > 0,
        f"no shopper known before bought something new in the last {days:.3g} days: "
        "nothing to evaluate on",
    )
    return new, old


def _full(run: Run, snapshot: Snapshot, cut: int, known: Interactions) -> Texts:
    """Vectors of a full training: recipe `retrieval` with its defaults and this run's encoder
    settings.
    """
    text = RetrievalConfig().text
    text = replace(
        text,
        encoder=run.config.text.encoder,
        max_tokens=run.config.text.max_tokens,
        frozen_layers=run.config.text.frozen_layers,
    )
    full_run = replace(
        run,
        snapshot=snapshot,
        config=replace(run.config, text=text, replay=0.0),
        keeper=run.keeper.child("full"),
    )
    return fit_up_to(full_run, window_before(full_run, cut, _usual_days(run, cut)), known)


def _judge(
    run: Run,
    questions: dict[str, Window],
    systems: dict[str, np.ndarray],
    seconds: dict[str, float],
) -> dict:
    out: dict = {"shares": {}, "seconds": {name: round(s, 1) for name, s in seconds.items()}}
    for part, window in questions.items():
        out[part] = {"systems": {}, "shoppers": len(window.users)}
        if len(window.target):
            ranked = {
                name: rank_by_source(window, "text", run.config, vectors=v)
                for name, v in systems.items()
            }
            out[part]["systems"] = {name: summary(one) for name, one in ranked.items()}
            out[part]["differences"] = differences(ranked, "incremental")
    if "full" in systems:
        for part in questions:
            values = {name: m["ndcg@10"]["value"] for name, m in out[part]["systems"].items()}
            out["shares"][part] = (
                values["incremental"] / values["full"] if values.get("full") else None
            )
        out["shares"]["time"] = seconds["incremental"] / max(seconds["full"], 1e-9)
    return out
