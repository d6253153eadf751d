"""One training run: fine-tune the text, count the signals, train the ranker; judge it; fit again on everything; save."""

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from training.candidates import fit_signals
from training.checkpoint import CheckpointError, load_checkpoint, read_run, save_checkpoint
from training.config import FusionConfig, TextConfig
from training.evaluate import TextVectors, date_of, judge, rank_by_other, rank_by_source, report_head, summary
from training.history import Interactions, interactions
from training.progress import Progress
from training.ranking import (
    ItemFacts,
    feature_names,
    stack,
    train_ranker,
    training_rows,
)
from training.recommender import Recommender
from training.snapshot import DAY, Snapshot
from training.split import Window, discovery, time_window
from training.text import product_texts

log = logging.getLogger(__name__)

FEWEST_PAIRS = 200
FEWEST_SHOPPERS = 5


class TrainingError(RuntimeError):
    """The data cannot be trained on; the message says what is missing."""


@dataclass(frozen=True)
class Texts(TextVectors):
    """Vectors before and after fine-tuning, with the encoder that makes them."""

    encoder: object
    steps: int
    """Steps after which validation was best; 0: left as it came."""


@dataclass
class Fitted:
    """What a fit leaves: the recommender, and its texts (None without any)."""

    recommender: Recommender
    texts: Texts | None

    @property
    def chosen(self) -> dict[str, int]:
        """What validation chose."""
        return {"text.steps": self.texts.steps if self.texts else 0}


def facts_of(products: pl.DataFrame) -> ItemFacts:
    """Price, brand number and top-category number of each product."""
    price = products["price"].fill_null(float("nan")).cast(pl.Float32).to_numpy()
    brand = products["brand"].replace("", None).rank("dense").cast(pl.Int32).fill_null(0).to_numpy() - 1
    first = products["categories"].list.first().replace("", None)
    category = first.rank("dense").cast(pl.Int32).fill_null(0).to_numpy() - 1
    return ItemFacts(np.where(price > 0, price, np.nan).astype(np.float32), brand.astype(np.int32), category.astype(np.int32))


def window_days(snapshot: Snapshot, config: FusionConfig) -> int:
    """The configured length, or a quarter of the data's time where that is shorter."""
    if not len(snapshot.events):
        raise TrainingError("there are no events to learn from")
    span = (int(snapshot.events.time[-1]) - int(snapshot.events.time[0])) / DAY
    return int(max(1, min(config.window_days, span // (config.ranker_windows + 2))))


def fit_model(
    snapshot: Snapshot, windows: list[Window], final: Interactions, now: int, config: FusionConfig, progress: Progress, texts: Texts | None = None
) -> Fitted:
    """Fit on `windows` (newest first), then count the signals that will serve from `final`, as of `now`.

    Texts are fine-tuned on what the oldest window may see and stopped early on its targets, unless given.
    """
    n_users, n_items = len(snapshot.user_ids), snapshot.n_items
    usable = [w for w in windows if len(w.users) >= FEWEST_SHOPPERS]
    if not usable:
        raise TrainingError(
            f"fewer than {FEWEST_SHOPPERS} shoppers bought both before and within the last {config.window_days} days of the training data: "
            "more events, or a longer time, are needed"
        )
    facts = facts_of(snapshot.products)
    progress.stage("Fine-tuning", 0, f"{len(final):,} interactions, {n_items:,} products")
    texts = texts or fit_texts(snapshot, usable[-1], config, progress)
    vectors = texts.after if texts else None

    parts, signals = [], None
    for i, window in enumerate(usable):
        progress.stage("Candidates", i / len(usable), f"window of {len(window.users):,} shoppers")
        signals = fit_signals(window.fit, n_users, n_items, window.now, config, vectors)
        rows_each = config.most_training_rows // (2 * len(usable))
        asked = [window, discovery(window)] if window.exclude == "nothing" else [window]
        parts += [training_rows(w, signals, facts, config, rows_each) for w in asked]
    rows = stack(parts)
    if not rows.label.any():
        raise TrainingError("none of the products that were bought next could be proposed: the data hold too little repetition to learn from")
    progress.stage("Ranking", 0, f"{len(rows.label):,} candidates, {int(rows.label.sum()):,} of them bought")
    ranker = train_ranker(rows, feature_names(signals, config.use_popularity), config)
    if final is not usable[-1].fit:
        signals = fit_signals(final, n_users, n_items, now, config, vectors)
    return Fitted(Recommender(signals, facts, ranker, config), texts)


def fit_texts(snapshot: Snapshot, window: Window, config: FusionConfig, progress: Progress) -> Texts | None:
    """Fine-tune the encoder on the window's past; keep the weights that were best on its targets. None without texts."""
    texts = product_texts(snapshot.products)
    if not any(texts):
        return None
    import torch

    from training.encoder import FrozenTexts, TextEncoder
    from training.finetune import finetune, history_pairs

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)
    encoder = TextEncoder.load(config.text.encoder, config.text.max_tokens, config.text.frozen_layers).to(device)
    frozen = FrozenTexts(encoder, texts, device)
    before = frozen.vectors()
    pairs = history_pairs(window.fit, snapshot.n_items)
    judge = _TextJudge(window, config)
    best, kept = Texts(before, before, encoder, 0), None
    best_value = judge(before)
    progress.metric("text.ndcg@10", 0, best_value)
    if not config.fine_tune or len(pairs.usable) < FEWEST_PAIRS:
        progress.stage("Fine-tuning", 1, "left as it came: " + ("switched off" if not config.fine_tune else f"only {len(pairs.usable)} pairs"))
        return best
    started, misses = time.monotonic(), 0
    for step, loss in finetune(frozen, pairs, _fitting(config.text, pairs), config.seed):
        vectors = frozen.vectors()
        value = judge(vectors)
        progress.metric("text.loss", step, loss)
        progress.metric("text.ndcg@10", step, value)
        seconds = time.monotonic() - started
        progress.stage(
            "Fine-tuning",
            step / config.text.steps,
            f"step {step}/{config.text.steps} loss {loss:.3f} ndcg@10 {value:.4f} ({step / seconds:.1f} steps/s)",
        )
        if value > best_value:
            best, best_value, misses = Texts(before, vectors, encoder, step), value, 0
            kept = {name: tensor.detach().clone() for name, tensor in encoder.state_dict().items()}
        else:
            misses += 1
            if misses >= config.text.patience:
                break
    if kept is not None:
        encoder.load_state_dict(kept)
    return best


def _fitting(config: TextConfig, pairs) -> TextConfig:
    return replace(config, batch_size=min(config.batch_size, len(pairs.usable)))


class _TextJudge:
    """NDCG@10 of ranking by text alone, on at most 2,000 shoppers of a window, products new to them."""

    def __init__(self, window: Window, config: FusionConfig) -> None:
        question = discovery(window) if window.exclude == "nothing" else window
        if len(question.users) > 2000:
            question = question.only_users(np.sort(np.random.default_rng(config.seed).choice(len(question.users), 2000, replace=False)))
        self.window, self.config = question, config

    def __call__(self, vectors: np.ndarray) -> float:
        scores = rank_by_source(self.window, "text", self.config, vectors=vectors)
        return float(np.nan_to_num(np.nanmean(scores.ndcg()))) if len(self.window.users) else 0.0


def earlier_windows(snapshot: Snapshot, now: int, days: int, config: FusionConfig) -> list[Window]:
    """The `ranker_windows` windows that end at `now`, newest first."""
    cuts = [now - (i + 1) * days * DAY for i in range(max(1, config.ranker_windows))]
    return [time_window(snapshot.events, snapshot.n_items, config.event_weights, cut, days) for cut in cuts]


def judge_run(snapshot: Snapshot, test: Window, fitted: Fitted, champion: Path | None, days: int, progress: Progress) -> dict:
    """The report of a run: `all` and `discovery` on the held-out window, the champion's judged fit beside ours."""
    config = fitted.recommender.config
    report = report_head(snapshot, {"kind": "time", "cut": date_of(test.now), "days": days, "seed": config.seed}, test)
    rival, why_not = _load_champion(champion, test.now)
    report["champion"] = {"compared": rival is not None, "reason": why_not}
    for i, (name, window) in enumerate((("all", test), ("discovery", discovery(test)))):
        progress.stage("Check", 0.1 + 0.45 * i)
        report[name] = judge(window, {"vitrine": fitted.recommender}, fitted.texts, config)
        if rival and len(window.target):
            report[name]["systems"]["champion"] = summary(rank_by_other(window, snapshot.item_ids, *rival))
        for system, measures in report[name]["systems"].items():
            progress.metric(f"{name}.{system}.ndcg@10", 0, measures["ndcg@10"]["value"])
    report["chosen"], report["off"] = fitted.chosen, fitted.recommender.signals.off
    return report


def _load_champion(folder: Path | None, cut: int) -> tuple[tuple[Recommender, list[str]] | None, str]:
    """The champion's judged fit, or None and why it cannot be compared: it must not have learned the days from `cut`."""
    if folder is None:
        return None, "there is no champion"
    try:
        if read_run(folder)["judged_until"] > cut:
            return None, "the champion has already learned some of these days; train with a later last day or a shorter window"
        return load_checkpoint(folder, part="judged"), ""
    except (CheckpointError, KeyError) as error:
        return None, f"the champion cannot be read: {error}"


def refuse_nobody(days: int) -> None:
    raise TrainingError(f"nobody who was known before bought in the last {days} days: nothing to judge by")


def fit(snapshot: Snapshot, out: Path, recipe: str, config: FusionConfig, progress: Progress, champion: Path | None = None) -> dict:
    """The whole run: a judged fit on what came before the last window, its report, then the fit that serves. Returns the report."""
    begun = time.monotonic()
    days = window_days(snapshot, config)
    end = int(snapshot.events.time[-1]) + 1
    cut = end - days * DAY
    progress.stage("Signals", 0, f"judged on the {days} days from {time.strftime('%Y-%m-%d', time.gmtime(cut))}")
    test = time_window(snapshot.events, snapshot.n_items, config.event_weights, cut, days)
    if not len(test.users):
        refuse_nobody(days)
    judged = fit_model(snapshot, earlier_windows(snapshot, cut, days, config), test.fit, cut, config, progress)
    progress.stage("Check", 0)
    report = judge_run(snapshot, test, judged, champion, days, progress)

    progress.within("Refit")
    chosen = replace(
        config,
        text=replace(config.text, steps=max(1, judged.chosen["text.steps"]), patience=1_000_000),
        fine_tune=config.fine_tune and judged.chosen["text.steps"] > 0,
    )
    everything = interactions(snapshot.events, config.event_weights)
    served = fit_model(snapshot, earlier_windows(snapshot, end, days, config), everything, end, chosen, progress)
    report["seconds"] = {"total": round(time.monotonic() - begun, 1)}
    report["served"] = {"until": end, "events": len(snapshot.events), "chosen": served.chosen}
    about = {"snapshot_digest": snapshot.manifest["digest"], "judged_until": cut, "served_until": end}
    encoder = served.texts.encoder if served.texts else None
    save_checkpoint(out, served.recommender, judged.recommender, snapshot.item_ids, encoder, recipe, about, report)
    return report
