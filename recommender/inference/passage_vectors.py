"""Vectors of a shop's passages on this host: files that all its processes map, and one writes."""

import os
import shutil
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.search.semantic import SemanticIndex

POINTER = "vectors"
"""File that names the folder in use, and the encoder of its vectors."""


class PassageVectors:
    """The vectors below one index folder, by primary key of the passage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: tuple[tuple, SemanticIndex | None, str] = ((), None, "")

    def read(self) -> "tuple[SemanticIndex | None, str]":
        """The vectors as last written, and the checkpoint folder of their encoder; None without."""
        try:
            status = (self.folder / POINTER).stat()
        except FileNotFoundError:
            return None, ""
        stamp = (status.st_ino, status.st_mtime_ns)
        if self._read[0] != stamp:
            self._read = (stamp, *self._opened())
        return self._read[1], self._read[2]

    def _opened(self) -> "tuple[SemanticIndex | None, str]":
        import numpy as np

        from training.candidates.text_similarity import TextSpace
        from training.search.semantic import SemanticIndex

        name, _, encoder = (self.folder / POINTER).read_text(encoding="utf-8").partition("\n")
        try:
            keys, vectors = (
                np.load(self.folder / name / f"{part}.npy", mmap_mode="r", allow_pickle=False)
                for part in ("keys", "vectors")
            )
        except (OSError, ValueError):
            return None, ""
        return SemanticIndex(np.asarray(keys), TextSpace(vectors)), encoder

    def holds(self, keys: Sequence[int], encoder: str) -> bool:
        """True where exactly the vectors of these passages by this encoder are written."""
        import numpy as np

        index, written_by = self.read()
        if index is None:
            return not keys
        return written_by == encoder and np.array_equal(index.keys, np.array(keys, dtype=np.int64))

    def write(self, rows: Iterable[tuple[int, bytes]], encoder: str) -> int:
        """Replace the vectors at once; returns their number. rows: (primary key, float16 vector)"""
        import numpy as np

        keys: list[int] = []
        parts: list[Any] = []
        for key, vector in rows:
            keys.append(key)
            parts.append(np.frombuffer(vector, dtype=np.float16))
        if not keys:
            (self.folder / POINTER).unlink(missing_ok=True)
            return 0
        name = f"vectors-{uuid.uuid4().hex[:12]}"
        (self.folder / name).mkdir(parents=True)
        np.save(self.folder / name / "keys.npy", np.array(keys, dtype=np.int64))
        np.save(self.folder / name / "vectors.npy", np.stack(parts).astype(np.float32))
        aside = self.folder / f"{POINTER}.new"
        with aside.open("w", encoding="utf-8") as file:
            file.write(f"{name}\n{encoder}")
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.folder / POINTER)
        for other in self.folder.glob("vectors-*"):
            if other.name != name:  # readers keep the files that they have mapped
                shutil.rmtree(other, ignore_errors=True)
        return len(keys)
