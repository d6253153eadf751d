"""The lexical index of one shop on this host: a folder that all its processes read, and one writes.

`current` names the index folder in use. A rebuild writes a new folder and replaces `current`
atomically, so that a process killed at any moment leaves the old index or the new one. The writer
is the process that holds the lock on `writer.lock`, which the system takes back when it dies.
"""

import fcntl
import logging
import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from training.search.documents import SearchDocument
    from training.search.lexical import LexicalIndex

log = logging.getLogger(__name__)

Document: TypeAlias = "SearchDocument"
"""For annotations in rooms that do not open the library."""

CURRENT, LOCK = "current", "writer.lock"
COMMIT_EVERY = 5_000
"""Documents of an update between two commits."""


class IndexNotReady(RuntimeError):
    """The host has no search index of the shop yet; it is being built."""


def document(key: int, title: str, **fields: Any) -> "SearchDocument":
    """A product as the index reads it. attributes: a JSON object."""
    from training.search.documents import document_of

    return document_of(key, title, **fields)


class WriterBusy(RuntimeError):
    """Another process writes to this index, although the lock of the host is ours."""


def _is_same(file: IO, path: Path) -> bool:
    """True where this path is still the open file."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


class HostIndex:
    """The index folder of one shop on this host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._opened: LexicalIndex | None = None
        self._pointer: tuple = ()
        self._lock_file = None

    # Reading

    def read(self) -> "LexicalIndex":
        """The current index with all that was committed. Raises IndexNotReady, also where it is
        damaged: the writer then builds it again.
        """
        from training.search.errors import BrokenIndex

        for _ in range(3):  # a rebuild may replace the folder between two steps
            try:
                return self._read()
            except BrokenIndex as error:
                broken = error
        self.discard(broken)
        raise IndexNotReady(str(broken))

    def _read(self) -> "LexicalIndex":
        from training.search.lexical import LexicalIndex

        path = self.folder / CURRENT
        try:
            status = path.stat()
            pointer = (status.st_ino, status.st_mtime_ns)
            if self._opened is None or pointer != self._pointer:
                name = path.read_text(encoding="utf-8").strip()
                self._opened, self._pointer = LexicalIndex(self.folder / name), pointer
        except FileNotFoundError:
            self._opened = None
            raise IndexNotReady("the search index is being built") from None
        self._opened.refresh()
        return self._opened

    @property
    def is_ready(self) -> bool:
        """True where an index can be read."""
        try:
            self.read()
        except IndexNotReady:
            return False
        return True

    def discard(self, error: Exception) -> None:
        """Give up a damaged index, so that the writer builds it again."""
        log.error("%s: the search index is damaged and will be rebuilt: %s", self.folder, error)
        self._opened = None
        (self.folder / CURRENT).unlink(missing_ok=True)

    # Writing

    @property
    def is_writer(self) -> bool:
        """True where this process has the lock of the folder as it is now."""
        return self._lock_file is not None and _is_same(self._lock_file, self.folder / LOCK)

    def become_writer(self) -> bool:
        """Take the writer's lock of this host; False while another process has it."""
        if self.is_writer:
            return True
        self.release()  # of a folder that was deleted since
        self.folder.mkdir(parents=True, exist_ok=True)
        file = (self.folder / LOCK).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._lock_file = file
        return True

    def release(self) -> None:
        """Give the writer's lock back."""
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None

    def languages(self) -> tuple[str, ...]:
        """The languages that the current index was built for. Raises IndexNotReady."""
        return self.read().languages

    def digests(self) -> dict[int, int]:
        """Digest by key of all documents in the index. Raises IndexNotReady."""
        return self._guarded(lambda index: index.digests())

    def update(
        self,
        documents: Iterable["SearchDocument"],
        deleted: Iterable[int] = (),
        deleted_ids: Iterable[str] = (),
    ) -> int:
        """Put and delete documents; returns how many were put. Raises IndexNotReady."""
        from training.search.index_writer import LexicalWriter

        def write(index: "LexicalIndex") -> int:
            count = 0
            with LexicalWriter(index) as writer:
                for key in deleted:
                    writer.delete(key)
                for item_id in deleted_ids:
                    writer.delete_item(item_id)
                for count, one in enumerate(documents, 1):
                    writer.put(one)
                    if count % COMMIT_EVERY == 0:
                        writer.commit()
                writer.commit()
            return count

        return self._guarded(write)

    def rebuild(self, documents: Iterable["SearchDocument"], languages: Sequence[str]) -> None:
        """Build a new index beside the current one, and switch to it at once."""
        from training.search.index_writer import build

        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"index-{uuid.uuid4().hex[:12]}"
        try:
            build(self.folder / name, documents, languages)
        except BaseException:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            raise
        self._switch_to(name)

    def _switch_to(self, name: str) -> None:
        aside = self.folder / f"{CURRENT}.new"
        with aside.open("w", encoding="utf-8") as file:
            file.write(name)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.folder / CURRENT)
        for other in self.folder.glob("index-*"):
            if other.name != name:  # readers keep the files that they have mapped
                shutil.rmtree(other, ignore_errors=True)

    def _guarded(self, call: Any) -> Any:
        from training.search.errors import BrokenIndex, IndexBusy

        try:
            return call(self.read())
        except IndexBusy as error:
            raise WriterBusy(str(error)) from None
        except BrokenIndex as error:
            self.discard(error)
            raise IndexNotReady(str(error)) from error
