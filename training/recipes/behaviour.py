"""Recipe `behaviour`: purchase probability of a shopper and a product, from "history [SEP]
product"; and click probability.
"""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from training.configuration.text_recipes import BehaviourConfig
from training.data.interactions import histories, interactions
from training.data.product_text import product_texts
from training.data.snapshot import DAY, TYPE_CODE
from training.data.splits import time_window
from training.errors import need
from training.evaluation import linear_baselines
from training.evaluation.classification import measured
from training.finetuning.augmentation import make_augment
from training.finetuning.devices import device
from training.finetuning.heads import Classifier
from training.finetuning.loop import train
from training.finetuning.methods import TuningMethod
from training.finetuning.text_store import TextStore
from training.inference.calibration import EnsembleMember, OutputCalibration
from training.metrics import classification
from training.recipes.behaviour_pairs import PairRows, PairWindow, history_text
from training.recipes.classification import LabelTask
from training.recipes.ensembles import LabeledModel, head_of, outputs
from training.runs.run import NO_CHAMPION, Run, compared, load_encoder, steps_for

TRAINING_WINDOWS = 3
FEWEST_BOUGHT = 20
CLICK_WITHIN = DAY
FEWEST_IMPRESSIONS = 500
VALIDATION_SHARE = 0.1


def fit_behaviour(run: Run) -> tuple[LabeledModel, dict, dict]:
    """The model, its report, and additions to `head.json`: the calibration, and the click head or
    why there is none.
    """
    config: BehaviourConfig = run.config
    texts = product_texts(run.snapshot.products)
    test, calibration, earlier = _pair_windows(run, texts)
    rng = np.random.default_rng(config.seed)
    training = PairRows.join(
        [m.drawn_by_outcome(config.pairs // len(earlier), config.negatives, rng) for m in earlier]
    )
    held = calibration.drawn_blindly(config.judged_pairs, rng)
    judged = test.drawn_blindly(config.judged_pairs, rng)
    need(
        0 < training.label.sum() < len(training.label),
        "all pairs are of one kind: nothing bought, or nothing left",
    )
    need(
        held.label.sum() > 0 and judged.label.sum() > 0,
        "none of the judged pairs was bought: more judged_pairs are needed",
    )
    run.progress.stage(
        "Baselines",
        0,
        f"{len(training.label):,} training pairs, {int(training.label.sum()):,} bought; "
        f"{len(judged.label):,} judged",
    )
    rows = PairRows.join([training, held, judged])
    places = np.split(np.arange(len(rows.label)), np.cumsum([len(training.label), len(held.label)]))

    encoder = load_encoder(config.text, config.seed, run, texts).to(device())
    store = TextStore(
        encoder, rows.history, device(), run.cache, rows.product, tell=run.reading("Baselines")
    )
    model, outcome, tuned = _train(run, store, rows, places[0])
    run.progress.stage("Check", 0)
    score = outputs(model, store, np.concatenate(places[1:]))
    logit = np.zeros(len(rows.label))
    logit[np.concatenate(places[1:])] = score[:, 1] - score[:, 0]
    systems, platt = _systems(rows, logit, places)
    report = run.report_head(
        {
            "kind": "pairs",
            "horizon_days": config.horizon_days,
            "pairs": len(judged.label),
            "bought": int(judged.label.sum()),
        }
    )
    report["systems"] = systems
    report["champion"] = _judge_champion(run, test, rows.take(places[2]), report["systems"])
    report["about"] = {"learned_until": test.window.now}
    report["calibration"] = _curve(
        rows.label[places[2]], platt.predict_proba(_own(rows, logit, places[2]))[:, 1]
    )
    report["chosen"] = {"text.steps": outcome.best_step, "trainable_share": outcome.trainable_share}
    report["primary"] = {
        "measure": "auc",
        "system": "text_after",
        "baseline": "history",
        "higher_is_better": True,
    }
    tuned.finish()
    click, report["click"] = _click(run, encoder, texts)
    more = {
        "platt": [*platt.coef_[0].tolist(), float(platt.intercept_[0])],
        "history_items": config.history_items,
        "click": click,
    }
    return (
        LabeledModel(
            [EnsembleMember(encoder, *head_of(model))],
            ["not bought", "bought"],
            OutputCalibration(1.0),
        ),
        run.finish_report(report),
        more,
    )


def try_fields(run: Run) -> None:
    """One trial of the hyperparameter search, on pairs before the calibration window."""
    texts, rng = product_texts(run.snapshot.products), np.random.default_rng(run.config.seed)
    earlier = _pair_windows(run, texts)[2]
    rows = PairRows.join(
        [
            m.drawn_by_outcome(run.config.pairs // len(earlier), run.config.negatives, rng)
            for m in earlier
        ]
    )
    encoder = load_encoder(run.config.text, run.config.seed).to(device())
    _train(
        run,
        TextStore(encoder, rows.history, device(), run.cache, rows.product),
        rows,
        np.arange(len(rows.label)),
    )


def _pair_windows(run: Run, texts: list[str]) -> tuple[PairWindow, PairWindow, list[PairWindow]]:
    """The test window, the calibration window before it, and up to TRAINING_WINDOWS earlier
    ones.
    """
    config, events = run.config, run.snapshot.events
    need(len(events) > 0, "there are no events to learn from")
    need(any(texts), "no product has a text, which behaviour reads")
    end, windows = int(events.time[-1]) + 1, []
    for i in range(2 + TRAINING_WINDOWS):
        window = time_window(
            events,
            run.snapshot.n_items,
            config.event_weights,
            end - (i + 1) * config.horizon_days * DAY,
            config.horizon_days,
        )
        if i < 3 or len(window.target) >= FEWEST_BOUGHT:
            windows.append(PairWindow(window, texts, config))
    few = [m for m in windows[:3] if len(m.bought) < FEWEST_BOUGHT]
    need(
        not few,
        f"fewer than {FEWEST_BOUGHT} purchases by known shoppers in one of the three last "
        f"spans of {config.horizon_days} days, which behaviour needs",
    )
    return windows[0], windows[1], windows[2:]


def _train(run: Run, store: TextStore, rows: PairRows, training: np.ndarray):
    config = run.config
    held = training[
        np.random.default_rng(config.seed).permutation(len(training))[
            : max(10, round(VALIDATION_SHARE * len(training)))
        ]
    ]
    learned = np.setdiff1d(training, held)
    chosen = steps_for(config.text, len(learned))
    some = np.sort(np.random.default_rng(config.seed).permutation(learned)[:4000])
    tuned = TuningMethod(store.encoder, chosen)
    model = Classifier(store.encoder, 2, chosen.dropout).to(store.device)
    model.start_from(
        *linear_baselines.softmax_weights(
            linear_baselines.fit_classes(
                _vectors(store, some), rows.label[some], [], rows.label[:0], config.seed
            ),
            2,
        )
    )
    task = LabelTask(
        store, rows.label, learned, held, model, config.seed, make_augment(chosen, store.encoder)
    )
    outcome = train(
        task,
        tuned,
        chosen,
        config.seed,
        run.keeper.child("behaviour"),
        run.look("Fine-tuning", chosen.steps, "auc"),
    )
    return model, outcome, tuned


def _vectors(store: TextStore, rows: np.ndarray) -> np.ndarray:
    out = np.zeros((len(rows), store.encoder.dim), dtype=np.float32)
    store.encoder.eval()
    with torch.inference_mode():
        for begin in range(0, len(rows), 128):
            out[begin : begin + 128] = (
                store.batch(rows[begin : begin + 128]).encode(store.encoder).float().cpu().numpy()
            )
    return out


def _own(rows: PairRows, logit: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(n, 2): logit of the head, and whether the shopper bought the product before."""
    return np.stack([logit[place], (rows.facts[place, 1] > 0).astype(float)], axis=1)


def _systems(
    rows: PairRows, logit: np.ndarray, places: list[np.ndarray]
) -> tuple[dict, LogisticRegression]:
    """Metrics of each system. All are fitted, or calibrated (Platt 1999), on the window before the
    test window.
    """
    held, judged = places[1], places[2]
    inputs = {
        "base_rate": lambda p: np.zeros((len(p), 1)),
        "popularity": lambda p: rows.facts[p, :1],
        "history": lambda p: rows.facts[p],
        "text_after": lambda p: _own(rows, logit, p),
        "fused": lambda p: np.concatenate([rows.facts[p], logit[p][:, None]], axis=1),
    }
    fits = {
        name: LogisticRegression(C=10.0, max_iter=1000).fit(f(held), rows.label[held])
        for name, f in inputs.items()
    }
    systems = {
        name: _measures(rows.label[judged], fits[name].predict_proba(f(judged))[:, 1])
        for name, f in inputs.items()
    }
    return systems, fits["text_after"]


def _measures(label: np.ndarray, predicted: np.ndarray) -> dict:
    both = np.stack([1 - predicted, predicted], axis=1)
    measures = {
        "auc": lambda r: classification.auc(label[r], predicted[r]),
        "log_loss": lambda r: classification.log_loss(label[r], both[r]),
        "calibration_error": lambda r: classification.calibration_error(label[r], predicted[r]),
        "brier": lambda r: classification.mse(label[r], predicted[r]),
    }
    return {name: measured(f, len(label), 200) for name, f in measures.items()}


def _judge_champion(run: Run, test: PairWindow, judged: PairRows, systems: dict) -> dict:
    """Metrics of the champion on the same pairs, where it was not trained on their days."""
    if run.champion is None:
        return compared(NO_CHAMPION)
    from training.inference.checkpoint import CheckpointError, read_run
    from training.inference.text_predictor import load_predictor

    try:
        if read_run(run.champion).get("learned_until", test.window.now + 1) > test.window.now:
            return compared(
                "the champion has already learned some of these days; train with a later last day"
            )
        predicted = load_predictor(run.champion).purchase(
            judged.history, judged.product, judged.facts[:, 1] > 0
        )
    except CheckpointError as error:
        return compared(f"the champion cannot be read: {error}")
    systems["champion"] = _measures(judged.label, predicted)
    return compared()


def _curve(label: np.ndarray, predicted: np.ndarray, bins: int = 10) -> list[dict]:
    """Calibration curve: per decile of the predictions, mean prediction and purchase rate."""
    parts = [p for p in np.array_split(np.argsort(predicted, kind="stable"), bins) if len(p)]
    return [
        {"said": float(predicted[p].mean()), "was": float(label[p].mean()), "pairs": len(p)}
        for p in parts
    ]


def _click(run: Run, encoder, texts: list[str]) -> tuple[dict | None, dict]:
    """Click head on the tuned encoder's vectors: probability of a click within a day of the
    impression. (None, reason) with too few impressions.
    """
    events, config = run.snapshot.events, run.config
    shown = events.take((events.type == TYPE_CODE["impression"]) & (events.user >= 0))
    if len(shown) < FEWEST_IMPRESSIONS:
        return None, {
            "probability": None,
            "reason": (
                f"{len(shown)} impressions of known shoppers are too few; {FEWEST_IMPRESSIONS} "
                "are needed"
            ),
        }
    clicks = events.take(events.type == TYPE_CODE["click"])

    def code(e):
        return (e.user.astype(np.int64) << 32) | e.item

    order = np.lexsort((clicks.time, code(clicks)))
    keys, times = code(clicks)[order], clicks.time[order]
    label = np.array(
        [_any_within(keys, times, k, t) for k, t in zip(code(shown), shown.time, strict=True)],
        dtype=np.int64,
    )
    if not 0 < label.sum() < len(label):
        return None, {
            "probability": None,
            "reason": "all impressions ended alike: with a click, or without",
        }
    rows = np.sort(
        np.random.default_rng(config.seed).permutation(len(shown))[: config.judged_pairs]
    )
    known = interactions(events.before(int(shown.time[rows[0]])), config.event_weights)
    users = np.unique(shown.user[rows])
    past = histories(known, users, run.snapshot.n_items)
    words = [
        history_text(past, int(np.searchsorted(users, shown.user[r])), texts, config.history_items)
        for r in rows
    ]
    store = TextStore(
        encoder, words, device(), None, [texts[shown.item[r]] for r in rows], keep=False
    )
    x, y = _vectors(store, np.arange(len(rows))), label[rows]
    cut = round(0.7 * len(rows))
    if not (0 < y[:cut].sum() < cut and 0 < y[cut:].sum() < len(rows) - cut):
        return None, {
            "probability": None,
            "reason": "the clicks lie all before or all after the judged time",
        }
    fit = LogisticRegression(C=10.0, max_iter=1000).fit(x[:cut], y[:cut])
    report = {
        "impressions": len(shown),
        "clicked": int(label.sum()),
        "systems": {"text_after": _measures(y[cut:], fit.predict_proba(x[cut:])[:, 1])},
    }
    return {"weight": fit.coef_[0].tolist(), "bias": float(fit.intercept_[0])}, report


def _any_within(keys: np.ndarray, times: np.ndarray, key: int, since: int) -> bool:
    """Whether the shopper clicked the product within CLICK_WITHIN after each impression."""
    low, high = np.searchsorted(keys, key), np.searchsorted(keys, key, side="right")
    at = low + np.searchsorted(times[low:high], since)
    return bool(at < high and times[at] <= since + CLICK_WITHIN)
