"""Checkpoint folders on disk: where they are, and opening their encoder."""

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from training.encoders.onnx import OnnxEncoder


TRY_AGAIN_SECONDS = 60.0
unreadable: dict[Path, float] = {}
"""Checkpoints whose encoder could not be read, and until when it is not tried again."""


def open_encoder(checkpoint: Path) -> "OnnxEncoder | None":
    """A checkpoint's encoder, which has read a first text; None where there is none.

    Raises BrokenCheckpoint.
    """
    from training.encoders.onnx import NAME, OnnxEncoder

    folder = checkpoint / "onnx"
    if not (folder / NAME).exists():
        return None
    try:
        encoder = OnnxEncoder(folder, threads=1)
        encoder.encode([""])
    except Exception as error:  # onnxruntime and tokenizers raise kinds of their own
        raise BrokenCheckpoint(
            f"{checkpoint.parent.name}/{checkpoint.name}: its encoder cannot be read: {error}"
        ) from error
    return encoder


def checkpoint_path(folder: str) -> Path:
    return settings.VITRINE_CHECKPOINTS / folder


class BrokenCheckpoint(RuntimeError):
    """The checkpoint folder cannot be served; the message names what is wrong."""
