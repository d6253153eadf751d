"""Checkpoint folders: where they are, and opening their encoder."""

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from recommender.infrastructure import process_caches

if TYPE_CHECKING:
    from training.encoders.onnx import OnnxEncoder

RETRY_SECONDS = 60.0
unreadable: dict[Path, float] = {}
"""Checkpoints whose encoder could not be read -> time (monotonic) of the next try."""
process_caches.register(unreadable.clear)


class BrokenCheckpoint(RuntimeError):
    """The checkpoint folder cannot be served; the message names what is wrong."""


def checkpoint_path(folder: str) -> Path:
    return settings.VITRINE_CHECKPOINTS / folder


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
