"""Features of (query, candidate), which the search ranker reads."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.search.documents import BRAND, CATEGORY, DESCRIPTION, FIELD_WEIGHTS, TITLE
from training.search.engine import Candidates
from training.search.lexical import LexicalIndex, Profile
from training.search.query_plan import QueryPlan
from training.search.semantic import SemanticIndex

TEXT_FEATURES = (
    "lexical",
    "lexical_of_best",
    "lexical_rank",
    "cosine",
    "cosine_of_best",
    "cosine_z",
    "title_cosine",
    "title_cosine_z",
    "whole_cosine",
    "whole_cosine_z",
    "feedback",
    "cluster",
    "semantic_rank",
    "fused",
    "equal_code",
    "matched_all",
    "title_coverage",
    "title_exact_coverage",
    "description_coverage",
    "brand_coverage",
    "category_coverage",
    "coverage",
    "missing_best",
    "title_precision",
    "title_first",
    "title_span",
    "title_pairs",
    "title_last",
    "title_trigrams",
    "title_length",
    "description_length",
    "query_words",
    "query_weight",
    "query_matches",
)
SHOP_FEATURES = ("popularity", "price", "price_z", "freshness", "in_stock")
FEATURES = (*TEXT_FEATURES, *SHOP_FEATURES)
WORDS, MEANING, QUERY = "words", "meaning", "query"
_OF_MEANING = frozenset(
    (
        *("cosine", "cosine_of_best", "cosine_z", "title_cosine", "title_cosine_z"),
        *("whole_cosine", "whole_cosine_z"),
        *("semantic_rank", "feedback", "cluster"),
    )
)
GROUPS = tuple(
    "words and meaning together"
    if name == "fused"
    else name.replace("price_z", "price").replace("_", " ")
    if name in SHOP_FEATURES
    else MEANING
    if name in _OF_MEANING
    else QUERY
    if name.startswith("query_")
    else WORDS
    for name in FEATURES
)
"""The group of each feature, by which contributions are shown."""
EXACT_WEIGHT = 0.95
"""Least weight of an alternative that counts as what was typed."""


@dataclass(frozen=True, eq=False)
class ShopSignals:
    """Signals of the candidates that are not text: (n,) float32 each, nan where unknown.

    popularity: place among the best sellers, from 0; price; freshness: days on sale;
    in_stock: 1 or 0
    """

    popularity: np.ndarray
    price: np.ndarray
    freshness: np.ndarray
    in_stock: np.ndarray

    def of(self, rows: np.ndarray) -> "ShopSignals":
        """The signals at these positions (m,)."""
        return ShopSignals(
            self.popularity[rows],
            self.price[rows],
            self.freshness[rows],
            self.in_stock[rows],
        )


@dataclass(frozen=True, eq=False)
class _Words:
    """The required parts of a query.

    places: by term, the parts that it stands for, with its weights; idf: (parts,)
    """

    places: Mapping[str, Sequence[tuple[int, float]]]
    idf: np.ndarray
    text: str

    def __len__(self) -> int:
        return len(self.idf)

    def shares(self, out: np.ndarray, terms: Iterable[str]) -> None:
        """Set (parts,) the weight of the best of these terms for each part."""
        for term in terms:
            for part, weight in self.places[term]:
                if weight > out[part]:
                    out[part] = weight


def features(
    index: LexicalIndex,
    plan: QueryPlan,
    candidates: Candidates,
    semantic: SemanticIndex | None = None,
    vector: np.ndarray | None = None,
    shop: ShopSignals | None = None,
) -> np.ndarray:
    """(n, features) float32 features of the candidates of one query, in their order.

    semantic, vector: as for `retrieve`; without them the features of meaning are nan
    """
    n = len(candidates)
    out = np.full((n, len(FEATURES)), np.nan, dtype=np.float32)
    if not n:
        return out
    columns = {name: out[:, i] for i, name in enumerate(FEATURES)}
    _retrieval(columns, candidates)
    words = _words(index, plan)
    _texts(columns, words, index.profiles(candidates.keys.tolist()))
    if semantic is not None and vector is not None:
        _meaning(columns, semantic, vector, candidates.keys)
    columns["query_words"][:] = len(words)
    columns["query_weight"][:] = words.idf.sum()
    columns["query_matches"][:] = math.log1p(candidates.total)
    if shop is not None:
        _shop(columns, shop)
    return out


def _retrieval(columns: dict[str, np.ndarray], found: Candidates) -> None:
    lexical = found.lexical
    columns["lexical"][:] = lexical
    columns["lexical_of_best"][:] = lexical / max(float(lexical.max()), 1e-6)
    columns["lexical_rank"][:] = _log_rank(found.lexical_rank)
    columns["semantic_rank"][:] = _log_rank(found.semantic_rank)
    columns["fused"][:] = found.fused
    columns["equal_code"][:] = found.equal
    columns["matched_all"][:] = found.matched


def _log_rank(rank: np.ndarray) -> np.ndarray:
    return np.where(rank >= 0, np.log1p(np.maximum(rank, 0)), np.nan)


def _meaning(
    columns: dict[str, np.ndarray], semantic: SemanticIndex, query: np.ndarray, keys: np.ndarray
) -> None:
    """Cosines to the query, and to the center of the best candidates (pseudo-relevance feedback;
    Rocchio 1971).
    """
    rows = semantic.rows_of(keys)
    known = np.flatnonzero(rows >= 0)
    if not len(known):
        return
    vectors = semantic.space.read(rows[known])
    cosine = vectors @ query
    columns["cosine"][known] = cosine
    columns["cosine_of_best"][known] = cosine - cosine.max()
    columns["cosine_z"][known] = _standard(cosine)
    if semantic.titles is not None:
        titles = np.asarray(semantic.titles[rows[known]], np.float32)
        title = titles @ query
        columns["title_cosine"][known] = title
        columns["title_cosine_z"][known] = _standard(title)
        # A product's vector m is half way between those of its title t and of its whole text w, all
        # of unit length: w = 2 (m · t) m - t.
        whole = 2 * np.einsum("ij,ij->i", vectors, titles) * cosine - title
        columns["whole_cosine"][known] = whole
        columns["whole_cosine_z"][known] = _standard(whole)
    for name, center in (("feedback", _center(vectors[:10])), ("cluster", _center(vectors[:30]))):
        columns[name][known] = vectors @ center


def _center(vectors: np.ndarray) -> np.ndarray:
    """(dim,) unit center of the best vectors (n, dim), the first ones weighing most."""
    total = (vectors / np.arange(3, 3 + len(vectors), dtype=np.float32)[:, None]).sum(axis=0)
    return total / max(float(np.linalg.norm(total)), 1e-6)


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(float(values.std()), 1e-6)


def _words(index: LexicalIndex, plan: QueryPlan) -> _Words:
    places: dict[str, list[tuple[int, float]]] = {}
    idf = np.zeros(len(plan.required), np.float32)
    for part, slot in enumerate(plan.required):
        terms: dict[str, float] = {}
        for one in slot.alternatives:
            if not one.is_code:
                for term in one.terms:
                    terms.setdefault(term, min(1.0, one.weight))
        for term, weight in terms.items():
            places.setdefault(term, []).append((part, weight))
        frequency = max(map(index.document_frequency, terms), default=0)
        idf[part] = max(0.0, math.log(1 + (len(index) - frequency + 0.5) / (frequency + 0.5)))
    return _Words(places, idf, " ".join(slot.text for slot in plan.required))


def _texts(columns: dict[str, np.ndarray], words: _Words, documents: Sequence[Profile]) -> None:
    n, parts = len(documents), len(words)
    shares = {name: np.zeros((n, parts), np.float32) for name in FIELD_WEIGHTS}
    at = np.full((n, parts), -1, np.int32)
    lengths = np.zeros((2, n), np.int32)
    trigrams = _trigrams(words.text)
    wanted = frozenset(words.places)
    for row, document in enumerate(documents):
        title, text = document.title, document.title_text
        lengths[:, row] = len(title), document.described
        columns["title_trigrams"][row] = sum([one in text for one in trigrams])
        for name, terms in document.fields:
            if found := wanted.intersection(terms):
                words.shares(shares[name][row], found)
                if name == TITLE:
                    for term in found:
                        for part, _ in words.places[term]:
                            place = title.index(term)
                            if not 0 <= at[row, part] < place:
                                at[row, part] = place
    columns["title_trigrams"] /= max(1, len(trigrams))
    total = max(float(words.idf.sum()), 1e-6)
    anywhere = np.maximum.reduce(list(shares.values()))
    columns["coverage"][:] = anywhere @ words.idf / total
    columns["missing_best"][:] = ((1 - anywhere) * words.idf).max(axis=1, initial=0.0)
    for name in (TITLE, DESCRIPTION, BRAND, CATEGORY):
        columns[f"{name}_coverage"][:] = shares[name] @ words.idf / total
    columns["title_exact_coverage"][:] = (shares[TITLE] >= EXACT_WEIGHT) @ words.idf / total
    columns["title_length"][:] = lengths[0]
    columns["description_length"][:] = np.log1p(lengths[1])
    _places(columns, at, lengths[0])


def _trigrams(text: str) -> list[str]:
    """The distinct character trigrams of a text, which stems and compounds share with a title."""
    padded = f" {text} "
    return list(dict.fromkeys(padded[i : i + 3] for i in range(len(padded) - 2)))


def _places(columns: dict[str, np.ndarray], at: np.ndarray, length: np.ndarray) -> None:
    """Where in the title the parts of the query stand. at: (n, parts), -1 where one does not."""
    found = at >= 0
    count, any_found = found.sum(axis=1), found.any(axis=1)
    first = np.where(found, at, 10_000).min(axis=1, initial=10_000)
    last = at.max(axis=1, initial=-1)
    columns["title_precision"][:] = count / np.maximum(length, 1)
    columns["title_first"][:] = np.where(any_found, first, -1)
    columns["title_span"][:] = np.where(any_found, last - first + 1 - count, -1)
    columns["title_last"][:] = np.where(any_found, length - 1 - last, -1)
    near = found[:, :-1] & found[:, 1:] & (at[:, 1:] > at[:, :-1]) & (at[:, 1:] <= at[:, :-1] + 2)
    pairs = near.sum(axis=1) / max(1, at.shape[1] - 1)
    columns["title_pairs"][:] = pairs if at.shape[1] > 1 else any_found


def _shop(columns: dict[str, np.ndarray], shop: ShopSignals) -> None:
    columns["popularity"][:] = np.log1p(shop.popularity)
    columns["price"][:] = np.log1p(shop.price)
    if not np.isnan(shop.price).all():
        logs = np.log1p(shop.price)
        spread = max(float(np.nanstd(logs)), 1e-6)
        columns["price_z"][:] = (logs - np.nanmean(logs)) / spread
    columns["freshness"][:] = np.log1p(shop.freshness)
    columns["in_stock"][:] = shop.in_stock
