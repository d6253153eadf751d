"""Fine-tuning of the text encoder on events, for `retrieval`, `fusion` and `incremental`."""

import copy
from dataclasses import dataclass, replace

import numpy as np

from training.data.interactions import Interactions
from training.data.product_text import product_texts
from training.data.snapshot import DAY
from training.data.splits import Window, discovery, time_window
from training.encoders.bert import TextEncoder
from training.evaluation.ranking import TextVectors, rank_by_source
from training.finetuning.augmentation import make_augment
from training.finetuning.devices import device
from training.finetuning.loop import Outcome, train, train_several
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
from training.runs.run import Run, load_encoder, steps_for

FEWEST_PAIRS = 200
MOST_JUDGED = 10_000
JUDGED_CELLS = 150_000_000
"""Maximum shoppers × products ranked per evaluation."""
SPACE_BATCH, SPACE_LOOK, SPACE_PART, SPACE_ANCHORS = 1024, 50, 0.1, 4


@dataclass(frozen=True)
class Texts(TextVectors):
    """Result of text training: product vectors before and after fine-tuning, and the encoder."""

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
    """How fine-tuning of the text starts: from which encoder, with which layers trained, and from
    when events count as new.
    """

    encoder: TextEncoder | None = None
    """Replaces the configured encoder. A copy of it is trained."""
    layers: bool = True
    """Train the encoder's layers; otherwise only the projection."""
    since: int | None = None
    """Events before it (seconds) are replayed with at least the configured share of the pairs."""
    pooled: np.ndarray | None = None
    """Vectors before the projection, where an earlier fit computed them."""


def judged_question(window: Window, config) -> Window:
    """The window for validation: targets new to the shopper, a sample of at most MOST_JUDGED
    shoppers; fewer in a large catalog, so that shoppers x products stay within JUDGED_CELLS.
    """
    question = discovery(window) if window.exclude == "nothing" else window
    most = max(1, min(MOST_JUDGED, JUDGED_CELLS // max(1, window.n_items)))
    if len(question.users) <= most:
        return question
    return question.only_users(
        np.sort(np.random.default_rng(config.seed).choice(len(question.users), most, replace=False))
    )


class TextJudge:
    """Validation of text training: NDCG@10 of ranking by text, on products new to the shopper."""

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
    """Train again on more interactions, for the number of steps that validation selected."""
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
    """Half-life of interactions in days; 0 where the snapshot has an order but no dates."""
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
    outcome_text = "" if fixed else f", ndcg@10 {outcome.before:.4f} -> {outcome.best:.4f}"
    run.progress.stage(
        "Fine-tuning", SPACE_PART, f"projection: {outcome.best_step} steps{outcome_text}"
    )
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


def window_before(run: Run, moment: int, days: float) -> Window:
    return time_window(
        run.snapshot.events,
        run.snapshot.n_items,
        run.config.event_weights,
        moment - days * DAY,
        days,
    )
