"""Search checkpoints in memory: vectors of products by the encoder, and the ranker."""

from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl

from training.candidates.ivf_index import IvfIndex
from training.candidates.text_similarity import TextSpace
from training.inference.checkpoint import (
    CheckpointError,
    read_arrays_of_ivf,
    read_items,
    verify_files,
)
from training.search.ranker import SearchRanker, load_ranker


@dataclass(frozen=True, eq=False)
class SearchCheckpoint:
    """item_ids: (items,) String, by row; space: vectors of the products; titles: (items, dim), of
    their titles alone; ranker: None where the checkpoint was made before there was one.
    """

    item_ids: pl.Series
    space: TextSpace
    titles: np.ndarray | None
    ranker: SearchRanker | None

    def with_products(
        self, item_ids: list[str], vectors: np.ndarray, renewed: dict[int, np.ndarray]
    ) -> "SearchCheckpoint":
        """The checkpoint with these products behind its own, and with new vectors of known ones.

        vectors: (m, 2, dim); renewed: (2, dim) by row: of the product, and of its title
        """
        own = np.asarray(self.space.vectors)
        titles = None if self.titles is None else np.asarray(self.titles)
        if renewed:
            own, titles = own.copy(), None if titles is None else titles.copy()
            for row, (vector, title) in renewed.items():
                own[row] = vector
                if titles is not None:
                    titles[row] = title
        ivf = self.space.ivf
        if ivf is not None:
            ivf = ivf.with_products(vectors[:, 0], {row: v[0] for row, v in renewed.items()})
        if len(item_ids):
            own = np.concatenate([own, vectors[:, 0].astype(own.dtype)])
            if titles is not None:
                titles = np.concatenate([titles, vectors[:, 1].astype(titles.dtype)])
        both = pl.concat([self.item_ids, pl.Series("item_id", item_ids, pl.String)])
        return SearchCheckpoint(both, TextSpace(own, ivf), titles, self.ranker)


def load_search(folder: Path, verify: bool = False) -> SearchCheckpoint:
    """Load a checkpoint of the recipe `search`. Raises CheckpointError with the file's name."""
    verify_files(folder, digests=verify)
    try:
        item_ids = read_items(folder)
        vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        titles = None
        if (folder / "title_vectors.npy").exists():
            titles = np.load(folder / "title_vectors.npy", mmap_mode="r", allow_pickle=False)
        ivf: IvfIndex | None = read_arrays_of_ivf(folder)
        ranker = load_ranker(folder)
    except (OSError, ValueError, lgb.basic.LightGBMError) as error:
        raise CheckpointError(f"{folder.name}: {error}") from None
    if len(vectors) != len(item_ids) or (titles is not None and len(titles) != len(item_ids)):
        raise CheckpointError(
            f"{folder.name}: items.txt names {len(item_ids)} products, the arrays hold another "
            "number"
        )
    if ivf is None:
        vectors = vectors.astype(np.float32)
    return SearchCheckpoint(item_ids, TextSpace(vectors, ivf), titles, ranker)
