"""Recipe `search`: relevance of products to queries, from judgments where there are any, else from
clicks and purchases after a query.
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from training.configuration.fields import ConfigError
from training.configuration.text_recipes import SearchConfig
from training.data.product_text import product_texts
from training.encoders.bert import TextEncoder
from training.errors import need
from training.finetuning.augmentation import Augment, make_augment
from training.finetuning.devices import device
from training.finetuning.heads import Batch, Matching
from training.finetuning.loop import Outcome, Task, train
from training.finetuning.methods import TuningMethod
from training.finetuning.text_store import TextStore
from training.metrics.ranking import bootstrap_interval, ndcg_graded
from training.runs.run import NO_CHAMPION, Run, compared, load_encoder, steps_for

TRAIN, VALIDATION, TEST = 0, 1, 2
RELEVANT = 0.6
"""Minimum share of the highest grade for a relevant product."""
HARD = 4


@dataclass(frozen=True)
class Judged:
    """Relevance judgments: queries with graded products.

    query, item: (n,) indices; grade: (n,) relevance; part: (queries,) split of each query; source:
    "judgements" or "clicks"
    """

    queries: list[str]
    query: np.ndarray
    item: np.ndarray
    grade: np.ndarray
    part: np.ndarray
    source: str

    def rows(self, part: int) -> np.ndarray:
        """Indices (n,) of the judgments of a split."""
        return np.flatnonzero(self.part[self.query] == part)


def read_judged(run: Run) -> Judged:
    """Judgments, else clicks after queries. Raises TrainingError without either, or with too few
    queries for three parts.
    """
    config, snapshot = run.config, run.snapshot
    table = snapshot.tables.get("judgements")
    if table is not None and len(table):
        row = {item_id: i for i, item_id in enumerate(snapshot.item_ids)}
        frame = table.with_columns(
            item=pl.Series([row[i] for i in table["item_id"]], dtype=pl.Int64)
        )
        source = "judgements"
    else:
        need(
            snapshot.queries is not None and len(snapshot.queries) > 0,
            "this snapshot has neither judgements nor clicks or purchases after a query, "
            "which search learns from",
        )
        frame = (
            snapshot.queries.group_by("query", "item", maintain_order=True)
            .agg(grade=pl.len().log1p())
            .with_columns(fold=pl.lit(None, dtype=pl.Int64))
        )
        source = "clicks"
    queries = frame["query"].unique().sort().to_list()
    number = {q: i for i, q in enumerate(queries)}
    query = np.array([number[q] for q in frame["query"]])
    part = _parts(queries, query, frame["fold"].to_list(), config)
    for name, p in (("training", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        need((part == p).any(), f"{len(queries)} queries are too few: none is left for {name}")
    return Judged(
        queries,
        query,
        frame["item"].to_numpy().astype(np.int64),
        frame["grade"].to_numpy(),
        part,
        source,
    )


def _parts(queries: list[str], query: np.ndarray, folds: list, config: SearchConfig) -> np.ndarray:
    """Part of each query: the first fold is the test; without folds, a hash of the query
    decides.
    """
    place = np.array(
        [
            int.from_bytes(hashlib.blake2b(q.encode(), digest_size=6).digest()) / 2**48
            for q in queries
        ]
    )
    test = place >= 1 - config.test_share
    known_folds = [f for f in folds if f is not None]
    if known_folds:
        test = np.zeros(len(queries), dtype=bool)
        test[query[np.array([f == min(known_folds) for f in folds])]] = True
    return np.where(test, TEST, np.where(place < config.validation_share, VALIDATION, TRAIN))


@dataclass
class SearchTask(Task):
    """Matching task query → product. Negatives are other queries' products, and irrelevant products
    of the same query.
    """

    store: TextStore
    judged: Judged
    config: SearchConfig
    augment: Augment | None = None
    model: Matching = field(init=False)

    def __post_init__(self) -> None:
        self.model = Matching(self.store.encoder, self.config.text.temperature).to(
            self.store.device
        )
        rows, best = self.judged.rows(TRAIN), self.judged.grade.max()
        right = (
            self.judged.grade[rows] >= RELEVANT * best
            if self.judged.source == "judgements"
            else self.judged.grade[rows] > 0
        )
        self.right = rows[right]
        wrong = (
            rows[self.judged.grade[rows] <= best / 3]
            if self.judged.source == "judgements"
            else rows[:0]
        )
        self.wrong = {
            int(q): self.judged.item[wrong[self.judged.query[wrong] == q]]
            for q in np.unique(self.judged.query[wrong])
        }
        need(len(self.right) >= 2, "fewer than two right products to learn from")

    def draw(self, step: int, size: int, rng: np.random.Generator) -> np.ndarray:
        """Sample a batch (size, 2 + HARD): query, relevant product, irrelevant products."""
        rows = self.right[rng.integers(0, len(self.right), size)]
        query, item = self.judged.query[rows], self.judged.item[rows]
        anyone = self.judged.item[rng.integers(0, len(self.judged.item), (size, HARD))]
        for i, q in enumerate(query):
            if int(q) in self.wrong:
                anyone[i] = rng.choice(self.wrong[int(q)], HARD)
        return np.concatenate([query[:, None], item[:, None], anyone], axis=1)

    def collate(self, rows: np.ndarray, rng: np.random.Generator) -> Batch:
        """Batch of queries and products. rows: (size, 2 + HARD), from `draw`."""
        n = len(self.judged.queries)
        shifted = np.concatenate([rows[:, :1], rows[:, 1:] + n], axis=1)
        unique, place = np.unique(shifted, return_inverse=True)
        place = torch.from_numpy(place.reshape(shifted.shape)).to(self.store.device)
        target = torch.from_numpy(rows[:, 0].copy()).to(self.store.device)
        extra = {
            "anchor": place[:, :1],
            "positive": place[:, 1],
            "hard": place[:, 2:],
            "hard_item": torch.full_like(place[:, 2:], -1),
            "log_popularity": torch.zeros(len(rows), device=self.store.device),
        }
        augment = (lambda texts: self.augment(texts, rng)) if self.augment else None
        return Batch(self.store.batch(unique, augment), target, extra)

    def validate(self) -> float:
        return float(np.nanmean(ndcg_of(self.judged, VALIDATION, self.store.vectors())))


def ndcg_of(judged: Judged, part: int, vectors: np.ndarray) -> np.ndarray:
    """NDCG@10 with gain 2^grade − 1 of the queries of a part: (queries,). vectors: (queries +
    items, dim).

    With judgments, a query's judged products are ranked; with clicks, all products.
    """
    n = len(judged.queries)
    return scored(judged, part, lambda q, items: vectors[n + items] @ vectors[q], len(vectors) - n)


def scored(judged: Judged, part: int, score, n_items: int) -> np.ndarray:
    """(queries,) NDCG@10 of each judged query of this part. score(query, items) gives (items,)
    scores.
    """
    out = []
    for q in np.flatnonzero(judged.part == part):
        rows = np.flatnonzero(judged.query == q)
        grade = np.zeros(n_items)
        grade[judged.item[rows]] = judged.grade[rows]
        items = (
            np.unique(judged.item[rows]) if judged.source == "judgements" else np.arange(n_items)
        )
        order = np.lexsort((items, -score(q, items)))
        out.append(ndcg_graded(grade[items[order]], 10))
    return np.array(out)


def try_fields(run: Run) -> None:
    """One trial of the hyperparameter search, on training and validation queries."""
    judged, products = read_judged(run), product_texts(run.snapshot.products)
    store = TextStore(
        load_encoder(run.config.text, run.config.seed).to(device()),
        judged.queries + products,
        device(),
        run.cache,
    )
    task = SearchTask(store, judged, run.config, make_augment(run.config.text, store.encoder))
    chosen = steps_for(run.config.text, len(task.right))
    train(
        task,
        TuningMethod(store.encoder, chosen),
        chosen,
        run.config.seed,
        run.keeper,
        run.look("Fine-tuning", chosen.steps, "ndcg@10"),
    )


def fit_search(run: Run) -> tuple[TextEncoder, np.ndarray, dict]:
    """The encoder, the product vectors (items, dim), and the report. Raises TrainingError."""
    config: SearchConfig = run.config
    judged = read_judged(run)
    products = product_texts(run.snapshot.products)
    encoder = load_encoder(config.text, config.seed, run, judged.queries + products[:500]).to(
        device()
    )
    run.progress.stage(
        "Baselines", 0, f"{len(judged.queries):,} queries, {len(judged.item):,} {judged.source}"
    )
    store = TextStore(
        encoder, judged.queries + products, device(), run.cache, tell=run.reading("Baselines")
    )
    before = store.vectors()
    tuned = TuningMethod(encoder, config.text)
    task = SearchTask(store, judged, config, make_augment(config.text, encoder))
    chosen = steps_for(config.text, len(task.right))
    outcome: Outcome = train(
        task,
        tuned,
        chosen,
        config.seed,
        run.keeper.child("search"),
        run.look("Fine-tuning", chosen.steps, "ndcg@10"),
    )
    tuned.finish()
    run.progress.stage("Check", 0)
    after = store.vectors()
    report = run.report_head(
        {
            "kind": judged.source,
            "queries": int((judged.part == TEST).sum()),
            "products": len(products),
        }
    )
    systems = {
        "words": _by_words(judged, products),
        "text_before": ndcg_of(judged, TEST, before),
        "text_after": ndcg_of(judged, TEST, after),
    }
    report["systems"] = {
        name: {"ndcg@10": dict(zip(("value", "low", "high"), bootstrap_interval(v), strict=True))}
        for name, v in systems.items()
    }
    report["champion"] = _judge_champion(run, judged, products, report["systems"])
    report["chosen"] = {"text.steps": outcome.best_step, "trainable_share": outcome.trainable_share}
    report["primary"] = {
        "measure": "ndcg@10",
        "system": "text_after",
        "baseline": "words",
        "higher_is_better": True,
    }
    return encoder, after[len(judged.queries) :], run.finish_report(report)


def _judge_champion(run: Run, judged: Judged, products: list[str], systems: dict) -> dict:
    """Metrics of the champion on the same test queries, which no run is trained on."""
    if run.champion is None:
        return compared(NO_CHAMPION)
    try:
        theirs = TextEncoder.load(str(run.champion / "encoder"), run.config.text.max_tokens)
    except ConfigError as error:
        return compared(f"the champion cannot be read: {error}")
    ndcg = ndcg_of(judged, TEST, theirs.encode(judged.queries + products))
    systems["champion"] = {
        "ndcg@10": dict(zip(("value", "low", "high"), bootstrap_interval(ndcg), strict=True))
    }
    return compared()


def _by_words(judged: Judged, products: list[str]) -> np.ndarray:
    """Ranking by the cosine of TF-IDF vectors."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"\w+")  # noqa: S106  words
    items = vectorizer.fit_transform([p or "-" for p in products])
    queries = vectorizer.transform(judged.queries)
    return scored(
        judged,
        TEST,
        lambda q, among: np.asarray((items[among] @ queries[q].T).todense()).ravel(),
        len(products),
    )
