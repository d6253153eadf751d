"""Search request and result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from recommender.catalog.filter_language import Selection, select
from recommender.inference.search_engine import Found
from recommender.models import ModelVersion

RELEVANCE, PRICE_UP, PRICE_DOWN, NEWEST, BEST_SELLING = SORTS = (
    "relevance",
    "price",
    "-price",
    "-newest",
    "-sold",
)
"""Orders of a result: by relevance, price (up, down), date (newest first), sales (most first)."""
LONGEST_QUERY = 512
MOST_RESULTS = 1_000
"""Products of one result that can be paged through."""
MOST_FACETS, MOST_VALUES, USUAL_VALUES = 20, 1_000, 20
CODE, WORDS, SOME_WORDS, MEANING, FILTER = "code", "words", "some_words", "meaning", "filter"
"""How a product matches: one of its codes, all words, some, its meaning; without a query: filter"""


@dataclass(frozen=True)
class FacetRequest:
    """A facet: its field, the most values, and the boundaries of ranges of a numeric one."""

    field: str
    limit: int = USUAL_VALUES
    ranges: tuple[float, ...] = ()


@dataclass(frozen=True)
class SearchRequest:
    """A request for products that match a query; without one, for products that pass a filter."""

    query: str = ""
    limit: int = 20
    offset: int = 0
    filter: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    sort: str = RELEVANCE
    facets: tuple[FacetRequest, ...] = ()
    user_id: str | None = None
    session_id: str | None = None
    personal: bool = True
    explain: str = "top"
    query_id: str = ""
    """Of the first page, for the pages after it."""
    simulated: bool = False
    understand: bool = True
    cross_encoder: bool | None = None
    """True, False: with or without it, whatever time it takes; None: within the shop's budget."""
    like: str = ""
    """A product that others are to be like, instead of a query; a product that exists."""

    @property
    def has_query(self) -> bool:
        """True for words or a product; without either, a filter alone chooses."""
        return bool(self.query.strip() or self.like)

    @cached_property
    def selection(self) -> Selection:
        """The filter. Raises FilterError."""
        return select([self.filter], self.params)


@dataclass
class Hit:
    """A product of a result.

    match: how it matches (CODE, WORDS, SOME_WORDS, MEANING, FILTER)
    parts: the parts of its score, by name; None: unknown
    highlights: by field, character ranges [begin, end) that match
    variants: products of its group that match, itself included; found: as retrieved
    """

    item_id: str
    key: int
    score: float
    match: str = ""
    parts: dict[str, float | None] = field(default_factory=dict)
    title: str = ""
    highlights: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    reasons: list[dict[str, Any]] = field(default_factory=list)
    group: str = ""
    variants: int = 1
    found: Found | None = None


@dataclass
class SearchResult:
    """A finished result.

    total: products that match the words and pass the filter; an estimate unless is_exact
    relaxed: what was given up so that something is found: words, or all words for the meaning
    skipped: steps of the ranking that would have exceeded their time budget
    """

    hits: list[Hit]
    total: int
    is_exact: bool = True
    corrected: str = ""
    relaxed: list[dict[str, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    understood: list[dict[str, Any]] = field(default_factory=list)
    facets: list[dict[str, Any]] = field(default_factory=list)
    version: ModelVersion | None = None
    shopper_id: int | None = None
    has_more: bool = False
    personal: bool = False
    semantic: bool = False
    query_id: str = ""
    took_ms: float = 0.0
