"""The contract of a lexical index, so that another engine can stand behind search.

`LexicalIndex` (tantivy, one index per host) is the one that is built in. A shop that outgrows an
index per host implements these methods against a cluster, such as OpenSearch, and runs the tests in
`tests/training/search/backend_contract.py` against it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from training.search.analysis import Analyzer
from training.search.lexical import Alternative, Hits, Profile


@runtime_checkable
class SearchBackend(Protocol):
    """A lexical index for reading. Queries are values of the backend's own.

    languages: of the texts; the first one decides how words are stemmed
    analyzer: makes the terms of documents and queries; the engine never analyzes by itself. In
        OpenSearch, fields have the analyzer `whitespace` and get the terms joined by blanks
    """

    languages: tuple[str, ...]
    analyzer: Analyzer

    def __len__(self) -> int:
        """Number of documents."""

    def term(self, term: str, fields: Mapping[str, float] = ...) -> Any:
        """Documents with this term, scored by the field where it counts most (`dis_max` with
        `tie_breaker` over `term` queries with boosts).
        """

    def phrase(self, terms: Sequence[str], fields: Mapping[str, float] = ...) -> Any:
        """Documents with these terms next to each other (`dis_max` over `match_phrase`)."""

    def any_of(self, alternatives: Sequence[Alternative]) -> Any:
        """Documents with one of the alternatives, scored by the best (`dis_max`)."""

    def search(
        self,
        should: Sequence[Any],
        most: int,
        at_least: int = 1,
        among: Sequence[int] | None = None,
        extra: Sequence[Any] = (),
        count: bool = False,
    ) -> Hits:
        """The `most` best documents that match `at_least` of `should` (`bool` with
        `minimum_should_match`).

        among: keys to which the search is limited (`terms` filter); extra: queries that add to the
        score and match nothing by themselves; count: count all matches (`track_total_hits`)
        """

    def document_frequency(self, term: str, fields: Iterable[str] = ...) -> int:
        """Number of documents with this term, in the field where it is most frequent."""

    def stored_terms(self, keys: Sequence[int]) -> list[dict[str, list[str]]]:
        """The terms of each of these documents by field, in order; empty for unknown keys."""

    def profiles(self, keys: Sequence[int]) -> list[Profile]:
        """The terms of these documents as the features of candidates read them."""

    def codes_with_prefix(self, code: str, most: int = 20) -> list[str]:
        """Codes, and parts of codes, that begin with this one; rare ones first."""

    def words_with_prefix(self, prefix: str, most: int = 10) -> list[tuple[str, int]]:
        """Words of titles, brands and categories with this prefix, and their document frequencies;
        frequent ones first.
        """

    def similar_words(self, word: str, distance: int) -> list[str]:
        """Words of the vocabulary within this Damerau-Levenshtein distance (1 or 2)."""
