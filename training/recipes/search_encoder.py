"""Fine-tuning of the encoder that reads queries and products, and their vectors."""

from dataclasses import dataclass, field

import numpy as np
import torch

from training.configuration.text_recipes import SearchConfig
from training.data.product_text import product_texts, title_texts
from training.encoders.bert import TextEncoder
from training.errors import need
from training.finetuning.augmentation import Augment, make_augment
from training.finetuning.devices import device
from training.finetuning.heads import Batch, Matching
from training.finetuning.loop import Task, put_weights, train, weights_of
from training.finetuning.methods import TuningMethod
from training.finetuning.text_store import TextStore
from training.metrics.search import RELEVANT_SHARE, ndcg
from training.recipes.search_judgements import CLICKS, TEST, TRAIN, VALIDATION, Judged
from training.runs.run import Run, load_encoder, steps_for
from training.search.semantic import mean_vectors

HARD = 4
"""Irrelevant products per relevant one."""
SHARES = (0.0, 0.5, 1.0)
"""Shares of the way from the loaded weights to the fine-tuned ones that are tried."""


@dataclass(frozen=True, eq=False)
class Vectors:
    """Unit vectors of one encoder. queries: (queries, dim); products: (items, dim), means of title
    and whole text; titles: (items, dim).
    """

    queries: np.ndarray
    products: np.ndarray
    titles: np.ndarray


@dataclass(frozen=True, eq=False)
class SearchTexts:
    """Texts of a run in one store: queries, titles, whole texts of products."""

    store: TextStore
    queries: int
    items: int

    @classmethod
    def of(cls, run: Run, judged: Judged, encoder: TextEncoder, stage: str) -> "SearchTexts":
        """The texts, tokenized, with the output of the frozen layers."""
        products = run.snapshot.products
        texts = [*judged.queries, *title_texts(products), *product_texts(products)]
        store = TextStore(encoder, texts, device(), run.cache, tell=run.reading(stage))
        return cls(store, len(judged.queries), len(products))

    def vectors(self) -> Vectors:
        """The vectors of all texts by the encoder as it is now."""
        vectors = self.store.vectors()
        queries, titles, whole = np.split(vectors, [self.queries, self.queries + self.items])
        return Vectors(queries, mean_vectors(titles, whole), titles)


@dataclass
class SearchTask(Task):
    """Matching task query → product. Negatives are other queries' products, and irrelevant products
    of the same query. Products are read by their titles, which are short.

    queries: (n,) numbers of the queries to learn from
    """

    texts: SearchTexts
    judged: Judged
    config: SearchConfig
    queries: np.ndarray
    augment: Augment | None = None
    model: Matching = field(init=False)

    def __post_init__(self) -> None:
        store, judged = self.texts.store, self.judged
        self.model = Matching(store.encoder, self.config.text.temperature).to(store.device)
        rows = np.flatnonzero(np.isin(judged.query, self.queries))
        best = judged.grade.max()
        if judged.source != CLICKS:
            self.right = rows[judged.grade[rows] >= RELEVANT_SHARE * best]
            wrong = rows[judged.grade[rows] <= best / 3]
        else:
            self.right, wrong = rows[judged.grade[rows] > 0], rows[:0]
        self.wrong = {
            int(q): judged.item[wrong[judged.query[wrong] == q]]
            for q in np.unique(judged.query[wrong])
        }
        need(len(self.right) >= 2, "fewer than two right products to learn from")

    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Sample a batch (size, 2 + HARD): query, relevant product, irrelevant products."""
        rows = self.right[rng.integers(0, len(self.right), size)]
        query, item = self.judged.query[rows], self.judged.item[rows]
        others = self.judged.item[rng.integers(0, len(self.judged.item), (size, HARD))]
        for i, q in enumerate(query):
            if int(q) in self.wrong:
                others[i] = rng.choice(self.wrong[int(q)], HARD)
        return np.concatenate([query[:, None], item[:, None], others], axis=1)

    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """Batch of queries and products. rows: (size, 2 + HARD), from `draw`."""
        store = self.texts.store
        shifted = np.concatenate([rows[:, :1], rows[:, 1:] + self.texts.queries], axis=1)
        unique, place = np.unique(shifted, return_inverse=True)
        place = torch.from_numpy(place.reshape(shifted.shape)).to(store.device)
        target = torch.from_numpy(rows[:, 0].copy()).to(store.device)
        extra = {
            "anchor": place[:, :1],
            "positive": place[:, 1],
            "hard": place[:, 2:],
            "hard_item": torch.full_like(place[:, 2:], -1),
            "log_popularity": torch.zeros(len(rows), device=store.device),
        }
        augment = (lambda texts: self.augment(texts, rng)) if self.augment else None
        return Batch(store.batch(unique, augment), target, extra)

    def validate(self) -> float:
        """Mean NDCG@10 of the validation queries."""
        return float(np.nanmean(self.measure(self.judged.of(VALIDATION))))

    def measure(self, numbers: np.ndarray) -> np.ndarray:
        """(n,) NDCG@10 of these queries (n,) by the encoder as it is now.

        With judgments, a query's judged products are ranked; with clicks, those of all queries.
        """
        judged = self.judged
        items = np.unique(judged.item[np.isin(judged.query, numbers)])
        rows = np.concatenate([numbers, items + self.texts.queries])
        vectors = self.texts.store.vectors(rows)
        queries, products = vectors[: len(numbers)], vectors[len(numbers) :]
        row = {int(item): i for i, item in enumerate(items)}
        values = []
        for query, number in zip(queries, numbers.tolist(), strict=True):
            grades = judged.grades[number]
            among = items.tolist() if judged.source == CLICKS else sorted(grades)
            cosine = products[[row[item] for item in among]] @ query
            order = np.lexsort((among, -cosine))
            ranked = [grades.get(among[i], 0.0) for i in order[:10]]
            values.append(ndcg(ranked, list(grades.values()), 10))
        return np.array(values)


@dataclass(eq=False)
class SearchEncoder:
    """The encoder of a run in its states: as loaded, without one fold of the queries, final.

    share: of the way from the loaded weights to the fine-tuned ones (Wortsman et al. 2022,
        "WiSE-FT"); 0: fine-tuning does not help on queries that it has not seen
    gain: (mean, standard error) of NDCG@10 by the fine-tuning, on queries left out of it
    """

    run: Run
    judged: Judged
    encoder: TextEncoder
    texts: SearchTexts
    method: TuningMethod
    model: torch.nn.Module
    start: dict[str, torch.Tensor]
    folds: list[tuple[np.ndarray, dict[str, torch.Tensor]]] = field(default_factory=list)
    share: float = 0.0
    gain: tuple[float, float] = (0.0, 0.0)
    trainable_share: float = 0.0

    @classmethod
    def load(cls, run: Run, judged: Judged) -> "SearchEncoder":
        config: SearchConfig = run.config
        titles = title_texts(run.snapshot.products.head(500))
        encoder = load_encoder(config.text, config.seed, run, judged.queries + titles).to(device())
        texts = SearchTexts.of(run, judged, encoder, "Baselines")
        method = TuningMethod(encoder, config.text)
        model = Matching(encoder, config.text.temperature).to(device())
        return cls(run, judged, encoder, texts, method, model, weights_of(model))

    def cross_fit(self) -> None:
        """Fine-tune once without each fold of the queries, and choose the share by those left out.

        The share with the largest gain is taken if the gain exceeds its standard error.
        """
        known = np.flatnonzero(self.judged.part != TEST)
        folds = self.run.config.cross_fit
        measured = np.full((len(SHARES), len(self.judged.queries)), np.nan)
        for fold in range(folds):
            left_out, others = known[fold::folds], np.delete(known, np.s_[fold::folds])
            stage = ("Cross-fitting", fold / folds, (fold + 1) / folds)
            task, end = self._train(others, f"fold-{fold + 1}", stage)
            self.folds.append((left_out, end))
            for i, share in enumerate(SHARES):
                self._put(end, share)
                measured[i, left_out] = task.measure(left_out)
        gains = [
            (mean, error)
            for row in measured
            for mean, error in [_mean_and_error(row[known] - measured[0, known])]
        ]
        best = max(range(len(SHARES)), key=lambda i: gains[i][0])
        if gains[best][0] > gains[best][1]:
            self.share, self.gain = SHARES[best], gains[best]

    def without(self, fold: int) -> tuple[np.ndarray, Vectors]:
        """(queries of a fold, vectors of the encoder that has not seen them)."""
        left_out, end = self.folds[fold]
        self._put(end, self.share)
        return left_out, self.texts.vectors()

    def finish(self) -> Vectors:
        """Fine-tune on all queries but those of the test; the vectors of the final encoder."""
        if self.share:
            known = np.flatnonzero(self.judged.part != TEST)
            _, end = self._train(known, "search", ("Fine-tuning", 0.0, 1.0))
            self._put(end, self.share)
        else:
            self._put(self.start, 0.0)
        vectors = self.texts.vectors()
        self.method.finish()
        return vectors

    def _train(
        self, queries: np.ndarray, name: str, stage: tuple[str, float, float]
    ) -> tuple[SearchTask, dict[str, torch.Tensor]]:
        """The task on these queries (n,), and the weights after its training from the start."""
        config: SearchConfig = self.run.config
        put_weights(self.model, self.start)
        augment = make_augment(config.text, self.encoder)
        task = SearchTask(self.texts, self.judged, config, queries, augment)
        task.model = self.model
        chosen = steps_for(config.text, len(task.right))
        title, begin, end = stage
        look = self.run.look(title, chosen.steps, "ndcg@10", name, begin, end)
        keeper = self.run.keeper.child(name)
        outcome = train(task, self.method, chosen, config.seed, keeper, look, keep_last=True)
        self.trainable_share = outcome.trainable_share
        return task, weights_of(self.model)

    def _put(self, end: dict[str, torch.Tensor], share: float) -> None:
        """Set the weights at this share of the way to the fine-tuned ones."""
        put_weights(
            self.model,
            {name: start + share * (end[name] - start) for name, start in self.start.items()},
        )


def _mean_and_error(values: np.ndarray) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return 0.0, 0.0
    return float(known.mean()), float(known.std(ddof=1) / np.sqrt(len(known)))


def try_fields(run: Run, judged: Judged) -> None:
    """One trial of the hyperparameter search, on training and validation queries."""
    config: SearchConfig = run.config
    encoder = load_encoder(config.text, config.seed).to(device())
    texts = SearchTexts.of(run, judged, encoder, "Fine-tuning")
    task = SearchTask(texts, judged, config, judged.of(TRAIN), make_augment(config.text, encoder))
    chosen = steps_for(config.text, len(task.right))
    look = run.look("Fine-tuning", chosen.steps, "ndcg@10")
    train(task, TuningMethod(encoder, chosen), chosen, config.seed, run.keeper, look)
