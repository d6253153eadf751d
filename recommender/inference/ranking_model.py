"""A ranking checkpoint in memory: lists, scores and explanations, by product ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from recommender.inference.checkpoint_files import CheckpointEncoder
from recommender.inference.history import History, HistoryEvent, events_of
from recommender.infrastructure import process_memory

if TYPE_CHECKING:
    from training.inference.explanations import WhyNot
    from training.inference.recommender import Recommendation, Recommender

ProductText = tuple[str, str, list[str], str]
"""Title, brand, categories, description."""
Events = Sequence[HistoryEvent]
"""Events of one shopper in time order."""
SAME_TEXT = 0.98
"""Least cosine of two vectors of one text, for checkpoints that hold no digests of their texts."""


@dataclass(frozen=True)
class Addition:
    """A product that was embedded after the checkpoint: a new one, or one whose text has changed.

    vector: as `Model.embed` returns it
    brand_of, category_of: known products of its brand and of its category
    """

    item_id: str
    vector: bytes
    price: float | None
    brand_of: str | None
    category_of: str | None


@dataclass(slots=True)
class RankedItem:
    """A product in a ranking.

    source: candidate sources that proposed it
    contributions: per kind of reason; with `base` they sum to the score
    history: shares of the shopper's own products in the score
    examples: per kind of reason, the own product that speaks most for this one
    """

    item_id: str
    score: float
    source: list[str]
    base: float
    contributions: dict[str, float]
    history: dict[str, float]
    examples: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Model(CheckpointEncoder):
    """A loaded ranking checkpoint.

    item_ids, rows: product ids by row, and rows by product id
    base: the model of the checkpoint alone, for a model extended by new products

    Masks are (items,) bool arrays of eligible products; None: all.
    """

    recommender: "Recommender"
    item_ids: list[str]
    rows: dict[str, int]
    folder: Path
    base: "Model | None" = None

    def known(self, item_ids: Iterable[str]) -> dict[str, int]:
        """The rows of those of these products that the model has."""
        return {item_id: self.rows[item_id] for item_id in item_ids if item_id in self.rows}

    def recommend(
        self,
        shoppers: Sequence[Events],
        now: datetime,
        k: int,
        mask=None,
        only_new: bool = False,
    ) -> list[list[RankedItem]]:
        """The k best products for each shopper; empty for one whose events do not count."""
        histories = self._histories(shoppers)
        rankings = self.recommender.recommend(histories, int(now.timestamp()), k, mask, only_new)
        return [
            [self._ranked(one) for one in ranking]
            if histories.start[u] < histories.start[u + 1]
            else []
            for u, ranking in enumerate(rankings)
        ]

    def by_source(
        self, shopper: History, source: str, now: datetime, k: int, mask=None
    ) -> list[str]:
        """Candidates of one source alone, the best first."""
        import numpy as np

        if source == "again":
            bought = np.zeros(len(self.item_ids), dtype=bool)
            bought[[self.rows[i] for i in shopper.bought() if i in self.rows]] = True
            mask = bought if mask is None else bought & mask
        histories = self._histories([shopper])
        ranking = self.recommender.by_source(histories, source, int(now.timestamp()), k, mask)[0]
        return [self.item_ids[one.item] for one in ranking]

    def by_interests(self, texts: list[str], k: int, mask=None) -> list[str]:
        """Products whose texts are nearest to any of these, best first; none without an encoder."""
        import numpy as np

        signals = self.recommender.signals
        if signals.vectors is None or self.encoder is None:
            return []
        queries = self.encoder.encode(texts)
        rows = signals.space.near(queries, mask)
        score = (signals.space.read(rows) @ queries.T).max(axis=1)
        return [self.item_ids[row] for row in rows[np.lexsort((rows, -score))[:k]]]

    def scores_of(self, shoppers: Sequence[Events], item_id: str, now: datetime) -> list[float]:
        """The score of one product for each shopper, whether or not it would be a candidate."""
        import numpy as np

        row = self.rows[item_id]
        pairs = np.arange(len(shoppers)), np.full(len(shoppers), row, dtype=np.int64)
        return self._score(self._histories(shoppers), pairs, now).tolist()

    def scores(self, shopper: Events, item_ids: list[str], now: datetime, mask=None) -> list[float]:
        """The scores of these products for a shopper, whether or not they would be candidates."""
        import numpy as np

        rows = np.array([self.rows[i] for i in item_ids], dtype=np.int64)
        distinct = np.unique(rows)
        pairs = np.zeros(len(distinct), dtype=np.int64), distinct
        score = self._score(self._histories([shopper]), pairs, now, mask)
        return score[np.searchsorted(distinct, rows)].tolist()

    def _score(self, histories, pairs, now: datetime, mask=None):
        """(n,) scores of (shoppers (n,), items (n,))."""
        allowed = self.recommender.allowed(histories, mask)
        candidates = self.recommender.candidates(
            histories, int(now.timestamp()), allowed, pairs, alone=True
        )
        return self.recommender.score(candidates.features)

    def _histories(self, shoppers: Sequence[Events]):
        """The histories of these shoppers as training counts them."""
        import numpy as np

        return self.recommender.histories(events_of(shoppers, self.rows), np.arange(len(shoppers)))

    def explain(
        self,
        shopper: Events,
        item_ids: list[str],
        now: datetime,
        mask=None,
        only_new: bool = False,
    ) -> list[RankedItem]:
        """Score these products, with contributions by reason, history items and examples."""
        from training.inference.explanations import explain

        rows, at = [self.rows[i] for i in item_ids], int(now.timestamp())
        explanations = explain(
            self.recommender, events_of([shopper], self.rows), rows, at, mask, only_new
        )
        return [
            RankedItem(
                item_id,
                one.score,
                source=[],
                base=one.base,
                contributions=one.contributions,
                history={self.item_ids[row]: share for row, share in one.shares.items()},
                examples={kind: self.item_ids[row] for kind, row in one.examples.items()},
            )
            for item_id, one in zip(item_ids, explanations, strict=True)
        ]

    def why_not(
        self,
        shopper: Events,
        item_id: str,
        now: datetime,
        k: int,
        mask=None,
        only_new: bool = False,
    ) -> "WhyNot":
        """The stage at which this product is lost to the first k of the shopper's list."""
        from training.inference.explanations import why_not

        histories, row = self._histories([shopper]), self.rows[item_id]
        return why_not(self.recommender, histories, row, int(now.timestamp()), k, mask, only_new)

    def closest(self, item_ids: list[str], history_ids: list[str]) -> list[str | None]:
        """For each product the one of `own` with the nearest text.

        None where there is none, or where it is the product itself.
        """
        import numpy as np

        vectors = self.recommender.signals.vectors
        own_rows = np.array([self.rows[i] for i in history_ids if i in self.rows], dtype=np.int64)
        if vectors is None or not len(own_rows):
            return [None] * len(item_ids)
        rows = np.array([self.rows[i] for i in item_ids], dtype=np.int64)
        cosine = np.asarray(vectors[rows], np.float32) @ np.asarray(vectors[own_rows], np.float32).T
        nearest = own_rows[np.where(rows[:, None] == own_rows, 2.0, cosine).argmax(axis=1)]
        return [
            None if best == row else self.item_ids[best]
            for row, best in zip(rows, nearest, strict=True)
        ]

    def matched_words(
        self, pairs: list[tuple[ProductText, ProductText]]
    ) -> list[list[tuple[str, float]]]:
        """Per pair, the words of the first text that make it like the second, with their shares.

        Empty without an encoder.
        """
        from training.data.product_text import product_text
        from training.inference.text_attribution import matched_words

        if not pairs or self.encoder is None:
            return [[] for _ in pairs]
        texts = [(product_text(*first), product_text(*second)) for first, second in pairs]
        return matched_words(self.encoder.encode, texts)

    def embed(self, texts: list[ProductText]) -> list[bytes]:
        """Embed these products: unit vectors in half precision. Requires an encoder."""
        import numpy as np

        from training.data.product_text import product_text

        vectors = self.encoder.encode([product_text(*text) for text in texts])
        return [vector.astype(np.float16).tobytes() for vector in vectors]

    def vector_of(self, item_id: str) -> list[float] | None:
        """The vector of a product's text, unit length; None where the model has none."""
        row, vectors = self.rows.get(item_id), self.recommender.signals.vectors
        if row is None or vectors is None:
            return None
        return [round(float(value), 6) for value in vectors[row]]

    def knows_vector(self, item_id: str, vector: bytes) -> bool:
        """True where a checkpoint without digests has about this vector for the product."""
        if self._text_digests is not None:
            return False
        row, vectors = self.rows.get(item_id), self.recommender.signals.vectors
        if row is None or vectors is None:
            return False
        return float(vectors[row] @ _vector(vector)) > SAME_TEXT

    def make_ready(self) -> None:
        """Derive now what the first list would derive, and what stays in memory from then on."""
        with process_memory.mmap_allocations():
            self.recommender.signals.make_ready()
            _ = self.encoder

    def with_additions(self, additions: list[Addition]) -> "Model":
        """A copy of the model with new products, and with new vectors of products whose text has
        changed.
        """
        import numpy as np

        from training.inference.new_products import NewProducts, with_products

        signals, facts = self.recommender.signals, self.recommender.facts
        if not additions or signals.vectors is None:
            return self
        new = [a for a in additions if a.item_id not in self.rows]
        renewed = {
            self.rows[a.item_id]: _vector(a.vector) for a in additions if a.item_id in self.rows
        }
        vectors = np.zeros((len(new), signals.vectors.shape[1]), np.float32)
        for i, addition in enumerate(new):
            vectors[i] = _vector(addition.vector)
        products = NewProducts(
            vectors,
            price=np.array([a.price if a.price else np.nan for a in new], dtype=np.float32),
            brand=self._codes(facts.brand, [a.brand_of for a in new]),
            category=self._codes(facts.category, [a.category_of for a in new]),
        )
        with process_memory.mmap_allocations():
            extended = with_products(self.recommender, products, renewed)
        rows = {a.item_id: len(self.item_ids) + i for i, a in enumerate(new)}
        return Model(extended, [*self.item_ids, *rows], self.rows | rows, self.folder, self)

    def _codes(self, codes, like: list[str | None]):
        """(n,) int32: the codes of these known products; -1 for None."""
        import numpy as np

        return np.array([-1 if i is None else codes[self.rows[i]] for i in like], dtype=np.int32)

    def with_exposure(self, item_ids: list[str], share: float) -> list[int]:
        """Positions of a ranking, re-ranked so that products outside the head get a least share."""
        import numpy as np

        from training.ranking.reranking import with_exposure

        is_tail = np.array([i not in self.head for i in item_ids], dtype=bool)
        return with_exposure(is_tail, share, len(item_ids)).tolist()

    def diversified(self, item_ids: list[str], diversity: float) -> list[int]:
        """Positions of a ranking, re-ranked to avoid similar products (0 to 1).

        Products unknown to the model are similar to no other.
        """
        import numpy as np

        from training.ranking.reranking import diversified

        known = np.array([i in self.rows for i in item_ids], dtype=bool)
        rows = np.array([self.rows[i] for i in item_ids if i in self.rows], dtype=np.int64)
        similarity = np.zeros((len(item_ids), len(item_ids)))
        similarity[np.ix_(known, known)] = self.recommender.likeness(rows)
        return diversified(similarity, diversity).tolist()

    @cached_property
    def head(self) -> set[str]:
        """The best-selling fifth of the products."""
        return {self.item_ids[row] for row in self.recommender.head()}

    def related(self, item_ids: Sequence[str], k: int, mask=None) -> list[RankedItem]:
        """Item-to-item recommendations: the k products most related to these, best first, by the
        sum of the sources' normalized scores. Empty where the model knows none of `item_ids`.
        """
        rows = [self.rows[i] for i in item_ids if i in self.rows]
        if not rows:
            return []
        return [self._ranked(one) for one in self.recommender.related(rows, k, mask)]

    def _ranked(self, one: "Recommendation") -> RankedItem:
        return RankedItem(
            self.item_ids[one.item],
            one.score,
            one.source,
            base=0.0,
            contributions=one.contributions,
            history={self.item_ids[row]: share for row, share in one.history.items()},
            examples={kind: self.item_ids[row] for kind, row in one.examples.items()},
        )


def text_digest(text: ProductText) -> str:
    """16 hexadecimal digits of the text that the encoder reads of a product."""
    from training.data import product_text

    return f"{product_text.text_digest(product_text.product_text(*text)):016x}"


def _vector(stored: bytes):
    import numpy as np

    return np.frombuffer(stored, dtype=np.float16).astype(np.float32)
