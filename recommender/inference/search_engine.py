"""The search engine: what one query finds, by products' primary keys."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from recommender.inference.search_ranking import Ranked, Ranking, features_of, rank
from recommender.infrastructure import process_caches

if TYPE_CHECKING:
    import polars as pl

    from recommender.inference.ranking_model import Model
    from recommender.inference.search_model import SearchModel
    from training.search.engine import Eligible
    from training.search.features import ShopSignals
    from training.search.lexical import LexicalIndex
    from training.search.query_plan import QueryPlan, Wording
    from training.search.semantic import SemanticIndex

IndexReader: TypeAlias = "LexicalIndex"
Plan: TypeAlias = "QueryPlan"
ShopWords: TypeAlias = "Wording"
EligibleKeys: TypeAlias = "Eligible"
Vectors: TypeAlias = "SemanticIndex"
Signals: TypeAlias = "ShopSignals"
"""Types of the library, for annotations in rooms that do not open it."""

CACHED_VECTORS = 5_000
"""Queries whose vectors are cached; the same few are searched for again and again."""


class Found(NamedTuple):
    """A product that a query finds.

    score: of the ranking, by reciprocal ranks or by the ranker; lexical: BM25, 0 where no word
    matches; semantic: cosine, None unknown; ranker: score of the ranker, None without it;
    cross: what the cross-encoder added to it, None where it did not read the product
    lexical_rank, semantic_rank: from 1; None where this kind of retrieval did not find it
    equal: one of its codes is the query; matched: all words that were required match
    """

    key: int
    score: float
    lexical: float
    semantic: float | None
    lexical_rank: int | None
    semantic_rank: int | None
    equal: bool
    matched: bool
    ranker: float | None = None
    cross: float | None = None


@dataclass(frozen=True)
class FoundList:
    """What a query finds, best first.

    total: products that match the words; an estimate unless is_exact
    corrected: the query with its typos corrected; empty without any
    dropped: words that need not match, because no product matches all
    skipped: steps of the ranking that would have exceeded their budget
    """

    products: list[Found]
    total: int
    is_exact: bool
    corrected: str = ""
    dropped: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    plan: Any = field(default=None, repr=False)


def plan_of(
    index: "LexicalIndex", text: str, wording: "Wording", as_you_type: bool = False
) -> "QueryPlan":
    """The plan of a query: its parts, and the terms that may stand for each."""
    from training.search.query_plan import plan_query

    return plan_query(index, text, wording, as_you_type)


def find(
    index: "LexicalIndex",
    plan: "QueryPlan",
    model: "Model | SearchModel | None" = None,
    semantic: "SemanticIndex | None" = None,
    eligible: "Eligible | None" = None,
    most: int = 200,
    ranking: Ranking | None = None,
    like: int | None = None,
) -> FoundList:
    """The products that a query finds among the eligible ones (None: all), best first.

    model: whose encoder reads the query; None, or without `semantic`: words alone
    ranking: where the model's ranker is to order the best ones
    like: product whose vector stands for the query
    """
    from training.search.engine import retrieve

    vector = None
    if semantic is not None and like is not None:
        vector = semantic.vector_of(like)
    elif semantic is not None and model is not None and model.encoder is not None and plan.slots:
        vector = vectors.get(model, plan.meant)
    candidates = retrieve(index, plan, semantic, vector, eligible, most)
    ranked = Ranked(candidates)
    rankers = getattr(model, "rankers", None)
    if rankers is not None and vector is not None and ranking is not None and len(candidates):
        ranked = rank(index, candidates, plan, semantic, vector, rankers, ranking)
    return FoundList(
        _products(ranked),
        candidates.total,
        candidates.is_exact,
        plan.corrected,
        tuple(slot.text for slot in candidates.dropped),
        ranked.skipped,
        plan,
    )


def contributions(
    index: "LexicalIndex",
    plan: "QueryPlan",
    model: "SearchModel",
    semantic: "SemanticIndex",
    key: int,
    signals: "Callable[[list[int]], ShopSignals]",
    eligible: "Eligible | None" = None,
) -> list[tuple[str, float]]:
    """(group of features, its share of the ranker's score) of a product, the largest first; empty
    without a ranker, or where it does not rank the product.
    """
    from training.search.engine import retrieve
    from training.search.features import GROUPS

    ranker = getattr(model, "ranker", None)
    if ranker is None or not plan.slots:
        return []
    vector = vectors.get(model, plan.meant)
    candidates = retrieve(index, plan, semantic, vector, eligible)
    best, features = features_of(index, candidates, plan, semantic, vector, signals)
    at = (best.keys == key).nonzero()[0]
    if not len(at):
        return []
    by_feature = ranker.contributions(features[at])[0][:-1].tolist()
    total: dict[str, float] = {}
    for group, value in zip(GROUPS, by_feature, strict=True):
        total[group] = total.get(group, 0.0) + value
    return sorted(total.items(), key=lambda pair: -abs(pair[1]))


def closeness(
    model: "Model | SearchModel", semantic: "SemanticIndex", plan: "QueryPlan", key: int
) -> float | None:
    """Cosine of a product to the query; None where it is unknown."""
    import numpy as np

    (cosine,) = semantic.cosines(vectors.get(model, plan.meant), np.array([key])).tolist()
    return cosine if cosine == cosine else None


def words_of(index: "LexicalIndex", plan: "QueryPlan", key: int) -> list[tuple[str, bool]]:
    """(part of the query, whether the product has one of its terms)."""
    (stored,) = index.stored_terms([key])
    terms = {term for texts in stored.values() for term in texts}
    return [
        (plan.text[slot.begin : slot.end], bool(terms.intersection(slot.all_terms)))
        for slot in plan.required
    ]


def _products(ranked: Ranked) -> list[Found]:
    candidates, scores = ranked.candidates, ranked.scores
    rows = zip(
        candidates.keys.tolist(),
        candidates.fused.tolist(),
        candidates.lexical.tolist(),
        candidates.semantic.tolist(),
        candidates.lexical_rank.tolist(),
        candidates.semantic_rank.tolist(),
        candidates.equal.tolist(),
        candidates.matched.tolist(),
        [*scores, *[None] * (len(candidates) - len(scores))],
        strict=True,
    )
    return [
        Found(
            key,
            fused if score is None else 1 / (1 + math.exp(-score)),
            lexical,
            semantic if semantic == semantic else None,
            lexical_rank + 1 if lexical_rank >= 0 else None,
            semantic_rank + 1 if semantic_rank >= 0 else None,
            equal,
            matched,
            ranked.by_ranker.get(key),
            ranked.added.get(key),
        )
        for key, fused, lexical, semantic, lexical_rank, semantic_rank, equal, matched, score in (
            rows
        )
    ]


def semantic_index(model: "Model | SearchModel", keys: "pl.Series") -> "SemanticIndex | None":
    """The products' vectors of a model; None without an encoder. keys: (items,) int64."""
    from training.search.semantic import SemanticIndex

    if model.encoder is None:
        return None
    checkpoint = getattr(model, "checkpoint", None)
    if checkpoint is not None:
        return SemanticIndex(keys.to_numpy(), checkpoint.space, checkpoint.titles)
    signals = model.recommender.signals
    if signals.vectors is None:
        return None
    return SemanticIndex(keys.to_numpy(), signals.space)


def signals_of(places, prices, days, in_stock) -> "ShopSignals":
    """Signals of (n,) products. Each a sequence or Series (n,), None where unknown.

    places: among the best sellers, from 0; days: on sale
    """
    import numpy as np

    from training.search.features import ShopSignals

    columns = (places, prices, days, in_stock)
    return ShopSignals(
        *(
            np.array([np.nan if value is None else value for value in column], dtype=np.float32)
            for column in columns
        )
    )


def eligible_keys(keys: "pl.Series", of: int) -> "Eligible":
    """Eligible products. keys: int64, in any order; of: number of all products."""
    from training.search.engine import Eligible

    return Eligible(keys.sort().to_numpy(), of)


def keys_among(keys: Sequence[int], of: int) -> "Eligible":
    """Documents that a search is limited to. keys: in any order; of: number of all documents."""
    import numpy as np

    from training.search.engine import Eligible

    return Eligible(np.sort(np.array(keys, dtype=np.int64)), of)


def wording_of(
    index: "LexicalIndex",
    synonyms: Iterable[tuple[Sequence[str], Sequence[str]]],
    stop_words: Sequence[str] | None,
) -> "Wording":
    """A shop's wording by the analysis of an index.

    synonyms: (phrases, phrases that they also find); without the latter all mean the same
    stop_words: None: the usual ones of the languages
    """
    from training.search.analysis import fold
    from training.search.query_plan import Wording, default_stop_words, phrase_terms

    by_phrase: dict[tuple[str, ...], dict[tuple[str, ...], None]] = {}
    for phrases, also_finds in synonyms:
        terms = [phrase_terms(index.analyzer, phrase) for phrase in phrases]
        targets = [phrase_terms(index.analyzer, phrase) for phrase in also_finds] or terms
        for one in terms:
            others = dict.fromkeys(target for target in targets if target and target != one)
            if one and others:
                by_phrase.setdefault(one, {}).update(others)
    words = (
        default_stop_words(index.languages)
        if stop_words is None
        else frozenset(fold(word) for word in stop_words)
    )
    return Wording({phrase: tuple(others) for phrase, others in by_phrase.items()}, words)


def highlights(index: "LexicalIndex", plan: "QueryPlan", text: str) -> list[tuple[int, int]]:
    """Character ranges [begin, end) of a text that match the query."""
    from training.search.engine import matching_ranges

    return matching_ranges(index.analyzer, plan, text)


class _Vectors:
    """An LRU cache of query vectors."""

    def __init__(self) -> None:
        self._cached: OrderedDict[tuple[int, str], tuple[Any, Any]] = OrderedDict()
        self._lock = Lock()

    def get(self, model: "Model", text: str) -> Any:
        """(dim,) unit vector of a query by the encoder of this model."""
        encoder = model.encoder
        key = (id(encoder), text)
        with self._lock:
            if (cached := self._cached.get(key)) is not None and cached[0] is encoder:
                self._cached.move_to_end(key)
                return cached[1]
        vector = encoder.encode([text])[0]
        with self._lock:
            self._cached[key] = (encoder, vector)
            while len(self._cached) > CACHED_VECTORS:
                self._cached.popitem(last=False)
        return vector

    def clear(self) -> None:
        with self._lock:
            self._cached.clear()


vectors = _Vectors()
process_caches.register(vectors.clear)
