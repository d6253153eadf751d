"""The ranking models that this process served last, loaded once each."""

import threading
from collections import OrderedDict

from recommender.inference.checkpoint_files import BrokenCheckpoint, checkpoint_path, open_encoder
from recommender.inference.ranking_model import Model
from recommender.infrastructure import process_memory

MODELS_KEPT = 4
MULTILINGUAL = "multilingual"
"""The packaged multilingual encoder, by its name in the configuration."""


class _Models:
    """The few checkpoints that this process served last."""

    def __init__(self) -> None:
        self.loaded: OrderedDict[str, Model] = OrderedDict()
        self.loading: dict[str, threading.Lock] = {}
        self.lock = threading.Lock()

    def get(self, folder: str) -> Model:
        """Loaded by the first who asks for it; whoever asks for another one meanwhile does not
        wait.
        """
        found = self._kept(folder)
        if found is None:
            with self.lock:
                alone = self.loading.setdefault(folder, threading.Lock())
            with alone:
                found = self._kept(folder) or self._keep(folder, _load(folder))
        return found

    def _kept(self, folder: str) -> Model | None:
        with self.lock:
            if folder in self.loaded:
                self.loaded.move_to_end(folder)
            return self.loaded.get(folder)

    def _keep(self, folder: str, model: Model) -> Model:
        with self.lock:
            self.loaded[folder] = model
            while len(self.loaded) > MODELS_KEPT:
                self.loaded.popitem(last=False)
        return model

    def forget(self, folder: str) -> None:
        with self.lock:
            self.loaded.pop(folder, None)

    def clear(self) -> None:
        with self.lock:
            self.loaded.clear()


models = _Models()


def model_of(folder: str) -> Model:
    """The model in this folder below VITRINE_CHECKPOINTS, from memory where it was used lately."""
    return models.get(folder)


def forget(folder: str) -> None:
    """Free the memory of a model that is not served any more; asked for again it is loaded
    again.
    """
    models.forget(folder)


def import_numbers() -> None:
    """Import what models are read and reckoned with, which takes seconds, before there is one."""
    import onnxruntime  # noqa: F401
    import tokenizers  # noqa: F401

    import training.encoders.onnx
    import training.inference.checkpoint
    import training.inference.explanations
    import training.inference.text_attribution  # noqa: F401


def _load(folder: str, verify: bool = False) -> Model:
    from training.inference.checkpoint import CheckpointError, load_checkpoint

    try:
        with process_memory.staying():
            recommender, item_ids = load_checkpoint(checkpoint_path(folder), verify)
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None
    return Model(
        recommender,
        item_ids,
        {item_id: row for row, item_id in enumerate(item_ids)},
        checkpoint_path(folder),
    )


def verify(folder: str, purpose: str = "ranking") -> None:
    """Read every byte of a checkpoint, compare digests, open its encoder; raises
    BrokenCheckpoint.
    """
    from training.inference.checkpoint import CheckpointError, verify_files

    if purpose == "ranking":
        _load(folder, verify=True)
        open_encoder(checkpoint_path(folder))
        return
    try:
        verify_files(checkpoint_path(folder))
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None
