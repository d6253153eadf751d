"""Recipe `answers`: the encoder that finds the passage which answers a question."""

from dataclasses import dataclass, field

import numpy as np
import torch

from training.configuration.text_recipes import AnswersConfig
from training.data.answers import Answered, answered_questions
from training.data.labeled_texts import TEST, TRAIN, VALIDATION
from training.encoders.bert import TextEncoder
from training.errors import need
from training.finetuning.augmentation import Augment, make_augment
from training.finetuning.devices import device
from training.finetuning.heads import Batch, Matching
from training.finetuning.loop import Task, blend, train, weights_of
from training.finetuning.methods import TuningMethod
from training.finetuning.text_store import TextStore
from training.metrics.classification import coverage_curve
from training.metrics.ranking import bootstrap_interval
from training.recipes.mlm import shop_texts
from training.runs.run import NO_CHAMPION, Run, compared, load_encoder, steps_for

FEWEST_PAIRS = 100
"""Training questions with an answer; with fewer, the encoder stays as it is."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the way from the loaded weights to the fine-tuned ones that validation chooses from."""
K = 10
BLOCK = 512
PRIMARY = {
    "measure": "recall@10",
    "system": "text_after",
    "baseline": "text_before",
    "higher_is_better": True,
}


@dataclass
class AnswerTask(Task):
    """Matching task question → answer, with the other answers of the batch as negatives."""

    store: TextStore
    data: Answered
    config: AnswersConfig
    augment: Augment | None = None
    model: Matching = field(init=False)

    def __post_init__(self) -> None:
        self.model = Matching(self.store.encoder, self.config.text.temperature)
        self.model.to(self.store.device)
        self.train = self.data.at(TRAIN)

    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Sample the questions of this step: numbers (size,)."""
        return rng.choice(self.train, size, replace=size > len(self.train))

    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """Batch of questions and their answers. rows: (size,) questions, from `draw`."""
        right = self.data.right[rows]
        pairs = np.stack([rows, right + len(self.data.questions)], axis=1)
        unique, place = np.unique(pairs, return_inverse=True)
        place = torch.from_numpy(place.reshape(pairs.shape)).to(self.store.device)
        target = torch.from_numpy(right).to(self.store.device)
        extra = {
            "anchor": place[:, :1],
            "positive": place[:, 1],
            "log_popularity": torch.zeros(len(rows), device=self.store.device),
        }
        augment = (lambda texts: self.augment(texts, rng)) if self.augment else None
        return Batch(self.store.batch(unique, augment), target, extra)

    def validate(self) -> float:
        """Mean reciprocal rank of the right answer of validation questions among all answers."""
        return float((1 / (1 + self.ranks(self.data.at(VALIDATION))[0])).mean())

    def ranks(self, questions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) rank from 0 of the right answer of these questions (n,) among all answers, by the
        encoder as it is now, and (n, 2) the two largest cosines.
        """
        first = len(self.data.questions)
        vectors = self.store.vectors(
            np.concatenate([questions, first + np.arange(len(self.data.answers))])
        )
        asked, answers = vectors[: len(questions)], vectors[len(questions) :]
        return answer_ranks(asked, answers, self.data.right[questions])


def answer_ranks(
    questions: np.ndarray, answers: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of right answers by cosine.

    questions: (n, dim), answers: (m, dim), of unit length; right: (n,) rows of `answers`
    returns: (n,) rank from 0 of the right answer; (n, 2) the two largest cosines, best first
    """
    ranks, best = np.zeros(len(right), dtype=np.int64), np.zeros((len(right), 2), dtype=np.float32)
    for begin in range(0, len(right), BLOCK):
        cosine = questions[begin : begin + BLOCK] @ answers.T
        own = cosine[np.arange(len(cosine)), right[begin : begin + BLOCK]]
        ranks[begin : begin + BLOCK] = (cosine > own[:, None]).sum(axis=1)
        best[begin : begin + BLOCK] = -np.sort(-cosine, axis=1)[:, :2] if len(answers) > 1 else own
    return ranks, best


def confidence_of(ranks: np.ndarray, best: np.ndarray) -> dict[str, float] | None:
    """Probability that the nearest answer is the right one, as a logistic function of its cosine
    and its lead over the second (Platt 1999); None where the questions do not tell.

    ranks: (n,) of right answers; best: (n, 2) the two largest cosines
    """
    from sklearn.linear_model import LogisticRegression

    is_right = ranks == 0
    if min(is_right.sum(), (~is_right).sum()) < K:
        return None
    fit = LogisticRegression(C=10.0).fit(confidence_features(best), is_right)
    cosine, lead = fit.coef_[0].tolist()
    return {"cosine": cosine, "lead": lead, "offset": float(fit.intercept_[0])}


def confidence_features(best: np.ndarray) -> np.ndarray:
    """(n, 2) cosine of the nearest answer, and its lead over the second; best: (n, 2)."""
    return np.stack([best[:, 0], best[:, 0] - best[:, 1]], axis=1)


def _coverage(fitted: dict[str, float] | None, ranks: np.ndarray, best: np.ndarray) -> list[dict]:
    """Share answered and share right by threshold of the confidence, on these questions."""
    if fitted is None:
        return []
    weights = np.array([fitted["cosine"], fitted["lead"]])
    value = confidence_features(best) @ weights + fitted["offset"]
    return coverage_curve(ranks == 0, 1 / (1 + np.exp(-value)))


def try_fields(run: Run) -> None:
    """One trial of the hyperparameter search, on training and validation questions."""
    data = answered_questions(run.snapshot, run.config.test_share, run.config.validation_share)
    need(len(data.at(VALIDATION)) > 0, "the search needs validation questions, and there are none")
    encoder = load_encoder(run.config.text, run.config.seed).to(device())
    task, tuned, chosen = _prepare(run, data, encoder)
    look = run.look("Fine-tuning", chosen.steps, "mrr")
    train(task, tuned, chosen, run.config.seed, run.keeper, look)


def fit_answers(run: Run) -> tuple[TextEncoder, None, dict]:
    """Fine-tune on the shop's answered questions: the encoder, and the report. With fewer than
    FEWEST_PAIRS questions, the encoder as it is.
    """
    config = run.config
    data = answered_questions(run.snapshot, config.test_share, config.validation_share)
    texts = data.questions or shop_texts(run.snapshot)
    encoder = load_encoder(config.text, config.seed, run, texts).to(device())
    parts = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    counts = {name: len(data.at(part)) for name, part in parts.items()}
    report = run.report_head({"kind": "answers", **counts, "answers": len(data.answers)})
    enough = counts["train"] >= FEWEST_PAIRS and len(data.answers) >= K
    if not enough or not counts["validation"] or not counts["test"]:
        run.warnings.append(
            f"{len(data.questions)} questions with an answer: fine-tuning starts from "
            f"{FEWEST_PAIRS} training ones with {K} different answers, and some left for "
            "validation and test; the encoder serves as it is"
        )
        report |= {"systems": {}, "champion": compared(NO_CHAMPION), "confidence": None}
        return encoder, None, run.finish_report(report | {"primary": PRIMARY})
    task, tuned, chosen = _prepare(run, data, encoder)
    test = data.at(TEST)
    before, start = task.ranks(test)[0], weights_of(task.model)
    look = run.look("Fine-tuning", chosen.steps, "mrr")
    outcome = train(task, tuned, chosen, config.seed, run.keeper.child("answers"), look)
    share = blend(task, start, SHARES)
    tuned.finish()
    report["systems"] = {
        "text_before": summary(before),
        "text_after": summary(task.ranks(test)[0]),
    }
    report["champion"] = _judge_champion(run, data, report["systems"])
    report["confidence"] = confidence_of(*task.ranks(data.at(VALIDATION)))
    report["coverage"] = _coverage(report["confidence"], *task.ranks(test))
    report["chosen"] = {
        "text.steps": outcome.best_step,
        "trainable_share": outcome.trainable_share,
        "tuned_share": share,
    }
    return encoder, None, run.finish_report(report | {"primary": PRIMARY})


def summary(ranks: np.ndarray) -> dict:
    """recall@1, recall@10 and mean reciprocal rank with intervals. ranks: (n,) from 0."""
    measures = {"recall@1": ranks == 0, "recall@10": ranks < K, "mrr": 1 / (1 + ranks)}
    return {
        name: dict(
            zip(("value", "low", "high"), bootstrap_interval(np.asarray(v, float)), strict=True)
        )
        for name, v in measures.items()
    }


def _prepare(run: Run, data: Answered, encoder: TextEncoder) -> tuple:
    texts = [*data.questions, *data.answers]
    store = TextStore(encoder, texts, device(), run.cache, tell=run.reading("Baselines"))
    chosen = steps_for(run.config.text, len(data.at(TRAIN)))
    task = AnswerTask(store, data, run.config, make_augment(chosen, encoder))
    return task, TuningMethod(encoder, chosen), chosen


def _judge_champion(run: Run, data: Answered, systems: dict) -> dict:
    """Metrics of the champion's encoder on the same test questions."""
    if run.champion is None:
        return compared(NO_CHAMPION)
    from training.encoders.onnx import NAME, OnnxEncoder

    if not (run.champion / "onnx" / NAME).exists():
        return compared("the champion has no ONNX encoder")
    try:
        encoder = OnnxEncoder(run.champion / "onnx")
    except Exception as error:  # onnxruntime and tokenizers raise classes of their own
        return compared(f"the champion cannot be read: {error}")
    test = data.at(TEST)
    asked = encoder.encode([data.questions[i] for i in test])
    ranks, _ = answer_ranks(asked, encoder.encode(data.answers), data.right[test])
    systems["champion"] = summary(ranks)
    return compared()
