"""A ranking checkpoint in memory: lists, scores and explanations, with product ids instead of
row numbers.
"""

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender.inference.checkpoint_files import (
    TRY_AGAIN_SECONDS,
    BrokenCheckpoint,
    open_encoder,
    unreadable,
)
from recommender.inference.history import History, Past, events_of
from recommender.infrastructure import process_memory

if TYPE_CHECKING:
    from training.encoders.onnx import OnnxEncoder
    from training.inference.explanations import WhyNot
    from training.inference.recommender import Recommendation, Recommender


log = logging.getLogger(__name__)

ProductText = tuple[str, str, list[str], str]
"""Title, brand, categories, description."""


@dataclass(frozen=True)
class Addition:
    """A product beside a checkpoint: its vector (as Model.embed gives it), its price, and known
    products of its brand and category.
    """

    item_id: str
    vector: bytes
    price: float | None
    brand_of: str | None
    category_of: str | None


@dataclass(slots=True)
class Place:
    """A product in a list: its score, which sources proposed it, and with an explanation base +
    contributions = score and shares of the history.
    """

    item_id: str
    score: float
    source: list[str]
    base: float
    contributions: dict[str, float]
    history: dict[str, float]
    examples: dict[str, str] = field(default_factory=dict)
    """By kind of reason, the shopper's own product of which it is most true."""


SAME_TEXT = 0.98
"""Cosine from which on two vectors are taken for those of one text, where a checkpoint kept no
digests of its texts.
"""


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded checkpoint: the recommender, and its products' ids by row and rows by id."""

    recommender: "Recommender"
    item_ids: list[str]
    rows: dict[str, int]
    folder: Path
    base: "Model | None" = None
    """The model of the checkpoint alone, where this one knows products beside it."""

    def recommend(
        self, shoppers: list[Past], now: datetime, k: int, showable=None, only_new: bool = False
    ) -> list[list[Place]]:
        """Lists for several shoppers at once, each given by events in time order; empty where
        nothing of them counts.
        """
        import numpy as np

        past = self.recommender.histories(events_of(shoppers, self.rows), np.arange(len(shoppers)))
        lists = self.recommender.recommend(past, int(now.timestamp()), k, showable, only_new)
        return [
            [self._place(r) for r in found] if past.start[u] < past.start[u + 1] else []
            for u, found in enumerate(lists)
        ]

    def by_source(
        self, shopper: History, source: str, now: datetime, k: int, showable=None
    ) -> list[str]:
        """What one source alone proposes, best first."""
        import numpy as np

        past = self.recommender.histories(
            events_of([shopper], self.rows), np.zeros(1, dtype=np.int64)
        )
        if source == "again":
            bought = np.zeros(len(self.item_ids), dtype=bool)
            bought[[self.rows[item_id] for item_id in shopper.bought() if item_id in self.rows]] = (
                True
            )
            showable = bought if showable is None else bought & showable
        return [
            self.item_ids[r.item]
            for r in self.recommender.by_source(past, source, int(now.timestamp()), k, showable)[0]
        ]

    def by_interests(self, texts: list[str], k: int, showable=None) -> list[str]:
        """Products whose texts are nearest to any of these, best first."""
        import numpy as np

        signals = self.recommender.signals
        if signals.vectors is None or self.encoder is None:
            return []
        sought = self.encoder.encode(texts)
        rows = signals.space.near(sought, showable)
        score = (signals.space.read(rows) @ sought.T).max(axis=1)
        return [self.item_ids[row] for row in rows[np.lexsort((rows, -score))[:k]]]

    def who_wants(self, shoppers: list[Past], item_id: str, now: datetime) -> list[float]:
        """The score of one product for each of these shoppers, whether or not it would be
        proposed to them.
        """
        import numpy as np

        past = self.recommender.histories(events_of(shoppers, self.rows), np.arange(len(shoppers)))
        wanted = (
            np.arange(len(shoppers)),
            np.full(len(shoppers), self.rows[item_id], dtype=np.int64),
        )
        found = self.recommender.candidates(
            past, int(now.timestamp()), self.recommender.allowed(past), wanted, alone=True
        )
        return self.recommender.score(found.features).tolist()

    def scores(
        self, shopper: Past, item_ids: list[str], now: datetime, showable=None
    ) -> list[float]:
        """The scores of these products for a shopper, whether or not they would be proposed."""
        import numpy as np

        past = self.recommender.histories(
            events_of([shopper], self.rows), np.zeros(1, dtype=np.int64)
        )
        rows = np.array([self.rows[i] for i in item_ids], dtype=np.int64)
        sought = np.unique(rows)
        wanted = np.zeros(len(sought), dtype=np.int64), sought
        found = self.recommender.candidates(
            past, int(now.timestamp()), self.recommender.allowed(past, showable), wanted, alone=True
        )
        return self.recommender.score(found.features)[np.searchsorted(sought, rows)].tolist()

    def explain(
        self,
        shopper: Past,
        item_ids: list[str],
        now: datetime,
        showable=None,
        only_new: bool = False,
    ) -> list[Place]:
        """Why these products have their scores: each with its base, contributions and the
        shares of the shopper's own products.
        """
        from training.inference.explanations import explain

        rows = [self.rows[i] for i in item_ids]
        found = explain(
            self.recommender,
            events_of([shopper], self.rows),
            rows,
            int(now.timestamp()),
            showable,
            only_new,
        )
        return [
            Place(
                item_id,
                e.score,
                [],
                e.base,
                e.contributions,
                {self.item_ids[row]: share for row, share in e.shares.items()},
                {kind: self.item_ids[row] for kind, row in e.examples.items()},
            )
            for item_id, e in zip(item_ids, found, strict=True)
        ]

    def why_not(
        self,
        shopper: Past,
        item_id: str,
        now: datetime,
        k: int,
        showable=None,
        only_new: bool = False,
    ) -> "WhyNot":
        """At which stage this product is lost to the first k of the shopper's list, and by what."""
        import numpy as np

        from training.inference.explanations import why_not

        past = self.recommender.histories(
            events_of([shopper], self.rows), np.zeros(1, dtype=np.int64)
        )
        return why_not(
            self.recommender, past, self.rows[item_id], int(now.timestamp()), k, showable, only_new
        )

    def closest(self, item_ids: list[str], own: list[str]) -> list[str | None]:
        """For each of these products the one of `own` whose text is nearest; None where there
        is none, or where it is the product itself.
        """
        import numpy as np

        vectors = self.recommender.signals.vectors
        mine = np.array([self.rows[i] for i in own if i in self.rows], dtype=np.int64)
        if vectors is None or not len(mine):
            return [None] * len(item_ids)
        rows = np.array([self.rows[i] for i in item_ids], dtype=np.int64)
        cosine = np.asarray(vectors[rows], np.float32) @ np.asarray(vectors[mine], np.float32).T
        nearest = mine[np.where(rows[:, None] == mine, 2.0, cosine).argmax(axis=1)]
        return [
            None if best == row else self.item_ids[best]
            for row, best in zip(rows, nearest, strict=True)
        ]

    def matched_words(
        self, pairs: list[tuple[ProductText, ProductText]]
    ) -> list[list[tuple[str, float]]]:
        """For each pair of products the words of the first that make it like the second, with
        their shares; none without an encoder.
        """
        from training.data.product_text import product_text
        from training.inference.text_attribution import matched_words

        if not pairs or self.encoder is None:
            return [[] for _ in pairs]
        return matched_words(
            self.encoder.encode,
            [(product_text(*first), product_text(*second)) for first, second in pairs],
        )

    @property
    def encoder(self) -> "OnnxEncoder | None":
        """The int8 encoder of the checkpoint; None where it was trained without one, or, with a
        line in the log, while it cannot be read.
        """
        if self.base is not None:
            return self.base.encoder
        if time.monotonic() < unreadable.get(self.folder, 0.0):
            return None
        try:
            return self._encoder
        except BrokenCheckpoint as error:
            log.error("%s; serving goes on without it", error)
            unreadable[self.folder] = time.monotonic() + TRY_AGAIN_SECONDS
            return None

    @cached_property
    def _encoder(self) -> "OnnxEncoder | None":
        return open_encoder(self.folder)

    def embed(self, texts: list[ProductText]) -> list[bytes]:
        """What the encoder makes of these products: unit vectors in half precision.

        Only where there is an encoder.
        """
        import numpy as np

        from training.data.product_text import product_text

        return [
            vector.astype(np.float16).tobytes()
            for vector in self.encoder.encode([product_text(*text) for text in texts])
        ]

    @cached_property
    def _text_digests(self) -> Any:
        """(items,) uint64 of the texts that the checkpoint was made of; None where it is older
        than they are.
        """
        import numpy as np

        path = self.folder / "text_digests.npy"
        return np.load(path, mmap_mode="r", allow_pickle=False) if path.exists() else None

    def knows_text(self, item_id: str, digest: str) -> bool:
        """Was the checkpoint made of this text (`text_digest`) of the product?

        False also where it kept no digests.
        """
        row, digests = self.rows.get(item_id), self._text_digests
        return (
            row is not None
            and digests is not None
            and row < len(digests)
            and int(digests[row]) == int(digest, 16)
        )

    def knows_vector(self, item_id: str, vector: bytes) -> bool:
        """Has a checkpoint without digests (nearly) this vector for the product?"""
        if self._text_digests is not None:
            return False
        row, vectors = self.rows.get(item_id), self.recommender.signals.vectors
        return (
            row is not None
            and vectors is not None
            and float(vectors[row] @ _vector(vector)) > SAME_TEXT
        )

    def make_ready(self) -> None:
        """Derive now what the first list would derive and what stays from then on; not for a
        model that is only extended.
        """
        with process_memory.staying():
            self.recommender.signals.make_ready()
            _ = self.encoder

    def with_additions(self, additions: list[Addition]) -> "Model":
        """A model that also knows these products, and the new vectors of known ones."""
        import numpy as np

        from training.inference.new_products import NewProducts, with_products

        fresh = [a for a in additions if a.item_id not in self.rows]
        renewed = {
            self.rows[a.item_id]: _vector(a.vector) for a in additions if a.item_id in self.rows
        }
        if not additions or self.recommender.signals.vectors is None:
            return self
        facts = self.recommender.facts

        def code(codes, of):
            return -1 if of is None else int(codes[self.rows[of]])

        vectors = (
            np.stack([_vector(a.vector) for a in fresh])
            if fresh
            else np.zeros((0, self.recommender.signals.vectors.shape[1]), np.float32)
        )
        price = np.array([a.price if a.price else np.nan for a in fresh], dtype=np.float32)
        brand = np.array([code(facts.brand, a.brand_of) for a in fresh], dtype=np.int32)
        category = np.array([code(facts.category, a.category_of) for a in fresh], dtype=np.int32)
        with process_memory.staying():
            made = with_products(
                self.recommender, NewProducts(vectors, price, brand, category), renewed
            )
        ids = [*self.item_ids, *(a.item_id for a in fresh)]
        return Model(
            made,
            ids,
            self.rows | {a.item_id: len(self.item_ids) + i for i, a in enumerate(fresh)},
            self.folder,
            self,
        )

    def with_exposure(self, item_ids: list[str], share: float) -> list[int]:
        """Positions of a ranked list in an order that gives products outside the head at least
        this share of the places; others keep theirs.
        """
        import numpy as np

        from training.ranking.reranking import with_exposure

        return with_exposure(
            np.array([i not in self.head for i in item_ids], dtype=bool), share, len(item_ids)
        ).tolist()

    def diversified(self, item_ids: list[str], diversity: float) -> list[int]:
        """Positions of a ranked list in an order that avoids likes of each other; products
        unknown to the model are like no other.
        """
        import numpy as np

        from training.ranking.reranking import diversified

        known = np.array([i in self.rows for i in item_ids], dtype=bool)
        rows = np.array([self.rows[i] for i in item_ids if i in self.rows], dtype=np.int64)
        likeness = np.zeros((len(item_ids), len(item_ids)))
        likeness[np.ix_(known, known)] = self.recommender.likeness(rows)
        return diversified(likeness, diversity).tolist()

    @cached_property
    def head(self) -> set[str]:
        """The best-selling fifth."""
        return {self.item_ids[row] for row in self.recommender.head()}

    def related(self, item_ids: list[str], k: int, showable=None) -> list[Place]:
        rows = [self.rows[i] for i in item_ids if i in self.rows]
        return [self._place(r) for r in self.recommender.related(rows, k, showable)] if rows else []

    def _place(self, r: "Recommendation") -> Place:
        return Place(
            self.item_ids[r.item],
            r.score,
            r.source,
            0.0,
            r.contributions,
            {self.item_ids[i]: share for i, share in r.history.items()},
        )


def text_digest(text: ProductText) -> str:
    """16 hexadecimal digits of what the encoder reads of a product."""
    from training.data import product_text as texts

    return f"{texts.text_digest(texts.product_text(*text)):016x}"


def _vector(stored: bytes):
    import numpy as np

    return np.frombuffer(stored, dtype=np.float16).astype(np.float32)
