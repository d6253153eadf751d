"""Recipes `sentiment`, `topic`, `opinion`, `intent` and `rating`: a linear head on the encoder,
initialized from a linear model on frozen vectors.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from training.configuration.text_recipes import ClassificationConfig
from training.configuration.tuning import TuningConfig
from training.data.labeled_texts import TEST, TRAIN, VALIDATION, Rows
from training.errors import need
from training.evaluation import classification, linear_baselines
from training.finetuning.augmentation import Augment, disturbed, make_augment
from training.finetuning.devices import device, put_weights, weights_of
from training.finetuning.heads import Batch, Classifier, Regressor
from training.finetuning.loop import Task, blend, train_several
from training.finetuning.methods import TuningMethod
from training.finetuning.text_store import TextStore
from training.inference.calibration import OutputCalibration
from training.metrics.classification import auc, coverage_curve, mse
from training.recipes.ensembles import LabeledModel, Members, outputs
from training.runs.run import NO_CHAMPION, Run, compared, load_encoder, steps_for

KEPT_IN_SCOPE = 0.95
"""Share of the validation rows that the test of what is in scope keeps."""
BLENDS = (0.25, 0.5, 0.75, 1.0)
"""Candidate shares of the tuned weights, relative to the initial ones."""


@dataclass
class LabelTask(Task):
    """Labeled rows of a text store. The order of each epoch depends on the seed and the epoch's
    number.

    train, validation: row numbers. Without validation rows there is no early stopping: train with
    `keep_last`.
    """

    store: TextStore
    target: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    model: Classifier
    seed: int
    augment: Augment | None = None
    order: tuple[int, np.ndarray] = field(default=(-1, np.zeros(0, dtype=np.int64)))

    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Indices (size,) of this step's training rows: consecutive slices of one seeded
        permutation per epoch. `rng` is not used.
        """
        places = np.arange((step - 1) * size, step * size)
        return np.concatenate(
            [
                self._epoch(e)[places[places // len(self.train) == e] % len(self.train)]
                for e in np.unique(places // len(self.train))
            ]
        )

    def _epoch(self, number: int) -> np.ndarray:
        if self.order[0] != number:
            self.order = (
                number,
                np.random.default_rng([self.seed, 1_000_000 + number]).permutation(self.train),
            )
        return self.order[1]

    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """Batch of labeled texts. rows: (size,) indices, from `draw`."""
        augment = (lambda texts: self.augment(texts, rng)) if self.augment else None
        return Batch(
            self.store.batch(rows, augment),
            torch.from_numpy(self.target[rows]).to(self.store.device),
            {},
        )

    def validate(self) -> float:
        out, right = outputs(self.model, self.store, self.validation), self.target[self.validation]
        if isinstance(self.model, Regressor):
            return -mse(
                right,
                np.clip(out[:, 0], self.target[self.train].min(), self.target[self.train].max()),
            )
        if out.shape[1] == 2:
            return auc(right == 1, out[:, 1] - out[:, 0])
        return float((out.argmax(1) == right).mean()) - 1e-3 * float(
            nn.functional.cross_entropy(torch.from_numpy(out), torch.from_numpy(right))
        )


def try_fields(run: Run) -> None:
    """One trial of the hyperparameter search, on training and validation rows."""
    rows = _drawn(recipe_rows(run), run.config)
    need(
        len(rows.at(VALIDATION)) > 0,
        "the search over fields goes by validation rows, and there are none",
    )
    rows = _named(rows.take(np.flatnonzero(rows.part != TEST)), run.config)
    encoder = load_encoder(run.config.text, run.config.seed).to(device())
    store = TextStore(encoder, rows.texts, device(), run.cache)
    fit = classification.baselines(rows, store.vectors(), run.config.seed)["text_before"].fit
    _, task, tuned, chosen = _prepare(run, rows, store, fit)
    train_several(
        task,
        tuned,
        chosen,
        run.config.seed,
        run.keeper,
        run.look("Fine-tuning", chosen.steps, _measure(rows)),
    )


def _drawn(rows: Rows, config) -> Rows:
    """A sample of training rows per class, where configured."""
    few = getattr(config, "per_class", 0)
    return rows.draw_few(few, config.seed) if few else rows


def _named(rows: Rows, config) -> Rows:
    """The rows plus names of classes with few training rows. Ratings have no classes."""
    return rows.with_names(config.named_below) if rows.classes else rows


def _measure(rows: Rows) -> str:
    return "mse" if not rows.classes else "auc" if len(rows.classes) == 2 else "accuracy"


def fit_labels(run: Run, rows: Rows) -> tuple[LabeledModel, dict]:
    """Train on the training rows, stop early on validation, evaluate on test. Returns the model and
    its report. Raises TrainingError with too few rows.
    """
    config, rows = run.config, _drawn(rows, run.config)
    _check(rows)
    learned = _named(rows, config)
    encoder = load_encoder(config.text, config.seed, run, rows.texts).to(device())
    run.progress.stage(
        "Baselines",
        0,
        f"{len(rows.at(TRAIN)):,} training, {len(rows.at(VALIDATION)):,} validation, "
        f"{len(rows.at(TEST)):,} test rows",
    )
    store = TextStore(
        encoder, learned.texts, device(), run.cache, tell=run.reading("Baselines", 0.7)
    )
    frozen = store.vectors()
    base = classification.baselines(learned, frozen, config.seed)
    run.progress.stage("Fine-tuning", 0)
    members, tuned, answer, training_facts = _trained(
        run, learned, store, frozen, base["text_before"].fit
    )
    run.progress.stage("Check", 0)
    report = (
        _report(run, rows, base, members.answers(store, rows.at(TEST), answer)) | training_facts
    )
    report["robustness"] = _robustness(run, rows, members, store, answer)
    return LabeledModel(members.finish(tuned), rows.classes, answer), run.finish_report(report)


def _trained(
    run: Run, rows: Rows, store: TextStore, frozen: np.ndarray, fit: linear_baselines.LinearFit
) -> tuple[Members, TuningMethod, OutputCalibration, dict]:
    """The fine-tuned model (refitted with the validation rows where configured), its calibration,
    and its part of the report.
    """
    config = run.config
    model, task, tuned, chosen = _prepare(run, rows, store, fit)
    voters = getattr(config, "voters", 0) if len(task.validation) else 0
    start = weights_of(model)
    refit = getattr(config, "refit", False) and len(task.validation) > 0
    once = replace(chosen, average_runs=1) if refit else chosen
    look = run.look("Fine-tuning", chosen.steps, _measure(rows))
    outcome, weights = train_several(
        task,
        tuned,
        once,
        config.seed,
        run.keeper.child("labels"),
        look,
        keep_last=not len(task.validation),
    )
    weights, shares = _blended(task, start, weights)
    members = Members(model, weights).remember(store, rows.at(TRAIN), rows.target, voters)
    answer = classification.answer_of(rows, *members.outputs(store, rows.at(VALIDATION)))
    scope = members.scope(store, rows.at(VALIDATION), answer, KEPT_IN_SCOPE)
    steps = outcome.best_step
    if refit and steps:
        steps = chosen.steps if outcome.steps == chosen.steps else steps
        weights = _refitted(
            run, rows, store, frozen, start, task, tuned, replace(chosen, steps=steps), shares[0]
        )
        members = Members(model, weights).remember(
            store, np.flatnonzero(rows.part != TEST), rows.target, voters
        )
    facts = {
        "text.steps": steps,
        "strength": fit.strength,
        "trainable_share": outcome.trainable_share,
        "tuned_share": shares,
    }
    facts["vote_share"] = answer.vote_share
    seconds = {"training": round(outcome.seconds, 1)}
    return members, tuned, answer, {"chosen": facts, "seconds": seconds, "scope": scope}


def _report(
    run: Run, rows: Rows, base: dict[str, classification.Baseline], predicted: np.ndarray
) -> dict:
    """Report on the test rows: the model, whose answers are given, baselines, and the champion."""
    test, measure = rows.at(TEST), _measure(rows)
    report = run.report_head(
        {
            "kind": "rows",
            **{
                n: len(rows.at(p))
                for n, p in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST))
            },
        }
    )
    systems = {name: b.output[test] for name, b in base.items()} | {"text_after": predicted}
    report["systems"] = {
        name: classification.summary(rows.target[test], predictions)
        for name, predictions in systems.items()
    }
    if rows.classes:
        is_right = predicted.argmax(axis=1) == rows.target[test]
        report["coverage"] = coverage_curve(is_right, predicted.max(axis=1))
    report["champion"] = _judge_champion(run, rows, report["systems"])
    report["classes"] = rows.classes
    report["primary"] = {
        "measure": measure,
        "system": "text_after",
        "baseline": "text_before",
        "higher_is_better": measure != "mse",
    }
    return report


def _refitted(
    run: Run,
    rows: Rows,
    store: TextStore,
    frozen: np.ndarray,
    start: dict,
    task: LabelTask,
    tuned: TuningMethod,
    chosen,
    share: float,
) -> list[dict]:
    """The same training with the validation rows added, for all averaged runs.

    The share of the tuned weights, and the steps of a training that stopped early, are those that
    validation selected.
    """
    everything = np.flatnonzero(rows.part != TEST)
    fit = linear_baselines.fit_classes(
        frozen[everything], rows.target[everything], [], rows.target[:0], run.config.seed, (100.0,)
    )
    put_weights(task.model, start)
    task.model.start_from(*linear_baselines.softmax_weights(fit, len(rows.classes)))
    start = weights_of(task.model)
    whole = replace(task, train=everything, validation=rows.target[:0], order=(-1, everything[:0]))
    whole.model = task.model
    _, weights = train_several(
        whole, tuned, chosen, run.config.seed, run.keeper.child("refit"), keep_last=True
    )
    for i, member in enumerate(weights):
        put_weights(task.model, member)
        blend(whole, start, (share,))
        weights[i] = weights_of(task.model)
    return weights


def _blended(task: LabelTask, start: dict, weights: list[dict]) -> tuple[list[dict], list[float]]:
    """Members blended with the initial weights by validation; without validation rows unchanged."""
    mixed, shares = [], []
    for tuned in weights:
        put_weights(task.model, tuned)
        shares.append(blend(task, start, BLENDS if len(task.validation) else (1.0,)))
        mixed.append(weights_of(task.model))
    return mixed, shares


def _check(rows: Rows) -> None:
    need(len(rows.at(TRAIN)) >= 2, f"only {len(rows.at(TRAIN))} labelled texts to train on")
    need(
        len(rows.at(TEST)) > 0,
        "no rows are left for the test: name some (split = test) or raise test_share",
    )
    if rows.classes:
        trained_classes = np.unique(rows.target[rows.at(TRAIN)])
        need(
            len(trained_classes) >= 2,
            f"all training texts are of one class ({rows.classes[int(trained_classes[0])]}): "
            "there is nothing to tell apart",
        )


def _prepare(
    run: Run, rows: Rows, store: TextStore, fit: linear_baselines.LinearFit
) -> tuple[Classifier, LabelTask, TuningMethod, TuningConfig]:
    config, train = run.config, rows.at(TRAIN)
    chosen = steps_for(config.text, len(train))
    tuned = TuningMethod(store.encoder, chosen)
    if rows.classes:
        model = Classifier(store.encoder, len(rows.classes), chosen.dropout, config.label_smoothing)
        model.start_from(*linear_baselines.softmax_weights(fit, len(rows.classes)))
    else:
        model = Regressor(store.encoder, chosen.dropout)
        model.start_from(fit.model.coef_[None, :], np.array([fit.model.intercept_]))
    task = LabelTask(
        store,
        rows.target,
        train,
        rows.at(VALIDATION),
        model.to(store.device),
        config.seed,
        make_augment(chosen, store.encoder),
    )
    return model, task, tuned, chosen


def _judge_champion(run: Run, rows: Rows, systems: dict) -> dict:
    """Metrics of the champion on the same test rows. A hash of the text assigns them, so no run is
    trained on them.
    """
    if run.champion is None:
        return compared(NO_CHAMPION)
    from training.inference.checkpoint import CheckpointError
    from training.inference.text_predictor import load_predictor

    try:
        model = load_predictor(run.champion)
        if model.facts["classes"] != rows.classes:
            return compared("the champion knows other classes")
    except CheckpointError as error:
        return compared(f"the champion cannot be read: {error}")
    texts = [rows.texts[i] for i in rows.at(TEST)]
    systems["champion"] = classification.summary(rows.target[rows.at(TEST)], model.predict(texts))
    return compared()


def _robustness(
    run: Run, rows: Rows, members: Members, store: TextStore, answer: OutputCalibration
) -> dict:
    """The main metric on texts with typing errors, dropped words, or capitals; on at most 1,000
    rows.
    """
    test = rows.at(TEST)
    test = test[np.random.default_rng(run.config.seed).permutation(len(test))[:1000]]
    out: dict[str, dict] = {}
    for kind in ("as_written", "typos", "dropped_words", "case"):
        texts = [rows.texts[i] for i in test]
        texts = texts if kind == "as_written" else disturbed(texts, kind, run.config.seed)
        some = TextStore(store.encoder, texts, store.device, keep=False)
        predicted = members.answers(some, np.arange(len(texts)), answer)
        out[kind] = {
            name: m["value"]
            for name, m in classification.summary(rows.target[test], predicted, rounds=0).items()
        }
    return out


def fit_recipe(run: Run) -> tuple[LabeledModel, dict, dict]:
    """Train the recipe on its rows: the model, its report, and the test of what is in scope."""
    fitted, report = fit_labels(run, recipe_rows(run))
    return fitted, report, {"scope": report["scope"]}


def recipe_rows(run: Run) -> Rows:
    """The labeled rows that this recipe learns from. Raises TrainingError where there are none."""
    from training.data.labeled_texts import dialogue_rows, polarity, review_rows
    from training.data.opinions import opinion_rows

    config: ClassificationConfig = run.config
    shares = config.test_share, config.validation_share
    if run.recipe == "intent":
        return dialogue_rows(run.snapshot, *shares)
    if run.recipe == "opinion":
        encoder = load_encoder(config.text, config.seed)
        return opinion_rows(run.snapshot, *shares, encoder.unknown_shares)
    targets = {
        "sentiment": (polarity, "a label or a rating"),
        "topic": (lambda r: r["topic"], "a topic"),
        "rating": (lambda r: None if r["rating"] is None else float(r["rating"]), "a rating"),
    }
    return review_rows(run.snapshot, *targets[run.recipe], *shares)
