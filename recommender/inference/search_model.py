"""A search checkpoint in memory: its encoder, the vectors of products, and its ranker."""

import logging
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender.inference.checkpoint_files import (
    BrokenCheckpoint,
    CheckpointEncoder,
    checkpoint_path,
    open_cross_encoder,
)
from recommender.inference.loaded_models import LoadedModels
from recommender.inference.model_cache import import_lightgbm
from recommender.inference.ranking_model import Addition, ProductText
from recommender.inference.search_ranking import Rankers, TimeBox
from recommender.infrastructure import process_memory

if TYPE_CHECKING:
    from training.inference.search_checkpoint import SearchCheckpoint
    from training.search.cross_encoder import CrossEncoder
    from training.search.ranker import SearchRanker

log = logging.getLogger(__name__)
CACHED_MODELS = 3


class SearchModel(CheckpointEncoder):
    """A search checkpoint.

    item_ids: (items,) String: the shop's ids of its products
    base: the model that this one extends by newer products; None as loaded
    """

    def __init__(
        self, checkpoint: "SearchCheckpoint", folder: Path, base: "SearchModel | None" = None
    ) -> None:
        self.checkpoint, self.folder, self.base = checkpoint, folder, base
        self.item_ids = checkpoint.item_ids
        self._time_box = TimeBox()

    def known(self, item_ids: Iterable[str]) -> dict[str, int]:
        """The rows of those of these products that the model has."""
        at = self.item_ids.is_in(list(item_ids)).arg_true()
        return dict(zip(self.item_ids[at], at, strict=True))

    @property
    def ranker(self) -> "SearchRanker | None":
        return self.checkpoint.ranker

    @property
    def rankers(self) -> Rankers | None:
        """The ranker, and the cross-encoder where it can be read; None without a ranker."""
        if self.base is not None:
            return self.base.rankers
        return Rankers(self.ranker, self._cross_encoder, self._time_box) if self.ranker else None

    @cached_property
    def _cross_encoder(self) -> "CrossEncoder | None":
        try:
            return open_cross_encoder(self.folder)
        except BrokenCheckpoint as error:
            log.error("%s; serving continues without it", error)
            return None

    def embed(self, texts: list[ProductText]) -> list[bytes]:
        """Embed products: the vectors of the product and of its title, in half precision, behind
        each other. Requires an encoder.
        """
        import numpy as np

        from training.data.product_text import product_text
        from training.search.semantic import mean_vectors

        whole = self.encoder.encode([product_text(*text) for text in texts])
        titles = self.encoder.encode([product_text(text[0], None, None, None) for text in texts])
        both = np.concatenate([mean_vectors(titles, whole), titles], axis=1)
        return [vectors.astype(np.float16).tobytes() for vectors in both]

    def knows_vector(self, item_id: str, vector: bytes) -> bool:
        """Never: a checkpoint without digests embeds its products again."""
        return False

    def make_ready(self) -> None:
        """Load now what the first search would load."""
        with process_memory.mmap_allocations():
            _ = self.encoder, self.rankers

    def with_additions(self, additions: list[Addition]) -> "SearchModel":
        """The model with new products, and with new vectors of those whose text has changed."""
        import numpy as np

        if not additions:
            return self
        rows = self.known({one.item_id for one in additions})
        new = [one for one in additions if one.item_id not in rows]
        renewed = {
            rows[one.item_id]: _vectors(one.vector) for one in additions if one.item_id in rows
        }
        dim = self.checkpoint.space.vectors.shape[1]
        vectors = np.zeros((len(new), 2, dim), np.float32)
        for i, one in enumerate(new):
            vectors[i] = _vectors(one.vector)
        with process_memory.mmap_allocations():
            extended = self.checkpoint.with_products([one.item_id for one in new], vectors, renewed)
        return SearchModel(extended, self.folder, self)


def _vectors(stored: bytes) -> Any:
    """(2, dim) float32: of the product, and of its title."""
    import numpy as np

    return np.frombuffer(stored, dtype=np.float16).astype(np.float32).reshape(2, -1)


def search_model_of(folder: str) -> SearchModel:
    """The search model in this folder below VITRINE_CHECKPOINTS, cached. Raises
    BrokenCheckpoint.
    """
    return _models.get(folder)


def forget(folder: str) -> None:
    """Free the memory of a model that no longer serves."""
    _models.forget(folder)


def load(folder: str, verify: bool = False) -> SearchModel:
    """Load the model in this folder, past the cache. Raises BrokenCheckpoint.

    verify: read every byte and compare digests
    """
    import_lightgbm()
    from training.inference.checkpoint import CheckpointError
    from training.inference.search_checkpoint import load_search

    path = checkpoint_path(folder)
    try:
        with process_memory.mmap_allocations():
            checkpoint = load_search(path, verify)
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None
    return SearchModel(checkpoint, path)


_models = LoadedModels(load, CACHED_MODELS)
