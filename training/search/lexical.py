"""Lexical retrieval: BM25 over weighted fields (Robertson & Zaragoza 2009), in an embedded tantivy
index.

Documents and queries reach the index as the terms of `analysis`, joined by blanks; nothing that a
shopper typed is ever parsed. A folder holds the documents and, in an index of its own, the
vocabulary: one document per distinct word, from which typos are corrected.
"""

import json
import shutil
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from sys import intern
from threading import Lock
from typing import Any

import numpy as np
import tantivy
from tantivy import Occur, Query

from training.search.analysis import Analyzer
from training.search.documents import (
    CODE,
    CODE_WEIGHTS,
    DESCRIPTION,
    DIGEST,
    FIELD_WEIGHTS,
    ITEM_ID,
    KEY,
    TITLE,
    WORD,
)
from training.search.errors import BrokenIndex, IndexBusy

FORMAT = 2
"""Version of fields and analysis; an index of another version is rebuilt."""
ABOUT = "about.json"
TIE = 0.3
"""Share of the weaker fields' scores of a term that is added to the strongest one."""
MOST_CORRECTIONS = 100
LOOKED_UP = 500
"""Keys that are looked up one by one; of more, a set is intersected with the keys of the index."""
CACHED_TERMS, CACHED_PROFILES = 50_000, 12_000
"""Terms whose frequencies and neighbors are cached until the next commit; documents whose terms
are, about 2 KB each.
"""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Terms that stand for a part of the query: one term, or several as a phrase.

    is_code: looked up in the codes of products, not in their texts
    """

    terms: tuple[str, ...]
    weight: float = 1.0
    is_code: bool = False

    @property
    def fields(self) -> Mapping[str, float]:
        return CODE_WEIGHTS if self.is_code else FIELD_WEIGHTS


@dataclass(frozen=True, eq=False)
class Hits:
    """keys: (n,) int64 of the best documents, best first; scores: (n,) float32; total: how many
    match; at least `n` where they were not counted.
    """

    keys: np.ndarray
    scores: np.ndarray
    total: int


@dataclass(frozen=True, eq=False, slots=True)
class Profile:
    """The terms of a document. title: in order; title_text: with blanks between and around;
    described: terms of the description; fields: (field, its distinct terms)

    Tuples, because thousands are cached: sets would take five times the memory.
    """

    title: tuple[str, ...]
    title_text: str
    described: int
    fields: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, stored: Mapping[str, list[str]]) -> "Profile":
        title = tuple(map(intern, stored.get(TITLE, ())))
        fields = tuple((name, tuple({intern(term) for term in stored[name]})) for name in stored)
        return cls(title, f" {' '.join(title)} ", len(stored.get(DESCRIPTION, ())), fields)


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field(KEY, fast=True, indexed=True)
    builder.add_integer_field(DIGEST, fast=True)
    for name in FIELD_WEIGHTS:
        builder.add_text_field(name, tokenizer_name="whitespace", stored=True)
    builder.add_text_field(ITEM_ID, tokenizer_name="raw", index_option="basic")
    for name in (CODE, WORD):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="basic")
    return builder.build()


def _vocabulary_schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(WORD, fast=True, tokenizer_name="raw", index_option="basic")
    return builder.build()


@contextmanager
def guarded(what: str) -> Iterator[None]:
    """Turn any failure of the engine into BrokenIndex, and its lock into IndexBusy. Its panics are
    no `Exception`s.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit, BrokenIndex, MemoryError):
        raise
    except BaseException as error:
        if "LockBusy" in str(error):
            raise IndexBusy(f"{what}: another process writes") from error
        raise BrokenIndex(f"{what}: {type(error).__name__}: {error}") from error


class LexicalIndex:
    """An index folder, opened for reading. Raises BrokenIndex where it cannot be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            languages = tuple(about["languages"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BrokenIndex(f"{folder.name}: {error}") from error
        if about.get("format") != FORMAT:
            raise BrokenIndex(f"{folder.name} has format {about.get('format')}, not {FORMAT}")
        self.languages = languages
        self.analyzer = Analyzer(languages)
        self.schema, self.vocabulary_schema = _schema(), _vocabulary_schema()
        with guarded(folder.name):
            self._index = tantivy.Index(self.schema, str(folder / "documents"))
            self._index.config_reader("Manual", 1)
            self._vocabulary = tantivy.Index(self.vocabulary_schema, str(folder / "vocabulary"))
            self._vocabulary.config_reader("Manual", 1)
        self._stamp: tuple = ()
        self._cache_lock = Lock()
        self.refresh()

    @classmethod
    def create(cls, folder: Path, languages: Sequence[str]) -> "LexicalIndex":
        """Create an empty index in a new folder; an old folder is deleted."""
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("documents", "vocabulary"):
            (folder / name).mkdir(parents=True)
        about = {"format": FORMAT, "languages": list(languages), "tantivy": tantivy.__version__}
        with guarded(folder.name):
            tantivy.Index(_schema(), str(folder / "documents"))
            tantivy.Index(_vocabulary_schema(), str(folder / "vocabulary"))
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        return cls(folder)

    def refresh(self) -> None:
        """Read what was committed since, by any process. Costs two `stat` calls without news."""
        stamp = tuple(_stamp(self.folder / name) for name in ("documents", "vocabulary"))
        if stamp == self._stamp:
            return
        with guarded(self.folder.name):
            self._index.reload()
            self._vocabulary.reload()
            self.searcher = self._index.searcher()
            self.words = self._vocabulary.searcher()
        # What the same commit gives again; equal words and products come in many queries.
        self._frequencies = lru_cache(CACHED_TERMS)(self._frequency_of)
        self._terms = lru_cache(CACHED_TERMS)(self._term_query)
        self._similar = lru_cache(CACHED_TERMS)(self._similar_to)
        self._profiles: OrderedDict[int, Profile] = OrderedDict()
        self._stamp = stamp

    @property
    def commit(self) -> tuple:
        """The commit that is read; another object after each refresh with news."""
        return self._stamp

    def __len__(self) -> int:
        return self.searcher.num_docs

    # Queries

    def term(self, term: str, fields: Mapping[str, float] = FIELD_WEIGHTS) -> Query:
        """Documents with this term, scored by the field where it counts most."""
        return self._terms(term, tuple(fields.items()))

    def _term_query(self, term: str, fields: tuple[tuple[str, float], ...]) -> Query:
        # A field that never has the term matches nothing, but costs time.
        having = [pair for pair in fields if self._frequencies(term, pair[0])] or fields[:1]
        queries = [
            Query.boost_query(Query.term_query(self.schema, name, term), weight)
            for name, weight in having
        ]
        return queries[0] if len(queries) == 1 else Query.disjunction_max_query(queries, TIE)

    def phrase(self, terms: Sequence[str], fields: Mapping[str, float] = FIELD_WEIGHTS) -> Query:
        """Documents with these terms next to each other."""
        having = [
            name for name in fields if all(self._frequencies(term, name) for term in terms)
        ] or list(fields)[:1]
        queries = [
            Query.boost_query(Query.phrase_query(self.schema, name, list(terms)), fields[name])
            for name in having
        ]
        return queries[0] if len(queries) == 1 else Query.disjunction_max_query(queries, TIE)

    def any_of(self, alternatives: Sequence[Alternative]) -> Query:
        """Documents with one of the alternatives, scored by the best."""
        queries = []
        for one in alternatives:
            single = len(one.terms) == 1
            query = (
                self.term(one.terms[0], one.fields)
                if single
                else self.phrase(one.terms, one.fields)
            )
            queries.append(query if one.weight == 1 else Query.boost_query(query, one.weight))
        return queries[0] if len(queries) == 1 else Query.disjunction_max_query(queries, 0.0)

    def search(
        self,
        should: Sequence[Query],
        most: int,
        at_least: int = 1,
        among: Sequence[int] | None = None,
        extra: Sequence[Query] = (),
        count: bool = False,
    ) -> Hits:
        """The `most` best documents that match `at_least` of the queries `should`.

        among: keys of documents to which the search is limited
        extra: queries that add to the score, and match nothing by themselves
        """
        if not should or (among is not None and not len(among)):
            return Hits(np.zeros(0, np.int64), np.zeros(0, np.float32), 0)
        with guarded(self.folder.name):
            matching = [(Occur.Should, query) for query in should]
            query = Query.boolean_query(matching, max(1, min(at_least, len(should))))
            clauses = [(Occur.Must, query), *((Occur.Should, one) for one in extra)]
            if among is not None:
                keys = Query.const_score_query(self._with_keys(among), 0.0)
                clauses.append((Occur.Must, keys))
            if len(clauses) > 1:
                query = Query.boolean_query(clauses)
            searcher = self.searcher  # a refresh of another thread may replace it
            found = searcher.search(query, limit=most, count=count)
            scores = np.array([score for score, _ in found.hits], dtype=np.float32)
            keys = _keys(searcher, [address for _, address in found.hits])
        return Hits(keys, scores, found.count if count else len(keys))

    def _with_keys(self, keys: Sequence[int]) -> Query:
        """Documents with one of these keys. 100 of 300,000 are found several times as fast one by
        one as by a set, which is intersected with the keys of every segment.
        """
        if len(keys) > LOOKED_UP:
            return Query.term_set_query(self.schema, KEY, list(keys))
        each = [Query.term_query(self.schema, KEY, key) for key in keys]
        return Query.boolean_query([(Occur.Should, one) for one in each])

    def document_frequency(self, term: str, fields: Iterable[str] = FIELD_WEIGHTS) -> int:
        """Number of documents with this term, in the field where it is most frequent."""
        return max(self._frequencies(term, name) for name in fields)

    def _frequency_of(self, term: str, field: str) -> int:
        with guarded(self.folder.name):
            return self.searcher.doc_freq(field, term)

    def stored_terms(self, keys: Sequence[int]) -> list[dict[str, list[str]]]:
        """The terms of each of these documents by field, in order; empty for unknown keys."""
        with guarded(self.folder.name):
            searcher = self.searcher
            hits = searcher.search(self._with_keys(keys), limit=max(1, len(keys)), count=False).hits
            addresses = [address for _, address in hits]
            documents = [searcher.doc(address).to_dict() for address in addresses]
            known = dict(zip(_keys(searcher, addresses).tolist(), documents, strict=True))
        return [
            {name: texts[0].split() for name, texts in known.get(int(key), {}).items()}
            for key in keys
        ]

    def profiles(self, keys: Sequence[int]) -> list[Profile]:
        """Profiles of these documents, for features of candidates; empty for unknown keys."""
        cached = self._profiles
        known = {key: profile for key in keys if (profile := cached.get(key)) is not None}
        missing = [key for key in keys if key not in known]
        if missing:
            stored = zip(missing, self.stored_terms(missing), strict=True)
            made = {key: Profile.of(terms) for key, terms in stored}
            known |= made
            with self._cache_lock:
                cached.update(made)
                while len(cached) > CACHED_PROFILES:
                    cached.popitem(last=False)
        return [known[key] for key in keys]

    def codes_with_prefix(self, code: str, most: int = 20) -> list[str]:
        """Codes, and parts of codes, that begin with this one; rare ones first."""
        with guarded(self.folder.name):
            terms = self.searcher.terms_with_prefix(CODE, code, limit=most)
        return [term for term, _ in sorted(terms, key=lambda pair: (pair[1], pair[0]))]

    def words_with_prefix(self, prefix: str, most: int = 10) -> list[tuple[str, int]]:
        """Words of titles, brands and categories with this prefix, and their document
        frequencies; frequent ones first.
        """
        with guarded(self.folder.name):
            terms = self.searcher.terms_with_prefix(WORD, prefix)
        return sorted(terms, key=lambda pair: (-pair[1], pair[0]))[:most]

    def similar_words(self, word: str, distance: int) -> list[str]:
        """Words of the vocabulary within this Damerau-Levenshtein distance (1 or 2)."""
        return list(self._similar(word, distance))

    def _similar_to(self, word: str, distance: int) -> tuple[str, ...]:
        with guarded(self.folder.name):
            query = Query.fuzzy_term_query(self.vocabulary_schema, WORD, word, distance)
            hits = self.words.search(
                query, limit=MOST_CORRECTIONS, count=False, order_by_field=WORD
            ).hits
        return tuple(found for found, _ in hits if found is not None)

    def digests_of(self, keys: Sequence[int]) -> dict[int, int]:
        """The digests of those of these documents that exist, by key."""
        if not keys:
            return {}
        with guarded(self.folder.name):
            among = Query.term_set_query(self.schema, KEY, list(keys))
            searcher = self.searcher
            hits = searcher.search(among, limit=len(keys), count=False).hits
            addresses = [address for _, address in hits]
            digests = searcher.fast_field_values(DIGEST, addresses) if hits else []
            return dict(zip(_keys(searcher, addresses).tolist(), digests, strict=True))

    def digests(self, step: int = 100_000) -> dict[int, int]:
        """The digest of every document, by key."""
        out: dict[int, int] = {}
        below: int | None = None
        while True:
            with guarded(self.folder.name):
                query = (
                    Query.all_query()
                    if below is None
                    else Query.range_query(
                        self.schema,
                        KEY,
                        tantivy.FieldType.Integer,
                        upper_bound=below,
                        include_upper=False,
                    )
                )
                searcher = self.searcher
                hits = searcher.search(query, limit=step, count=False, order_by_field=KEY).hits
                addresses = [address for _, address in hits]
                digests = searcher.fast_field_values(DIGEST, addresses) if hits else []
            out |= zip((key for key, _ in hits), digests, strict=True)
            if len(hits) < step:
                return out
            below = hits[-1][0]

    def explain(self, query: Query, key: int) -> dict[str, Any] | None:
        """The engine's own account of a document's score; None where it does not match."""
        with guarded(self.folder.name):
            only = Query.const_score_query(Query.term_query(self.schema, KEY, key), 0.0)
            both = Query.boolean_query([(Occur.Must, query), (Occur.Must, only)])
            found = self.searcher.search(both, limit=1, count=False).hits
            if not found:
                return None
            return json.loads(query.explain(self.searcher, found[0][1]).to_json())


def _keys(searcher: Any, addresses: list) -> np.ndarray:
    values = searcher.fast_field_values(KEY, addresses) if addresses else []
    return np.array(values, dtype=np.int64)


def _stamp(folder: Path) -> tuple:
    """Identity of the last commit of a tantivy folder."""
    try:
        status = (folder / "meta.json").stat()
    except OSError as error:
        raise BrokenIndex(f"{folder.parent.name}: {error}") from error
    return status.st_ino, status.st_mtime_ns, status.st_size
