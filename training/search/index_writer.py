"""Writing of a lexical index: one writer at a time, commits that are durable and seen at once."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import tantivy

from training.search.documents import ITEM_ID, KEY, WORD, SearchDocument, fields_of
from training.search.lexical import LexicalIndex, guarded

HEAP_BYTES = 50_000_000
COMMIT_DOCUMENTS = 50_000
"""Documents between two commits of a build."""


class LexicalWriter:
    """The one writer of an index folder. Raises IndexBusy where another process writes.

    Used as a context manager; what was not committed when it is left is lost.
    """

    def __init__(self, index: LexicalIndex, heap_bytes: int = HEAP_BYTES) -> None:
        self.index = index
        with guarded(index.folder.name):
            self._documents = index._index.writer(heap_bytes, 1)
            self._words = index._vocabulary.writer(15_000_000, 1)
        self._new_words: set[str] = set()
        self._pending = 0

    def __enter__(self) -> "LexicalWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def put(self, document: SearchDocument, is_new: bool = False) -> None:
        """Add a document, or replace the one with its key. is_new: no such document exists."""
        fields, words = fields_of(self.index.analyzer, document)
        with guarded(self.index.folder.name):
            made = tantivy.Document.from_dict(fields, self.index.schema)
            if not is_new:
                self._documents.delete_documents_by_term(KEY, document.key)
                if document.item_id:
                    self._documents.delete_documents_by_term(ITEM_ID, document.item_id)
            self._documents.add_document(made)
        self._new_words |= words
        self._pending += 1

    def delete(self, key: int) -> None:
        with guarded(self.index.folder.name):
            self._documents.delete_documents_by_term(KEY, key)
        self._pending += 1

    def delete_item(self, item_id: str) -> None:
        with guarded(self.index.folder.name):
            self._documents.delete_documents_by_term(ITEM_ID, item_id)
        self._pending += 1

    def commit(self) -> None:
        """Make everything since the last commit visible, at once and durably."""
        if not self._pending:
            return
        with guarded(self.index.folder.name):
            unknown = [w for w in self._new_words if not self.index.words.doc_freq(WORD, w)]
            for word in unknown:
                self._words.add_document(
                    tantivy.Document.from_dict({WORD: word}, self.index.vocabulary_schema)
                )
            if unknown:
                self._words.commit()
            self._documents.commit()
        self._new_words, self._pending = set(), 0
        self.index.refresh()

    def close(self) -> None:
        """Wait for merges, and give the folder's lock back."""
        with guarded(self.index.folder.name):
            self._documents.rollback()
            self._words.rollback()
            self._documents.wait_merging_threads()
            self._words.wait_merging_threads()


def build(
    folder: Path, documents: Iterable[SearchDocument], languages: Sequence[str]
) -> LexicalIndex:
    """Write an index of these documents into a new folder."""
    index = LexicalIndex.create(folder, languages)
    with LexicalWriter(index) as writer:
        for i, document in enumerate(documents, 1):
            writer.put(document, is_new=True)
            if i % COMMIT_DOCUMENTS == 0:
                writer.commit()
        writer.commit()
    return index
