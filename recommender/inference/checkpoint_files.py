"""Checkpoint folders: where they are, and opening their encoder."""

import logging
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from recommender.infrastructure import process_caches

if TYPE_CHECKING:
    from training.encoders.onnx import OnnxEncoder

log = logging.getLogger(__name__)

RETRY_SECONDS = 60.0
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
    rows: dict[str, int]

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

    def knows_text(self, item_id: str, digest: str) -> bool:
        """True where the checkpoint encoded this text (`text_digest`) of the product."""
        row, digests = self.rows.get(item_id), self._text_digests
        if row is None or digests is None or row >= len(digests):
            return False
        return int(digests[row]) == int(digest, 16)


def open_encoder(checkpoint: Path) -> "OnnxEncoder | None":
    """The encoder of a checkpoint, tried on one text; None without one. Raises BrokenCheckpoint."""
    from training.encoders.onnx import NAME, OnnxEncoder

    folder = checkpoint / "onnx"
    if not (folder / NAME).exists():
        return None
    try:
        encoder = OnnxEncoder(folder, threads=1)
        encoder.encode([""])
    except Exception as error:  # onnxruntime and tokenizers raise their own types
        name = f"{checkpoint.parent.name}/{checkpoint.name}"
        raise BrokenCheckpoint(f"{name}: its encoder cannot be read: {error}") from error
    return encoder
