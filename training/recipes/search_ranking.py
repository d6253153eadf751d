"""Candidates and features of judged queries, on which the search ranker is trained and judged."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl

from training.candidates.text_similarity import TextSpace
from training.configuration.text_recipes import SearchConfig
from training.data.product_text import title_texts
from training.data.snapshot import TYPE_CODE, Snapshot
from training.errors import need
from training.metrics.search import measures_of
from training.recipes.search_encoder import SearchEncoder, Vectors
from training.recipes.search_judgements import TEST, Judged
from training.search.cross_encoder import RERANKED_MOST, reranked
from training.search.documents import SearchDocument, document_of
from training.search.engine import Candidates, retrieve
from training.search.features import ShopSignals, features
from training.search.index_writer import build
from training.search.lexical import LexicalIndex
from training.search.query_plan import QueryPlan, plan_query
from training.search.ranker import (
    RANKED_MOST,
    RankerConfig,
    RankerRows,
    SearchRanker,
    grades_of,
    ordered,
    ranked_order,
    train_ranker,
)
from training.search.semantic import SemanticIndex

UNJUDGED = 10
"""Unjudged candidates per query that the ranker learns from, as products of no relevance."""
DAY = 86_400
MONTH = 30 * DAY
HAN_SHARE = 0.5


def documents_of(snapshot: Snapshot) -> Iterator[SearchDocument]:
    """The products as the index reads them; keys are their rows."""
    names = ("title", "brand", "categories", "attributes", "description", "item_id")
    columns = [snapshot.products[name].to_list() for name in names]
    for row, values in enumerate(zip(*columns, strict=True)):
        title, brand, categories, attributes, description, item_id = values
        yield document_of(
            row,
            title or "",
            json.loads(attributes) if attributes else {},
            brand=brand or "",
            categories=categories or (),
            description=description or "",
            item_id=item_id,
        )


def languages_of(snapshot: Snapshot) -> tuple[str, ...]:
    """Chinese before English where most titles have Chinese characters, else English."""
    han = snapshot.products["title"].head(1_000).fill_null("").str.contains("[一-鿿]").mean()
    return ("zh", "en") if han is not None and han > HAN_SHARE else ("en",)


@contextmanager
def lexical_index(snapshot: Snapshot) -> Iterator[LexicalIndex]:
    """The index of the snapshot's products, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="vitrine-search-") as folder:
        yield build(Path(folder) / "index", documents_of(snapshot), languages_of(snapshot))


@dataclass(frozen=True, eq=False)
class Results:
    """Candidates of one query with their features.

    features: (m, features) of the best `RANKED_MOST` candidates
    """

    candidates: Candidates
    features: np.ndarray


@dataclass(frozen=True, eq=False)
class Retriever:
    """Retrieves the candidates of judged queries with one encoder's vectors; None: by words."""

    index: LexicalIndex
    snapshot: Snapshot
    judged: Judged
    plans: Sequence[QueryPlan]
    vectors: Vectors | None

    @classmethod
    def of(cls, index: LexicalIndex, snapshot: Snapshot, judged: Judged) -> "Retriever":
        plans = [plan_query(index, query) for query in judged.queries]
        return cls(index, snapshot, judged, plans, None)

    def with_vectors(self, vectors: Vectors) -> "Retriever":
        return Retriever(self.index, self.snapshot, self.judged, self.plans, vectors)

    @cached_property
    def semantic(self) -> SemanticIndex | None:
        if self.vectors is None:
            return None
        keys = np.arange(len(self.vectors.products))
        return SemanticIndex(keys, TextSpace(self.vectors.products), self.vectors.titles)

    @cached_property
    def shop(self) -> ShopSignals:
        """Signals of every product."""
        return shop_signals(self.snapshot)

    def candidates(self, query: int) -> Candidates:
        vector = None if self.vectors is None else self.vectors.queries[query]
        return retrieve(self.index, self.plans[query], self.semantic, vector)

    def results(self, query: int) -> Results:
        """The candidates of a query by number, with the features of the best ones."""
        candidates = self.candidates(query)
        best = candidates.only(np.arange(min(RANKED_MOST, len(candidates))))
        vector = None if self.vectors is None else self.vectors.queries[query]
        shop = self.shop.of(best.keys)
        return Results(
            candidates,
            features(self.index, self.plans[query], best, self.semantic, vector, shop),
        )

    def nearest(self, query: int) -> np.ndarray:
        """(n,) products by meaning alone."""
        return self.semantic.nearest(self.vectors.queries[query], RANKED_MOST)[0]


def shop_signals(snapshot: Snapshot) -> ShopSignals:
    """Popularity, price and age of the products at the time of the last event."""
    n, events = snapshot.n_items, snapshot.events
    now = int(events.time.max()) if len(events) else None
    sold = events.item[events.type == TYPE_CODE["purchase"]]
    recent = events.item[
        (events.type == TYPE_CODE["purchase"]) & (events.time > (now or 0) - MONTH)
    ]
    counts = np.bincount(sold, minlength=n), np.bincount(recent, minlength=n)
    order = np.lexsort((np.arange(n), -counts[0], -counts[1]))
    place = np.full(n, np.nan, np.float32)
    place[order] = np.arange(n)
    place[counts[0] == 0] = np.nan
    since = snapshot.products["available_from"].cast(pl.Datetime("us", "UTC")).dt.epoch("s")
    days = np.full(n, np.nan, np.float32)
    if now is not None:
        days = (now - since.to_numpy().astype(np.float64)) / DAY
    price = snapshot.products["price"].cast(pl.Float32).to_numpy()
    unknown = np.full(n, np.nan, np.float32)
    return ShopSignals(place, price, np.maximum(days, 0).astype(np.float32), unknown)


def rows_of(results: Sequence[Results], grades: Sequence[Mapping[int, int]], seed: int):
    """RankerRows of these queries: judged candidates, and some of the others as irrelevant ones."""
    rng = np.random.default_rng(seed)
    parts, gains, group = [], [], []
    for one, known in zip(results, grades, strict=True):
        keys = one.candidates.keys[: len(one.features)].tolist()
        is_judged = np.array([key in known for key in keys], dtype=bool)
        others = np.flatnonzero(~is_judged)
        others = rng.choice(others, min(UNJUDGED, len(others)), replace=False)
        rows = np.sort(np.concatenate([np.flatnonzero(is_judged), others])).astype(np.int64)
        if is_judged.any():
            parts.append(one.features[rows])
            gains.append(np.array([known.get(keys[row], 0) for row in rows]))
            group.append(len(rows))
    need(len(parts) > 0, "no query finds a product that is judged for it")
    return RankerRows(np.concatenate(parts), np.concatenate(gains), np.array(group))


@dataclass(frozen=True, eq=False)
class Learned:
    """What rankers learn from: queries with their results and grades.

    numbers: (n,) of the queries
    """

    numbers: np.ndarray
    results: list[Results]
    grades: list[dict[int, int]]

    def ranker(self, config: SearchConfig, rows: np.ndarray | None = None) -> SearchRanker:
        """The ranker that learns from these queries (m,), by position; None: from all."""
        chosen = range(len(self.numbers)) if rows is None else rows.tolist()
        made = rows_of(
            [self.results[i] for i in chosen], [self.grades[i] for i in chosen], config.seed
        )
        return train_ranker(made, RankerConfig(seed=config.seed, rounds=config.rounds))


def learned_from(
    judged: Judged, retriever: Retriever, encoder: SearchEncoder, before: Vectors
) -> Learned:
    """Results of all queries but those of the test.

    A fine-tuned encoder has seen the queries, so its cosines say more about them than about those
    of shoppers. Their features therefore come from encoders that were fine-tuned without them
    (cross-fitting; Chernozhukov et al. 2018).

    before: vectors of the encoder as loaded, which has seen no query
    """
    numbers, results = [], []
    parts = (
        map(encoder.without, range(len(encoder.folds)))
        if encoder.share
        else [(np.flatnonzero(judged.part != TEST), before)]
    )
    for queries, vectors in parts:
        unseen = retriever.with_vectors(vectors)
        numbers += queries.tolist()
        results += [unseen.results(query) for query in queries.tolist()]
    grades = [
        dict(zip(known, grades_of(list(known.values()), judged.best).tolist(), strict=True))
        for known in (judged.grades[query] for query in numbers)
    ]
    return Learned(np.array(numbers), results, grades)


class Reranker(Protocol):
    """A cross-encoder."""

    def score(self, query: str, titles: list[str]) -> np.ndarray:
        """(n,) what these titles (n,) add to the scores of the ranker."""


def lists_of(
    retriever: Retriever,
    ranker: SearchRanker | None,
    queries: np.ndarray,
    reranker: Reranker | None = None,
) -> dict[str, list[list[int]]]:
    """Ranked lists of each system, by query; `reranked`: by the cross-encoder, if any."""
    out: dict[str, list[list[int]]] = {"fused": [], "text": [], "ranked": [], "reranked": []}
    titles = title_texts(retriever.snapshot.products) if reranker else []
    for query in queries.tolist():
        results = retriever.results(query)
        out["fused"].append(results.candidates.keys.tolist())
        out["text"].append(retriever.nearest(query).tolist())
        if ranker is None:
            continue
        best, scores = ordered(results.candidates, ranker.score(results.features))
        out["ranked"].append(best.keys.tolist())
        if reranker is not None:
            top = [titles[key] for key in best.keys[:RERANKED_MOST].tolist()]
            added = reranker.score(retriever.judged.queries[query], top)
            order = ranked_order(best, reranked(best, scores, added))
            out["reranked"].append(best.keys[order].tolist())
    return out


def measured(judged: Judged, queries: np.ndarray, lists: list[list[int]]) -> dict[str, np.ndarray]:
    """(queries,) values of each measure of one system."""
    rows = [
        measures_of(ranked, judged.grades[query], judged.best)
        for query, ranked in zip(queries.tolist(), lists, strict=True)
    ]
    names = rows[0] if rows else ()
    return {name: np.array([row[name] for row in rows]) for name in names}
