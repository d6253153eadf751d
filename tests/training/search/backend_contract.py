"""What every lexical index has to do: a class of tests, to be inherited with a fixture `backend`.

The fixture returns an index of `DOCUMENTS` in English.
"""

import numpy as np

from tests.training.search.shop import DOCUMENTS
from training.search.backend import SearchBackend
from training.search.engine import retrieve
from training.search.lexical import Alternative
from training.search.query_plan import plan_query


class BackendContract:
    """Inherit, and define the fixture `backend`."""

    def test_it_has_every_method(self, backend):
        assert isinstance(backend, SearchBackend)
        assert len(backend) == len(DOCUMENTS)

    def test_a_term_finds_its_documents_best_first(self, backend):
        hits = backend.search([backend.term("iphon")], 10)
        assert len(hits.keys) and (np.diff(hits.scores) <= 0).all()
        assert len(backend.search([backend.term("iphon")], 1).keys) == 1

    def test_at_least_so_many_queries_match(self, backend):
        queries = [backend.term("leather"), backend.term("jacket")]
        both = set(backend.search(queries, 10, at_least=2).keys.tolist())
        either = set(backend.search(queries, 10).keys.tolist())
        assert both and both < either

    def test_a_search_among_keys_finds_no_others(self, backend):
        found = backend.search([backend.term("leather")], 10).keys.tolist()
        among = backend.search([backend.term("leather")], 10, among=found[:1])
        assert among.keys.tolist() == found[:1]
        assert not len(backend.search([backend.term("leather")], 10, among=[]).keys)

    def test_extra_queries_raise_and_do_not_match(self, backend):
        plain = backend.search([backend.term("leather")], 10)
        last = int(plain.keys[-1])
        title = backend.stored_terms([last])[0]["title"]
        raised = backend.search(
            [backend.term("leather")], 10, extra=[backend.term(term) for term in title]
        )
        assert set(raised.keys.tolist()) == set(plain.keys.tolist())
        assert raised.scores.max() > plain.scores.max()

    def test_matches_are_counted(self, backend):
        hits = backend.search([backend.term("iphon")], 1, count=True)
        assert len(hits.keys) == 1 and hits.total == 3
        assert backend.document_frequency("iphon") == 2  # in titles; one more in a description
        assert backend.document_frequency("iphon", ["description"]) == 1

    def test_a_phrase_needs_its_order(self, backend):
        title = next(d["title"] for d in backend.stored_terms([1]) if len(d["title"]) > 1)
        one, two = title[0], title[1]
        assert 1 in backend.search([backend.phrase((one, two))], 10).keys
        assert 1 not in backend.search([backend.phrase((two, one))], 10).keys

    def test_the_best_alternative_counts(self, backend):
        both = backend.any_of([Alternative(("leather",)), Alternative(("nothing",), 0.1)])
        alone = backend.search([backend.term("leather")], 10)
        assert backend.search([both], 10).keys.tolist() == alone.keys.tolist()

    def test_unknown_terms_and_keys(self, backend):
        assert backend.document_frequency("zzz") == 0
        assert backend.stored_terms([987_654]) == [{}]
        assert not len(backend.search([backend.term("zzz")], 10).keys)
        assert backend.search([], 10).total == 0

    def test_words_and_codes_by_prefix_and_by_edits(self, backend):
        words = backend.words_with_prefix("lea")
        assert ("leather", backend.document_frequency("leather")) in words
        assert "leather" in backend.similar_words("lether", 1)
        assert "leather" not in backend.similar_words("lethr", 1)

    def test_the_engine_finds_by_it(self, backend):
        assert len(retrieve(backend, plan_query(backend, "lether jackt")).keys)
