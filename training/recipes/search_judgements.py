"""Judged queries: the relevance of products to queries, and the part of each query."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from training.configuration.text_recipes import SearchConfig
from training.errors import need
from training.runs.run import Run
from training.search.clicks import relevance_of_shown

TRAIN, VALIDATION, TEST = 0, 1, 2
JUDGEMENTS, LISTS, CLICKS = "judgements", "lists", "clicks"
"""Where relevance comes from: judged products; clicks on results with their positions; clicks."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Relevance judgments: queries with graded products.

    query, item: (n,) indices; grade: (n,) relevance; part: (queries,) split of each query; source:
    JUDGEMENTS, LISTS or CLICKS; propensity: (positions,) of LISTS, how likely each is looked at
    """

    queries: list[str]
    query: np.ndarray
    item: np.ndarray
    grade: np.ndarray
    part: np.ndarray
    source: str
    propensity: np.ndarray | None = None

    def rows(self, part: int) -> np.ndarray:
        """Indices (n,) of the judgments of a split."""
        return np.flatnonzero(self.part[self.query] == part)

    def of(self, part: int) -> np.ndarray:
        """Numbers (queries,) of the queries of a split."""
        return np.flatnonzero(self.part == part)

    @cached_property
    def best(self) -> float:
        """The highest grade."""
        return float(self.grade.max())

    @cached_property
    def grades(self) -> list[dict[int, float]]:
        """Grades of the judged products, by query."""
        out: list[dict[int, float]] = [{} for _ in self.queries]
        for query, item, grade in zip(
            self.query.tolist(), self.item.tolist(), self.grade.tolist(), strict=True
        ):
            out[query][item] = max(grade, out[query].get(item, grade))
        return out


def read_judged(run: Run) -> Judged:
    """Judgments, else clicks on shown results, else clicks after queries. Raises TrainingError
    without any, or with too few queries for three parts.
    """
    config, snapshot, propensity = run.config, run.snapshot, None
    lists = snapshot.tables.get("search_lists")
    table = snapshot.tables.get("judgements")
    if table is not None and len(table):
        row = {item_id: i for i, item_id in enumerate(snapshot.item_ids)}
        frame = table.with_columns(
            item=pl.Series([row[i] for i in table["item_id"]], dtype=pl.Int64)
        )
        source = JUDGEMENTS
    elif lists is not None and lists["clicked"].any():
        frame, propensity = _from_lists(lists, snapshot.item_ids)
        source = LISTS
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
        source = CLICKS
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
        propensity,
    )


def _from_lists(lists: pl.DataFrame, item_ids: list[str]) -> tuple[pl.DataFrame, np.ndarray]:
    """(relevance of each shown product to its query by a click model, as a grade from 0 to 1;
    propensities of the positions). Queries without a click say nothing and are left out.
    """
    row = {item_id: i for i, item_id in enumerate(item_ids)}
    lists = lists.with_columns(
        query=pl.col("query").str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars(),
    )
    relevance, propensity = relevance_of_shown(lists)
    frame = relevance.select(
        "query",
        item=pl.col("item_id").replace_strict(row, return_dtype=pl.Int64),
        grade="relevance",
        fold=pl.lit(None, dtype=pl.Int64),
    )
    return frame, propensity


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
