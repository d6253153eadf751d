"""Checkpoint folders: where they are, and opening their encoder."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from recommender.infrastructure import process_caches

if TYPE_CHECKING:
    from training.encoders.onnx import OnnxEncoder
    from training.search.cross_encoder import CrossEncoder

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
CROSS_ENCODER_THREADS = 2
"""Threads of one call, which takes several times as long as any other step of a search."""
unreadable: dict[Path, float] = {}
"""Checkpoints whose encoder could not be read -> time (monotonic) of the next try."""
process_caches.register(unreadable.clear)


class BrokenCheckpoint(RuntimeError):
    """The checkpoint folder cannot be served; the message names what is wrong."""


def checkpoint_path(folder: str) -> Path:
    return settings.VITRINE_CHECKPOINTS / folder


class CheckpointEncoder:
    """What models of a checkpoint with an encoder share: the encoder, and the texts it has read.

    folder: of the checkpoint; base: the model that this one extends by newer products; rows: of the
    checkpoint's products by id
    """

    folder: Path
    base: "CheckpointEncoder | None" = None

    @property
    def encoder(self) -> "OnnxEncoder | None":
        """The int8 encoder of the checkpoint; None without one, or while it cannot be read."""
        if self.base is not None:
            return self.base.encoder
        if time.monotonic() < unreadable.get(self.folder, 0.0):
            return None
        try:
            return self._encoder
        except BrokenCheckpoint as error:
            log.error("%s; serving continues without it", error)
            unreadable[self.folder] = time.monotonic() + RETRY_SECONDS
            return None

    @cached_property
    def _encoder(self) -> "OnnxEncoder | None":
        return open_encoder(self.folder)

    @cached_property
    def _text_digests(self) -> Any:
        """(items,) uint64 digests of the texts that were encoded; None in old checkpoints."""
        import numpy as np

        path = self.folder / "text_digests.npy"
        return np.load(path, mmap_mode="r", allow_pickle=False) if path.exists() else None

    def knows_text(self, row: int | None, digest: str) -> bool:
        """True where the checkpoint encoded this text (`text_digest`) of the product in a row."""
        digests = self._text_digests
        if row is None or digests is None or row >= len(digests):
            return False
        return int(digests[row]) == int(digest, 16)


def open_encoder(checkpoint: Path) -> "OnnxEncoder | None":
    """The encoder of a checkpoint, tried on one text; None without one. Raises BrokenCheckpoint."""
    from training.encoders.onnx import NAME, OnnxEncoder

    folder = checkpoint / "onnx"
    if not (folder / NAME).exists():
        return None
    with _broken(checkpoint, "encoder"):
        encoder = OnnxEncoder(folder, threads=1)
        encoder.encode([""])
        return encoder


def open_cross_encoder(checkpoint: Path) -> "CrossEncoder | None":
    """The cross-encoder of a search checkpoint, tried on one pair; None without one. Raises
    BrokenCheckpoint.
    """
    from training.search.cross_encoder import load_cross_encoder

    cpus = os.cpu_count() or 1
    with _broken(checkpoint, "cross-encoder"):
        cross_encoder = load_cross_encoder(checkpoint, min(CROSS_ENCODER_THREADS, cpus))
        if cross_encoder is not None:
            cross_encoder.score("", [""])
        return cross_encoder


@contextmanager
def _broken(checkpoint: Path, what: str) -> Iterator[None]:
    """Raise BrokenCheckpoint for any error: onnxruntime and tokenizers raise their own types."""
    try:
        yield
    except Exception as error:
        name = f"{checkpoint.parent.name}/{checkpoint.name}"
        raise BrokenCheckpoint(f"{name}: its {what} cannot be read: {error}") from error
