"""Fine-tuning of the cross-encoder, and the weight of its score."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training.configuration.text_recipes import SearchConfig
from training.data.product_text import title_texts
from training.encoders.bert import TextEncoder
from training.encoders.onnx import export_onnx
from training.errors import TrainingError
from training.finetuning.devices import device
from training.finetuning.heads import Batch
from training.finetuning.loop import Task, train
from training.finetuning.methods import TuningMethod
from training.finetuning.text_store import TextStore
from training.metrics.search import measures_of
from training.recipes.search_judgements import CLICKS, Judged
from training.recipes.search_ranking import Learned
from training.runs.run import Run, load_encoder
from training.search.cross_encoder import NAME, RERANKED_MOST, SCALE, CrossHead, reranked
from training.search.engine import Candidates
from training.search.ranker import ordered, ranked_order

PAIRS = 32
"""Pairs of a batch."""
RANDOM_SHARE = 0.15
"""Share of the pairs of a batch whose product is drawn at random, as one of no relevance."""
WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.8)
"""Weights of the logit that are tried; 0: without a cross-encoder."""


class PairScorer(nn.Module):
    """Relevance of a product to a query: a linear head on the vector of both texts, read together
    (Nogueira and Cho 2019, with mean pooling).

    batch.target: (batch,) relevance from 0 to 1
    """

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__()
        self.encoder, self.head = encoder, nn.Linear(encoder.dim, 1)
        nn.init.normal_(self.head.weight, std=1 / encoder.dim**0.5)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss, a scalar (): binary cross-entropy with graded targets."""
        logits = SCALE * self.head(batch.texts.encode(self.encoder))[:, 0]
        return nn.functional.binary_cross_entropy_with_logits(logits, batch.target)


@dataclass
class PairTask(Task):
    """Pairs of a query and a title.

    pairs: judged pairs, then random ones; relevance: (pairs,) from 0 to 1
    judged: number of the judged pairs
    """

    pairs: TextStore
    relevance: np.ndarray
    judged: int
    model: PairScorer = field(init=False)

    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Sample (size,) pairs."""
        random = round(RANDOM_SHARE * size)
        return np.concatenate(
            [
                rng.integers(0, self.judged, size - random),
                rng.integers(self.judged, len(self.relevance), random),
            ]
        )

    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """Batch of these pairs (size,)."""
        target = torch.from_numpy(self.relevance[rows]).to(self.pairs.device)
        return Batch(self.pairs.batch(rows), target, {})

    def validate(self) -> float:
        """Nothing to measure: the number of steps is fixed."""
        return float("nan")


@dataclass(eq=False)
class CrossFit:
    """Fine-tuned cross-encoders of a run.

    learned: what the ranker learns from
    gains: mean gain of each of WEIGHTS on queries left out of both models
    """

    run: Run
    judged: Judged
    learned: Learned
    gains: dict[float, float] = field(default_factory=dict)

    @cached_property
    def titles(self) -> list[str]:
        return title_texts(self.run.snapshot.products)

    def choose_weight(self) -> float:
        """The weight with the best lists of queries that neither ranker nor cross-encoder have
        seen; 0 where none gains.
        """
        folds, n = self.run.config.cross_fit, len(self.learned.numbers)
        values = np.full((len(WEIGHTS), n), np.nan)
        for fold in range(folds):
            left_out = np.arange(n)[fold::folds]
            others = np.delete(np.arange(n), left_out)
            ranker = self.learned.ranker(self.run.config, others)
            name, part = f"cross-{fold + 1}", (fold / (folds + 1), (fold + 1) / (folds + 1))
            scorer = self._train(self.learned.numbers[others], name, part)
            for i in left_out.tolist():
                query, results = int(self.learned.numbers[i]), self.learned.results[i]
                best, scores = ordered(results.candidates, ranker.score(results.features))
                logits = self._logits(scorer, query, best.keys[:RERANKED_MOST])
                for row, weight in enumerate(WEIGHTS):
                    values[row, i] = self._value(query, best, scores, weight * logits)
        gained = (values - values[0])[:, ~np.isnan(values[0])]
        if not gained.size:  # no query has a relevant product
            return 0.0
        means = gained.mean(axis=1)
        self.gains = dict(zip(WEIGHTS, means.round(5).tolist(), strict=True))
        return WEIGHTS[int(means.argmax())]

    def finish(self, weight: float) -> "PairModel":
        """The cross-encoder that has learned from all queries but those of the test."""
        folds = self.run.config.cross_fit
        scorer = self._train(self.learned.numbers, "cross", (folds / (folds + 1), 1.0))
        return PairModel.of(scorer, weight)

    def _value(self, query: int, best: Candidates, scores: np.ndarray, added: np.ndarray) -> float:
        """Mean of NDCG@10 among all and among the judged products; of clicks, among all."""
        order = ranked_order(best, reranked(best, scores, added))
        of_query = measures_of(
            best.keys[order].tolist(), self.judged.grades[query], self.judged.best
        )
        if self.judged.source == CLICKS:
            return of_query["ndcg@10"]
        return (of_query["ndcg@10"] + of_query["judged_ndcg@10"]) / 2

    def _logits(self, scorer: PairScorer, query: int, items: np.ndarray) -> np.ndarray:
        titles = [self.titles[item] for item in items.tolist()]
        return PairModel.of(scorer, 1.0).score(self.judged.queries[query], titles)

    def _train(self, queries: np.ndarray, name: str, part: tuple[float, float]) -> PairScorer:
        """A scorer that has learned from these queries (n,) alone."""
        config: SearchConfig = self.run.config
        encoder = load_encoder(config.text, config.seed)
        encoder.keep_layers(range(min(config.cross_layers, len(encoder.layers))))
        encoder.to(device())
        steps = config.cross_steps
        tuning = replace(
            config.text,
            steps=steps,
            epochs=0,
            batch_size=PAIRS,
            evaluate_every=steps,
            frozen_layers=min(config.text.frozen_layers, len(encoder.layers) // 2),
        )
        method = TuningMethod(encoder, tuning)
        task = self._task(encoder, queries)
        task.model = PairScorer(encoder).to(device())
        look = self.run.look("Cross-encoder", steps, "loss", name, *part)
        keeper = self.run.keeper.child(name)
        train(task, method, tuning, config.seed, keeper, look, keep_last=True)
        method.finish()
        return task.model

    def _task(self, encoder: TextEncoder, queries: np.ndarray) -> PairTask:
        judged = self.judged
        rng = np.random.default_rng(self.run.config.seed)
        rows = np.flatnonzero(np.isin(judged.query, queries))
        most = self.run.config.cross_steps * PAIRS
        if len(rows) > most:
            rows = rng.choice(rows, most, replace=False)
        random = max(1, len(rows) // 4)
        numbers = np.concatenate([judged.query[rows], rng.choice(queries, random)])
        items = np.concatenate([judged.item[rows], rng.integers(0, len(self.titles), random)])
        store = TextStore(
            encoder,
            [judged.queries[number] for number in numbers.tolist()],
            device(),
            pairs=[self.titles[item] for item in items.tolist()],
        )
        relevance = np.zeros(len(numbers), np.float32)
        relevance[: len(rows)] = np.clip(judged.grade[rows] / judged.best, 0, 1)
        return PairTask(store, relevance, len(rows))


@dataclass(frozen=True, eq=False)
class PairModel:
    """A fine-tuned cross-encoder before its export."""

    encoder: TextEncoder
    head: CrossHead

    @classmethod
    def of(cls, scorer: PairScorer, weight: float) -> "PairModel":
        head = scorer.head
        return cls(
            scorer.encoder,
            CrossHead(head.weight.detach().cpu().numpy()[0], float(head.bias.detach()), weight),
        )

    def score(self, query: str, titles: list[str]) -> np.ndarray:
        """(n,) what these titles (n,) add to the scores of the ranker."""
        pairs = TextStore(self.encoder, [query] * len(titles), device(), pairs=titles, keep=False)
        return self.head.interpolation * self.head.logits(pairs.vectors())

    def save(self, folder: Path) -> None:
        """Write the folder `cross` of a checkpoint."""
        export_onnx(self.encoder, folder / NAME)
        self.head.save(folder / NAME)


def fit_cross_encoder(
    run: Run, judged: Judged, learned: Learned
) -> tuple[PairModel | None, dict[float, float]]:
    """(the cross-encoder; None where it is off or does not help, the gain of each weight)."""
    if not run.config.cross_encoder or not run.config.onnx:
        return None, {}
    fit = CrossFit(run, judged, learned)
    try:
        weight = fit.choose_weight()
    except TrainingError:  # too few queries to leave some out
        return None, {}
    return fit.finish(weight) if weight else None, fit.gains
