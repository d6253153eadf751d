"""The search engine: lexical and semantic candidates of a query, fused into one ranked list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from training.search.analysis import Analyzer, size_of
from training.search.documents import CODE_WEIGHTS, FIELD_WEIGHTS, TITLE
from training.search.lexical import Alternative, Hits, LexicalIndex, Query
from training.search.query_plan import QueryPlan, Slot
from training.search.semantic import SemanticIndex

LEXICAL_MOST, SEMANTIC_MOST = 200, 200
"""Candidates of each kind of retrieval."""
RANK_OFFSET = 60
"""Constant of reciprocal rank fusion (Cormack et al. 2009)."""
LEXICAL_WEIGHT, SEMANTIC_WEIGHT = 1.0, 2.0
BEHIND = 1e-3
"""Factor of the scores of candidates beyond the first ranks."""
BIGRAM_WEIGHT = 0.3
"""Weight of character bigrams of unspaced scripts, against the words of the segmenter."""
ADJACENT_WEIGHT = 0.5
"""Weight of two words of the query that stand next to each other in the title."""
STRICT_MOST = 1_000
"""Products that match all words and are read; of more, their number is estimated."""
SELECTIVE = 5_000
"""Most eligible products whose keys are handed to the index, so that a narrow filter fills."""
WIDEST = 20_000
"""Lexical matches that are read at most to fill a filtered list."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates of one query, best first by reciprocal rank fusion.

    keys: (n,) int64
    lexical: (n,) BM25 scores, 0 where no word matches; lexical_rank: (n,) from 0 by these scores,
    those that match all words first; -1 without
    semantic: (n,) cosines, nan where unknown; semantic_rank: (n,) from 0, -1 beyond the nearest
    fused: (n,) scores by reciprocal ranks
    equal: (n,) bool: a code of the product equals the query
    matched: (n,) bool: all words that were required match
    total: products that match the words required; an estimate unless is_exact
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
    is_exact: bool = True
    dropped: tuple[Slot, ...] = ()

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
        return replace(self, **arrays)


@dataclass(frozen=True)
class Eligible:
    """Products that a list may hold: keys (n,) int64 ascending, and how many there are in all."""

    keys: np.ndarray
    of: int

    @property
    def share(self) -> float:
        """Share of all products that are eligible."""
        return len(self.keys) / max(self.of, 1)

    def mask(self, keys: np.ndarray) -> np.ndarray:
        """(n,) bool: which of these (n,) are eligible."""
        return _is_in(keys, self.keys)


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
    strict = _strict(index, plan, eligible)
    hits = _hits(index, plan, eligible, most)
    near_keys = np.zeros(0, np.int64)
    if semantic is not None and vector is not None:
        allowed = eligible.mask(semantic.keys) if eligible is not None else None
        near_keys, _ = semantic.nearest(vector, max(SEMANTIC_MOST, most), allowed)
    keys = np.concatenate([hits.keys, near_keys[~_is_in(near_keys, np.sort(hits.keys))]])
    matched = _matched(index, strict, keys)
    best = _matched_first(hits.keys, matched[: len(hits.keys)])
    lexical_rank, semantic_rank = _ranks(keys, best), _ranks(keys, near_keys)
    lexical = np.zeros(len(keys), np.float32)
    lexical[: len(hits.keys)] = hits.scores
    cosine = np.full(len(keys), np.nan, np.float32)
    if semantic is not None and vector is not None:
        cosine = semantic.cosines(vector, keys)
    # Only the first ranks count, so that deeper pages continue the first one.
    fused = fuse(lexical_rank, semantic_rank)
    if max(len(hits.keys), len(near_keys)) > min(LEXICAL_MOST, SEMANTIC_MOST):
        deep = fused
        lexical_rank = np.where(lexical_rank < LEXICAL_MOST, lexical_rank, -1)
        semantic_rank = np.where(semantic_rank < SEMANTIC_MOST, semantic_rank, -1)
        fused = fuse(lexical_rank, semantic_rank)
        fused = np.where(fused > 0, fused, BEHIND * deep)
    equal = _equal(index, plan, keys)
    out = Candidates(
        keys,
        lexical,
        lexical_rank,
        cosine,
        semantic_rank,
        fused,
        equal,
        matched=matched,
        total=strict.total,
        is_exact=strict.is_exact,
        dropped=strict.dropped,
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


@dataclass(frozen=True, eq=False)
class _Strict:
    """Eligible products that match every required word: the best ones, and how many there are.

    slots: the words that are still required; is_whole: keys has all of them
    """

    keys: np.ndarray
    total: int = 0
    is_exact: bool = True
    dropped: tuple[Slot, ...] = ()
    slots: tuple[Slot, ...] = ()
    is_whole: bool = True


def _matched(index: LexicalIndex, strict: _Strict, keys: np.ndarray) -> np.ndarray:
    """(n,) bool: which of these products match every word that is still required."""
    if strict.is_whole or not len(keys):
        return _is_in(keys, np.sort(strict.keys))
    queries = queries_of(index, strict.slots)
    matching = index.search(queries, len(keys), len(queries), keys.tolist()).keys
    return _is_in(keys, np.sort(matching))


def _strict(index: LexicalIndex, plan: QueryPlan, eligible: Eligible | None) -> _Strict:
    """Products that match all words; without any, words are dropped until some do.

    Unknown words are dropped first, then the most frequent ones, since they say least.
    """
    required, dropped = list(plan.required), []
    if not required:
        return _Strict(np.zeros(0, np.int64))
    frequency = {slot: _frequency(index, slot) for slot in required}
    among = _among(eligible)
    while True:
        queries = queries_of(index, required)
        found = index.search(queries, STRICT_MOST, len(queries), among=among, count=True)
        keys, total = found.keys, found.total
        is_exact = eligible is None or among is not None or total <= STRICT_MOST
        if eligible is not None and among is None:
            keys = keys[eligible.mask(keys)]
            total = len(keys) if is_exact else round(total * eligible.share)
        if total or len(required) == 1:
            is_whole = found.total <= STRICT_MOST
            return _Strict(keys, total, is_exact, tuple(dropped), tuple(required), is_whole)
        slot = min(required, key=lambda s: (frequency[s] > 0, -frequency[s]))
        required.remove(slot)
        dropped.append(slot)


def _matched_first(keys: np.ndarray, matched: np.ndarray) -> np.ndarray:
    """The keys (n,) of hits, those before the others that match all words.

    Deeper ones keep their order, so that it does not change with the number of hits.
    """
    order = np.argsort(~matched[:LEXICAL_MOST], kind="stable")
    return np.concatenate([keys[order], keys[LEXICAL_MOST:]])


def _hits(index: LexicalIndex, plan: QueryPlan, eligible: Eligible | None, most: int) -> Hits:
    """The best eligible products that match any word but stop words, so that a near miss is a
    candidate. Stop words add to the score of what matches.
    """
    required = plan.required
    optional = plan.slots if len(required) < len(plan.slots) else ()
    should = queries_of(index, required)
    extra = queries_of(index, [slot for slot in optional if slot.stop_word])
    extra += [*_adjacent(index, plan.slots), *_bigrams(index, plan)]
    among = _among(eligible)
    if eligible is None or among is not None:
        return index.search(should, most, among=among, extra=extra)
    width = int(1.5 * most / max(eligible.share, 1e-3))
    while True:
        width = min(WIDEST, width)
        hits = index.search(should, width, extra=extra)
        passed = np.flatnonzero(eligible.mask(hits.keys))[:most]
        if len(passed) == most or len(hits.keys) < width or width == WIDEST:
            return Hits(hits.keys[passed], hits.scores[passed], len(passed))
        width *= 3


def _among(eligible: Eligible | None) -> list[int] | None:
    """Keys that the index itself looks among, where they are few."""
    few = eligible is not None and len(eligible.keys) <= SELECTIVE
    return eligible.keys.tolist() if few else None


def matching_ranges(analyzer: Analyzer, plan: QueryPlan, text: str) -> list[tuple[int, int]]:
    """Character ranges [begin, end) of a text that match the query, in order."""
    wanted, codes = plan.highlighted
    out: list[tuple[int, int]] = []
    chunks = analyzer.title_chunks(text)
    for i, chunk in enumerate(chunks):
        following = chunks[i + 1] if i + 1 < len(chunks) else None
        size = size_of(chunk, following)
        if size and size in wanted:
            out.append((chunk.begin, following.end))
        elif {*chunk.terms, chunk.joined} & wanted or chunk.joined in codes:
            out.append((chunk.begin, chunk.end))
    return out


def _frequency(index: LexicalIndex, slot: Slot) -> int:
    singles = [one for one in slot.alternatives if len(one.terms) == 1]
    return max((index.document_frequency(o.terms[0], o.fields) for o in singles), default=0)


def _adjacent(index: LexicalIndex, slots: Sequence[Slot]) -> list[Query]:
    """Queries that raise titles with two words of the query next to each other."""
    weight = {TITLE: ADJACENT_WEIGHT * FIELD_WEIGHTS[TITLE]}
    return [index.phrase((*a.terms, *b.terms), weight) for a, b in pairwise(slots)]


def _bigrams(index: LexicalIndex, plan: QueryPlan) -> list[Query]:
    return [index.any_of([Alternative((term,), BIGRAM_WEIGHT)]) for term in plan.bigrams]


def _equal(index: LexicalIndex, plan: QueryPlan, keys: np.ndarray) -> np.ndarray:
    """(n,) bool: products with a code that is the whole query."""
    known = [code for code in plan.codes if index.document_frequency(code, CODE_WEIGHTS)]
    if not known or not len(keys):
        return np.zeros(len(keys), dtype=bool)
    queries = [index.term(code, CODE_WEIGHTS) for code in known]
    return _is_in(keys, np.sort(index.search(queries, len(keys), among=keys.tolist()).keys))


def _is_in(keys: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(n,) bool: which keys (n,) are among the known ones, ascending; several times quicker than
    np.isin.
    """
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    at = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return known[at] == keys


def _ranks(keys: np.ndarray, ranked: np.ndarray) -> np.ndarray:
    """(n,) rank from 0 of each key among the ranked ones; -1 where it is not among them."""
    if not len(ranked):
        return np.full(len(keys), -1, dtype=np.int64)
    order = np.argsort(ranked)
    at = np.minimum(np.searchsorted(ranked, keys, sorter=order), len(ranked) - 1)
    return np.where(ranked[order[at]] == keys, order[at], -1)
