"""The search engine: lexical and semantic candidates of a query, fused into one ranked list."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from training.search.documents import CODE_WEIGHTS, FIELD_WEIGHTS, TITLE
from training.search.lexical import Alternative, Hits, LexicalIndex, Query
from training.search.query_plan import QueryPlan, Slot
from training.search.semantic import SemanticIndex

LEXICAL_MOST, SEMANTIC_MOST = 200, 200
"""Candidates of each kind of retrieval."""
RANK_OFFSET = 60
"""Constant of reciprocal rank fusion (Cormack et al. 2009)."""
LEXICAL_WEIGHT, SEMANTIC_WEIGHT = 1.0, 2.0
BIGRAM_WEIGHT = 0.3
"""Weight of character bigrams of unspaced scripts, against the words of the segmenter."""
ADJACENT_WEIGHT = 0.5
"""Weight of two words of the query that stand next to each other in the title."""
ENOUGH = 10
"""Products that match all words, below which a query is relaxed."""
SELECTIVE = 5_000
"""Most eligible products whose keys are handed to the index, so that a narrow filter fills."""
WIDEST = 20_000
"""Lexical matches that are read at most to fill a filtered list."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates of one query, best first by reciprocal rank fusion.

    keys: (n,) int64
    lexical: (n,) BM25 scores, 0 where no word matches; lexical_rank: (n,) from 0, -1 without
    semantic: (n,) cosines, nan where unknown; semantic_rank: (n,) from 0, -1 beyond the nearest
    fused: (n,) scores by reciprocal ranks
    equal: (n,) bool: a code of the product equals the query
    matched: (n,) bool: all words that were required match
    total: products that match the words required
    dropped: slots that need not match any more, because too few products match all
    """

    keys: np.ndarray
    lexical: np.ndarray
    lexical_rank: np.ndarray
    semantic: np.ndarray
    semantic_rank: np.ndarray
    fused: np.ndarray
    equal: np.ndarray
    matched: np.ndarray
    total: int = 0
    dropped: tuple[Slot, ...] = field(default_factory=tuple)

    def __len__(self) -> int:
        return len(self.keys)

    def only(self, rows: np.ndarray) -> "Candidates":
        """These rows (n,), in this order."""
        arrays = {
            name: getattr(self, name)[rows]
            for name in (
                "keys",
                "lexical",
                "lexical_rank",
                "semantic",
                "semantic_rank",
                "fused",
                "equal",
                "matched",
            )
        }
        return Candidates(**arrays, total=self.total, dropped=self.dropped)


@dataclass(frozen=True)
class Eligible:
    """Products that a list may hold: keys (n,) int64 ascending, and how many there are in all."""

    keys: np.ndarray
    of: int

    def mask(self, keys: np.ndarray) -> np.ndarray:
        """(n,) bool: which of these (n,) are eligible."""
        if not len(self.keys):
            return np.zeros(len(keys), dtype=bool)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return self.keys[at] == keys


def retrieve(
    index: LexicalIndex,
    plan: QueryPlan,
    semantic: SemanticIndex | None = None,
    vector: np.ndarray | None = None,
    eligible: Eligible | None = None,
    most: int = LEXICAL_MOST,
) -> Candidates:
    """Candidates of a query among the eligible products.

    vector: (dim,) of the query; None: lexical retrieval alone
    """
    hits, total, dropped = _lexical(index, plan, eligible, most)
    near_keys = np.zeros(0, np.int64)
    if semantic is not None and vector is not None:
        allowed = eligible.mask(semantic.keys) if eligible is not None else None
        near_keys, _ = semantic.nearest(vector, max(SEMANTIC_MOST, most), allowed)
    keys = np.concatenate([hits.keys, near_keys[~np.isin(near_keys, hits.keys)]])
    lexical_rank, semantic_rank = _ranks(keys, hits.keys), _ranks(keys, near_keys)
    lexical = np.zeros(len(keys), np.float32)
    lexical[: len(hits.keys)] = hits.scores
    cosine = np.full(len(keys), np.nan, np.float32)
    if semantic is not None and vector is not None:
        cosine = semantic.cosines(vector, keys)
    equal = _equal(index, plan, keys)
    matched = np.zeros(len(keys), dtype=bool)
    required = [s for s in plan.required if s not in dropped]
    matched[: len(hits.keys)] = _match_all(index, required, hits.keys)
    fused = fuse(lexical_rank, semantic_rank)
    out = Candidates(
        keys, lexical, lexical_rank, cosine, semantic_rank, fused, equal, matched, total, dropped
    )
    return out.only(np.lexsort((keys, -fused, ~equal)))


def fuse(lexical_rank: np.ndarray, semantic_rank: np.ndarray) -> np.ndarray:
    """(n,) weighted reciprocal rank fusion of ranks (n,) from 0; -1 adds nothing."""
    total = np.zeros(len(lexical_rank))
    pairs = ((LEXICAL_WEIGHT, lexical_rank), (SEMANTIC_WEIGHT, semantic_rank))
    for weight, rank in pairs:
        total += np.where(rank >= 0, weight / (RANK_OFFSET + 1 + rank), 0.0)
    return total


def queries_of(index: LexicalIndex, slots: Sequence[Slot]) -> list[Query]:
    """One query per slot, which any of its alternatives matches."""
    return [index.any_of(slot.alternatives) for slot in slots]


def _lexical(
    index: LexicalIndex, plan: QueryPlan, eligible: Eligible | None, most: int
) -> tuple[Hits, int, tuple[Slot, ...]]:
    """The best lexical matches, how many match the required words, and the words dropped.

    A product need not match all words to be a candidate; products that do rank by that.
    """
    if not plan.slots:
        return Hits(np.zeros(0, np.int64), np.zeros(0, np.float32), 0), 0, ()
    should = queries_of(index, plan.slots)
    extra = [*_adjacent(index, plan.slots), *_bigrams(index, plan)]
    few = eligible is not None and len(eligible.keys) <= SELECTIVE
    among = eligible.keys.tolist() if few else None
    total, dropped = _relaxed(index, plan, among)
    if eligible is None or few:
        return index.search(should, most, among=among, extra=extra), total, dropped
    width = most
    share = max(len(eligible.keys) / max(eligible.of, 1), 1e-3)
    while True:
        width = min(WIDEST, max(2 * width, int(1.5 * most / share)))
        hits = index.search(should, width, extra=extra)
        passed = eligible.mask(hits.keys)
        if passed.sum() >= most or len(hits.keys) < width or width == WIDEST:
            rows = np.flatnonzero(passed)[:most]
            return Hits(hits.keys[rows], hits.scores[rows], len(rows)), total, dropped


def _relaxed(
    index: LexicalIndex, plan: QueryPlan, among: list[int] | None
) -> tuple[int, tuple[Slot, ...]]:
    """How many products match the required words, and the words dropped until some do.

    The most frequent words are dropped first, since they say least.
    """
    required, dropped = list(plan.required), []
    frequency = {slot: _frequency(index, slot) for slot in required}
    while True:
        queries = queries_of(index, required)
        total = index.search(queries, 1, len(queries), among=among, count=True).total
        if total or len(required) == 1:
            return total, tuple(dropped)
        missing = [slot for slot in required if not frequency[slot]]
        slot = missing[0] if missing else max(required, key=lambda s: frequency[s])
        required.remove(slot)
        dropped.append(slot)


def _frequency(index: LexicalIndex, slot: Slot) -> int:
    singles = [one for one in slot.alternatives if len(one.terms) == 1]
    return max((index.document_frequency(o.terms[0], o.fields) for o in singles), default=0)


def _adjacent(index: LexicalIndex, slots: Sequence[Slot]) -> list[Query]:
    """Queries that raise titles with two words of the query next to each other."""
    weight = {TITLE: ADJACENT_WEIGHT * FIELD_WEIGHTS[TITLE]}
    return [index.phrase((*a.terms, *b.terms), weight) for a, b in pairwise(slots)]


def _bigrams(index: LexicalIndex, plan: QueryPlan) -> list[Query]:
    return [index.any_of([Alternative((term,), BIGRAM_WEIGHT)]) for term in plan.bigrams]


def _match_all(index: LexicalIndex, required: Sequence[Slot], keys: np.ndarray) -> np.ndarray:
    """(n,) bool: which of these documents (n,) match every slot."""
    if not required or not len(keys):
        return np.zeros(len(keys), dtype=bool)
    queries = queries_of(index, required)
    found = index.search(queries, len(keys), len(queries), among=keys.tolist())
    return np.isin(keys, found.keys)


def _equal(index: LexicalIndex, plan: QueryPlan, keys: np.ndarray) -> np.ndarray:
    """(n,) bool: products with a code that is the whole query."""
    if not plan.codes or not len(keys):
        return np.zeros(len(keys), dtype=bool)
    queries = [index.term(code, CODE_WEIGHTS) for code in plan.codes]
    return np.isin(keys, index.search(queries, len(keys)).keys)


def _ranks(keys: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """(n,) rank from 0 of each key among the ranked ones; -1 where it is not among them."""
    place = {int(key): rank for rank, key in enumerate(ranked)}
    return np.array([place.get(int(key), -1) for key in keys], dtype=np.int64)
