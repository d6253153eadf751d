"""Lexical index: retrieval, commits, broken folders, and one writer at a time."""

import json

import pytest

from tests.training.search.shop import DOCUMENTS
from training.search import index_writer
from training.search.documents import SearchDocument
from training.search.engine import retrieve
from training.search.errors import BrokenIndex, IndexBusy
from training.search.index_writer import LexicalWriter, build
from training.search.lexical import Alternative, LexicalIndex
from training.search.query_plan import plan_query


@pytest.fixture
def index(tmp_path):
    return build(tmp_path / "index", DOCUMENTS, ("en",))


def keys(index, text):
    return retrieve(index, plan_query(index, text)).keys.tolist()


def test_a_build_holds_every_document(index):
    assert len(index) == len(DOCUMENTS)
    assert index.digests() == {document.key: 0 for document in DOCUMENTS}


def test_fields_weigh_titles_most(index):
    assert keys(index, "iphone")[-1] == 5  # in the description alone


def test_a_commit_is_seen_by_other_readers(index):
    reader = LexicalIndex(index.folder)
    with LexicalWriter(index) as writer:
        writer.put(SearchDocument(11, "Velvet curtain", digest=7))
        writer.delete(10)
        reader.refresh()
        assert len(reader) == len(DOCUMENTS)
        writer.commit()
    reader.refresh()
    assert keys(reader, "velvet") == [11]
    assert keys(reader, "sofa") == []
    assert reader.digests()[11] == 7


def test_a_document_replaces_the_one_with_its_key(index):
    with LexicalWriter(index) as writer:
        writer.put(SearchDocument(1, "Green wool jumper"))
        writer.commit()
    assert keys(index, "leather") == []
    assert keys(index, "jumper") == [1]
    assert len(index) == len(DOCUMENTS)


def test_what_was_not_committed_is_lost_and_nothing_else(index):
    with LexicalWriter(index) as writer:
        writer.put(SearchDocument(1, "Half written"))
    with LexicalWriter(index) as writer:
        writer.put(SearchDocument(12, "Whole"))
        writer.commit()
    assert keys(index, "half") == []
    assert keys(index, "leather") == [1]


def test_a_second_writer_is_refused(index):
    with LexicalWriter(index), pytest.raises(IndexBusy, match="another process"):
        LexicalWriter(LexicalIndex(index.folder))


@pytest.mark.parametrize("damage", ["about", "meta", "segment", "format", "nothing"])
def test_a_damaged_folder_is_a_broken_index(index, damage):
    folder = index.folder
    if damage == "about":
        (folder / "about.json").write_text("{")
    elif damage == "meta":
        (folder / "documents" / "meta.json").write_text("not json")
    elif damage == "segment":
        for path in (folder / "documents").glob("*.term"):
            path.write_bytes(b"")
    elif damage == "format":
        about = json.loads((folder / "about.json").read_text())
        (folder / "about.json").write_text(json.dumps({**about, "format": 0}))
    else:
        folder = folder.with_name("gone")
    with pytest.raises(BrokenIndex):
        keys(LexicalIndex(folder), "jacket")


def test_a_filter_by_keys_limits_the_search(index):
    query = [index.term("jacket")]
    assert index.search(query, 10, among=[2, 3]).keys.tolist() == [2]
    assert index.search(query, 10, among=[]).total == 0


def test_codes_weigh_nothing_in_texts(index):
    found = index.search([index.any_of([Alternative(("ab12345",), is_code=True)])], 10)
    assert found.keys.tolist() == [1]
    assert index.codes_with_prefix("ab123") == ["ab12345", "ab12346"]


def test_digests_are_read_in_steps(index, monkeypatch):
    assert index.digests(step=3) == index.digests()


def test_an_explanation_names_the_terms(index):
    explained = index.explain(index.term("jacket"), 1)
    assert "jacket" in json.dumps(explained)
    assert index.explain(index.term("jacket"), 3) is None


def test_a_large_build_commits_in_between(tmp_path, monkeypatch):
    monkeypatch.setattr(index_writer, "COMMIT_DOCUMENTS", 3)
    assert len(build(tmp_path / "index", DOCUMENTS, ("en",))) == len(DOCUMENTS)
