"""An LRU cache of models by checkpoint folder."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from recommender.infrastructure import process_caches

M = TypeVar("M")


class LoadedModels(Generic[M]):
    """The models that this process used last. load: from a folder below VITRINE_CHECKPOINTS."""

    def __init__(self, load: Callable[[str], M], most: int) -> None:
        self._load, self._most = load, most
        self._loaded: OrderedDict[str, M] = OrderedDict()
        self._lock = Lock()
        process_caches.register(self.clear)

    def get(self, folder: str) -> M:
        """The model in this folder. Raises what `load` raises."""
        with self._lock:
            if folder not in self._loaded:
                self._loaded[folder] = self._load(folder)
            self._loaded.move_to_end(folder)
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
            return self._loaded[folder]

    def forget(self, folder: str) -> None:
        with self._lock:
            self._loaded.pop(folder, None)

    def clear(self) -> None:
        with self._lock:
            self._loaded.clear()
