"""Cache of the ranking models that this process served last, each loaded once."""

import sys
import threading
from collections import OrderedDict

from recommender.inference.checkpoint_files import BrokenCheckpoint, checkpoint_path
from recommender.inference.ranking_model import Model
from recommender.infrastructure import process_caches, process_memory

CACHED_MODELS = 4


class _Models:
    """An LRU cache of models by checkpoint folder."""

    def __init__(self) -> None:
        self.loaded: OrderedDict[str, Model] = OrderedDict()
        self.loading: dict[str, threading.Lock] = {}
        self.lock = threading.Lock()

    def get(self, folder: str) -> Model:
        """The model, loaded by one thread; threads that need another model do not wait for it."""
        model = self._cached(folder)
        if model is None:
            with self.lock:
                loading = self.loading.setdefault(folder, threading.Lock())
            with loading:
                model = self._cached(folder) or self._add(folder, load(folder))
        return model

    def _cached(self, folder: str) -> Model | None:
        with self.lock:
            if folder in self.loaded:
                self.loaded.move_to_end(folder)
            return self.loaded.get(folder)

    def _add(self, folder: str, model: Model) -> Model:
        with self.lock:
            self.loaded[folder] = model
            while len(self.loaded) > CACHED_MODELS:
                self.loaded.popitem(last=False)
        return model

    def forget(self, folder: str) -> None:
        with self.lock:
            self.loaded.pop(folder, None)

    def clear(self) -> None:
        with self.lock:
            self.loaded.clear()


models = _Models()
process_caches.register(models.clear)


def model_of(folder: str) -> Model:
    """The model in this folder below VITRINE_CHECKPOINTS, cached. Raises BrokenCheckpoint."""
    return models.get(folder)


def forget(folder: str) -> None:
    """Free the memory of a model that is no longer served."""
    models.forget(folder)


def import_numbers() -> None:
    """Import the numeric packages that models need; this takes seconds."""
    import_lightgbm()
    import onnxruntime  # noqa: F401
    import tokenizers  # noqa: F401

    import training.encoders.onnx
    import training.inference.checkpoint
    import training.inference.explanations
    import training.inference.text_attribution
    import training.search.engine
    import training.search.index_writer  # noqa: F401


def import_lightgbm() -> None:
    """Import lightgbm without scikit-learn, which it would import for classes not used here.

    Saves 45 MB per process. A process that has imported scikit-learn keeps it.
    """
    hide = "sklearn" not in sys.modules and "lightgbm" not in sys.modules
    if hide:
        sys.modules["sklearn"] = None
    try:
        import lightgbm  # noqa: F401
    finally:
        if hide:
            del sys.modules["sklearn"]


def load(folder: str, verify: bool = False) -> Model:
    """Load the model in this folder, past the cache. Raises BrokenCheckpoint.

    verify: read every byte and compare digests
    """
    import_lightgbm()
    from training.inference.checkpoint import CheckpointError, load_checkpoint

    path = checkpoint_path(folder)
    try:
        with process_memory.mmap_allocations():
            recommender, item_ids = load_checkpoint(path, verify)
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None
    return Model(recommender, item_ids, {item_id: i for i, item_id in enumerate(item_ids)}, path)
