"""Recipe `retrieval`: fine-tunes the text encoder on which product a shopper takes next; also a
part of `fusion`.
"""

import copy
from dataclasses import dataclass, replace

import numpy as np

from training.candidates import covisitation
from training.candidates.sources import Signals
from training.configuration.fields import ConfigError
from training.data.interactions import Interactions, interactions
from training.data.product_text import product_texts
from training.data.snapshot import DAY
from training.data.splits import Window, discovery, time_window
from training.encoders.bert import TextEncoder
from training.errors import need
from training.evaluation.ranking import TextVectors, date_of, rank_by_source, summary
from training.finetuning.augmentation import DISTURBANCES, disturbed, make_augment
from training.finetuning.loop import Outcome, device, train, train_several
from training.finetuning.methods import NoTuning, TuningMethod
from training.finetuning.pairs import (
    PairTask,
    Source,
    SpaceTask,
    history_pairs,
    pooled_vectors,
    projected,
)
from training.finetuning.text_store import TextStore
from training.inference.checkpoint import CheckpointError, read_run
from training.runs.run import NO_CHAMPION, Run, compared, load_encoder, steps_for

FEWEST_PAIRS = 200
MOST_JUDGED = 10_000
JUDGED_CELLS = 150_000_000
"""Maximum shoppers × products ranked per evaluation."""
SPACE_BATCH, SPACE_LOOK, SPACE_PART, SPACE_ANCHORS = 1024, 50, 0.1, 4


@dataclass(frozen=True)
class Texts(TextVectors):
    """Product vectors before and after fine-tuning, and the encoder."""

    encoder: TextEncoder
    steps: int
    """Training step with the best validation value; 0: not trained."""
    space_steps: int = 0
    """The same of the projection."""
    outcome: Outcome | None = None
    pooled: np.ndarray | None = None
    """(items, dim) vectors of the initial encoder, before the projection."""


@dataclass(frozen=True)
class Start:
    """Starting point of fine-tuning."""

    encoder: TextEncoder | None = None
    """Replaces the configured encoder. A copy of it is trained."""
    layers: bool = True
    """Train the encoder's layers; otherwise only the projection."""
    since: int | None = None
    """Events before it (seconds) are replayed with at least the configured share of the pairs."""
    pooled: np.ndarray | None = None
    """Vectors before the projection, where an earlier fit computed them."""


def judged_question(window: Window, config) -> Window:
    """Validation window: products new to the shopper, at most MOST_JUDGED shoppers, fewer with many
    products.
    """
    question = discovery(window) if window.exclude == "nothing" else window
    most = max(1, min(MOST_JUDGED, JUDGED_CELLS // max(1, window.n_items)))
    if len(question.users) <= most:
        return question
    return question.only_users(
        np.sort(np.random.default_rng(config.seed).choice(len(question.users), most, replace=False))
    )


class TextJudge:
    """NDCG@10 of ranking by text, on products new to the shopper."""

    def __init__(self, window: Window, config) -> None:
        self.window, self.config = judged_question(window, config), config

    def __call__(self, vectors: np.ndarray) -> float:
        scores = rank_by_source(self.window, "text", self.config, vectors=vectors)
        return float(np.nan_to_num(np.nanmean(scores.ndcg()))) if len(self.window.target) else 0.0


def fit_texts(
    run: Run,
    known: Interactions,
    validation: Window | None,
    fixed: tuple[int, int] | None = None,
    start: Start | None = None,
) -> Texts | None:
    """Fine-tune the encoder and keep the weights with the best validation value. None without
    texts.

    fixed: (steps, projection steps) of an earlier fit: train exactly as long, without validation
    start: starting point; default: the configured encoder, with layers and projection trained
    """
    config, start = run.config, start or Start()
    texts = product_texts(run.snapshot.products)
    if not any(texts):
        return None
    encoder = (
        copy.deepcopy(start.encoder)
        if start.encoder
        else load_encoder(config.text, config.seed, run, texts)
    )
    where = device()
    encoder.to(where)
    store = TextStore(
        encoder, texts, where, run.cache, tell=run.reading("Fine-tuning", SPACE_PART / 2)
    )
    pooled = pooled_vectors(store) if start.pooled is None else start.pooled
    before = projected(encoder, pooled)
    pairs = history_pairs(known, run.snapshot.n_items)
    judge = TextJudge(validation, config) if validation else None
    if (
        len(pairs.usable) < FEWEST_PAIRS
        or not getattr(config, "fine_tune", True)
        or fixed == (0, 0)
    ):
        why = (
            f"only {len(pairs.usable)} pairs"
            if len(pairs.usable) < FEWEST_PAIRS
            else "switched off"
        )
        run.progress.stage("Fine-tuning", 1, f"left as it came: {why}")
        if judge:
            run.progress.metric("text.ndcg@10", 0, judge(before))
        return Texts(before, before, encoder, 0)
    drawn = Source(pairs, half_life(run), start.since, getattr(config, "replay", 0.0))
    space_steps = _fit_space(run, store, drawn, judge, fixed, pooled)
    # a long search for a matrix that placed texts no better: the layers below, whose steps are many
    # times as dear, are left as they come
    hopeless = (
        judge is not None
        and start.encoder is None
        and config.text.projection_steps >= SPACE_LOOK
        and not space_steps
    )
    outcome = (
        _fit_encoder(run, store, drawn, judge, fixed) if start.layers and not hopeless else None
    )
    steps = outcome.best_step if outcome else 0
    return Texts(
        before,
        store.vectors() if outcome else projected(encoder, pooled),
        encoder,
        steps,
        space_steps,
        outcome,
        pooled,
    )


def fit_up_to(
    run: Run, validation: Window, known: Interactions, start: Start | None = None
) -> Texts | None:
    """Encoder for a later window: validation selects the steps, then training repeats on all data
    before the window.

    The validation days are the most recent data. Targets of the window are not read.
    """
    chosen = fit_texts(run, validation.fit, validation, start=start)
    return refreshed(run, chosen, known, start)


def refreshed(
    run: Run, chosen: Texts | None, known: Interactions, start: Start | None = None
) -> Texts | None:
    """Repeat a training with the selected number of steps on more interactions."""
    if chosen is None or not (chosen.steps or chosen.space_steps):
        return chosen
    start = replace(start or Start(), pooled=chosen.pooled)
    return fit_texts(
        replace(run, keeper=run.keeper.child("anew")),
        known,
        None,
        (chosen.steps, chosen.space_steps),
        start,
    )


def half_life(run: Run) -> float:
    """Half-life in days; 0 where the snapshot has an order but no dates."""
    return (
        run.config.text.pair_half_life_days
        if run.snapshot.manifest.get("clock", "real") == "real"
        else 0.0
    )


def _fit_space(
    run: Run,
    store: TextStore,
    source: Source,
    judge: TextJudge | None,
    fixed: tuple[int, int] | None,
    pooled: np.ndarray,
) -> int:
    """Train the projection first (Kumar et al. 2022 also train the last layer first). Returns its
    best step.
    """
    config = run.config.text
    steps = fixed[1] if fixed else config.projection_steps
    encoder = store.encoder
    if not steps:
        return 0
    if encoder.projection is None:
        encoder.add_projection().to(store.device)
    encoder.bert.requires_grad_(False)
    chosen = replace(
        config,
        steps=steps,
        batch_size=min(SPACE_BATCH, len(source.pairs.usable)),
        evaluate_every=min(SPACE_LOOK, steps),
        weight_decay=0.0,
        hard_negatives=0,
        adversarial=0.0,
        anchors=SPACE_ANCHORS * config.anchors,
        accumulate=1,
        train="all",
    )
    task = SpaceTask(store, source, chosen, judge, pooled=pooled)
    tuned = NoTuning(encoder)
    look = run.look("Fine-tuning", steps, "ndcg@10", "projection", 0.0, SPACE_PART)
    keeper = run.keeper.child("projection")
    outcome = train(task, tuned, chosen, run.config.seed, keeper, look, keep_last=bool(fixed))
    encoder.freeze(config.frozen_layers)
    found = "" if fixed else f", ndcg@10 {outcome.before:.4f} -> {outcome.best:.4f}"
    run.progress.stage("Fine-tuning", SPACE_PART, f"projection: {outcome.best_step} steps{found}")
    return outcome.best_step


def _fit_encoder(
    run: Run, store: TextStore, source: Source, judge: TextJudge | None, fixed
) -> Outcome | None:
    config = steps_for(run.config.text, len(source.pairs.usable))
    if fixed:
        if not fixed[0]:
            return None
        config = replace(config, steps=fixed[0])
    tuned = TuningMethod(store.encoder, config)
    config = replace(config, head_learning_rate=config.learning_rate)
    task = PairTask(store, source, config, judge, make_augment(config, store.encoder))
    look = run.look("Fine-tuning", config.steps, "ndcg@10", begin=SPACE_PART)
    outcome, _ = train_several(
        task, tuned, config, run.config.seed, run.keeper.child("text"), look, keep_last=bool(fixed)
    )
    tuned.finish()
    return outcome


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
        f"nobody who was known before bought in the last {days} days: nothing to judge by",
    )
    judged = fit_up_to(
        replace(run, keeper=run.keeper.child("judged")), window_before(run, cut, days), test.fit
    )
    need(judged is not None, "no product has a text, which retrieval learns from")
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
        name: {"systems": text_systems(run, window, judged)}
        for name, window in (("all", test), ("discovery", discovery(test)))
    }
    report["champion"] = _judge_champion(
        run, cut, {"all": test, "discovery": discovery(test)}, report
    )
    report["robustness"] = robustness(run, discovery(test), judged)
    report["chosen"] = {"text.steps": judged.steps, "text.projection_steps": judged.space_steps}
    report["primary"] = {
        "measure": "ndcg@10",
        "system": "text_after",
        "baseline": "text_before",
        "part": "discovery",
        "higher_is_better": True,
    }
    refit = replace(run, progress=run.progress.within("Refit"), keeper=run.keeper.child("refit"))
    served = refreshed(refit, judged, interactions(snapshot.events, config.event_weights))
    report["about"] = {"judged_until": cut, "served_until": end}
    return served.encoder, served.after, run.finish_report(report)


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


def window_before(run: Run, moment: int, days: float) -> Window:
    return time_window(
        run.snapshot.events,
        run.snapshot.n_items,
        run.config.event_weights,
        moment - days * DAY,
        days,
    )


def text_systems(run: Run, window: Window, texts: TextVectors) -> dict:
    """Metrics of text before and after fine-tuning, popularity and item-kNN, on one window."""
    if not len(window.target):
        return {}
    config, n = run.config, run.snapshot.n_items
    known = window.fit
    similar = covisitation.similar(
        known, len(run.snapshot.user_ids), n, config.neighbours, window.now, config.half_life_days
    )
    signals = Signals(
        {"similar": similar},
        covisitation.popularity(known, n, window.now),
        None,
        config.half_life_days,
    )
    ranked = {
        name: rank_by_source(window, source, config, signals)
        for name, source in (
            ("popularity", "sold"),
            ("popularity_30d", "sold_30"),
            ("item_knn", "similar"),
        )
    }
    ranked |= {
        name: rank_by_source(window, "text", config, vectors=v)
        for name, v in (("text_before", texts.before), ("text_after", texts.after))
    }
    return {name: summary(found) for name, found in ranked.items()}


def robustness(run: Run, window: Window, texts: Texts) -> dict:
    """NDCG@10 of ranking by text when product texts have typing errors, dropped words, or
    capitals.
    """
    if not len(window.target):
        return {}
    written = product_texts(run.snapshot.products)
    out = {}
    for kind in ("as_written", *DISTURBANCES):
        vectors = (
            texts.after
            if kind == "as_written"
            else texts.encoder.encode(disturbed(written, kind, run.config.seed))
        )
        out[kind] = {
            "ndcg@10": float(
                np.nan_to_num(
                    np.nanmean(rank_by_source(window, "text", run.config, vectors=vectors).ndcg())
                )
            )
        }
    return out
