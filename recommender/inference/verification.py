"""Verification of checkpoints before they serve."""

from recommender.inference import model_cache, search_model
from recommender.inference.checkpoint_files import (
    BrokenCheckpoint,
    checkpoint_path,
    open_cross_encoder,
    open_encoder,
)


def verify(folder: str, purpose: str = "ranking") -> None:
    """Read all of a checkpoint, compare digests, open its encoder. Raises BrokenCheckpoint."""
    from training.inference.checkpoint import CheckpointError, verify_files

    path = checkpoint_path(folder)
    if purpose in ("ranking", "search"):
        load = model_cache.load if purpose == "ranking" else search_model.load
        load(folder, verify=True)
        open_encoder(path)
        open_cross_encoder(path)
        return
    try:
        verify_files(path)
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None
