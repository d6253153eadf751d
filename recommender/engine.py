"""THE door to training/: the one module that imports it, inside functions, since numbers take a while to load.

Serving uses numpy, scipy and lightgbm only; torch lives in the training process.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from recommender import memory
from recommender.past import History, HistoryEvent
from recommender.places import Addition, BrokenCheckpoint, InvalidConfig, Place, ProductText

if TYPE_CHECKING:
    from training.explain import WhyNot
    from training.export import OnnxEncoder
    from training.predictor import Predictor
    from training.recommender import Recommendation, Recommender
    from training.snapshot import Events

log = logging.getLogger(__name__)

MODELS_KEPT = 4
MULTILINGUAL = "multilingual"
"""The packaged multilingual encoder, by its name in the configuration."""
SAME_TEXT = 0.98
"""Cosine from which on two vectors are taken for those of one text, where a checkpoint kept no digests of its texts."""

TRY_AGAIN_SECONDS = 60.0
_unreadable: dict[Path, float] = {}
"""Checkpoints whose encoder could not be read, and until when it is not tried again."""

Past = Sequence[HistoryEvent]
"""A shopper's events in time order."""


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded checkpoint: the recommender, and its products' ids by row and rows by id."""

    recommender: "Recommender"
    item_ids: list[str]
    rows: dict[str, int]
    folder: Path
    base: "Model | None" = None
    """The model of the checkpoint alone, where this one knows products beside it."""

    def recommend(self, shoppers: list[Past], now: datetime, k: int, showable=None, only_new: bool = False) -> list[list[Place]]:
        """Lists for several shoppers at once, each given by events in time order; empty where nothing of them counts."""
        import numpy as np

        past = self.recommender.histories(_events_of(shoppers, self.rows), np.arange(len(shoppers)))
        lists = self.recommender.recommend(past, int(now.timestamp()), k, showable, only_new)
        return [[self._place(r) for r in found] if past.start[u] < past.start[u + 1] else [] for u, found in enumerate(lists)]

    def by_source(self, shopper: History, source: str, now: datetime, k: int, showable=None) -> list[str]:
        """What one source alone proposes, best first."""
        import numpy as np

        past = self.recommender.histories(_events_of([shopper], self.rows), np.zeros(1, dtype=np.int64))
        if source == "again":
            bought = np.zeros(len(self.item_ids), dtype=bool)
            bought[[self.rows[item_id] for item_id in shopper.bought() if item_id in self.rows]] = True
            showable = bought if showable is None else bought & showable
        return [self.item_ids[r.item] for r in self.recommender.by_source(past, source, int(now.timestamp()), k, showable)[0]]

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
        """The score of one product for each of these shoppers, whether or not it would be proposed to them."""
        import numpy as np

        past = self.recommender.histories(_events_of(shoppers, self.rows), np.arange(len(shoppers)))
        wanted = np.arange(len(shoppers)), np.full(len(shoppers), self.rows[item_id], dtype=np.int64)
        found = self.recommender.candidates(past, int(now.timestamp()), self.recommender.allowed(past), wanted, alone=True)
        return self.recommender.score(found.features).tolist()

    def scores(self, shopper: Past, item_ids: list[str], now: datetime, showable=None) -> list[float]:
        """The scores of these products for a shopper, whether or not they would be proposed."""
        import numpy as np

        past = self.recommender.histories(_events_of([shopper], self.rows), np.zeros(1, dtype=np.int64))
        rows = np.array([self.rows[i] for i in item_ids], dtype=np.int64)
        sought = np.unique(rows)
        wanted = np.zeros(len(sought), dtype=np.int64), sought
        found = self.recommender.candidates(past, int(now.timestamp()), self.recommender.allowed(past, showable), wanted, alone=True)
        return self.recommender.score(found.features)[np.searchsorted(sought, rows)].tolist()

    def explain(self, shopper: Past, item_ids: list[str], now: datetime, showable=None, only_new: bool = False) -> list[Place]:
        """Why these products have their scores: each with its base, contributions and the shares of the shopper's own products."""
        from training.explain import explain

        rows = [self.rows[i] for i in item_ids]
        found = explain(self.recommender, _events_of([shopper], self.rows), rows, int(now.timestamp()), showable, only_new)
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

    def why_not(self, shopper: Past, item_id: str, now: datetime, k: int, showable=None, only_new: bool = False) -> "WhyNot":
        """At which stage this product is lost to the first k of the shopper's list, and by what."""
        import numpy as np

        from training.explain import why_not

        past = self.recommender.histories(_events_of([shopper], self.rows), np.zeros(1, dtype=np.int64))
        return why_not(self.recommender, past, self.rows[item_id], int(now.timestamp()), k, showable, only_new)

    def closest(self, item_ids: list[str], own: list[str]) -> list[str | None]:
        """For each of these products the one of `own` whose text is nearest; None where there is none, or where it is the product itself."""
        import numpy as np

        vectors, mine = self.recommender.signals.vectors, np.array([self.rows[i] for i in own if i in self.rows], dtype=np.int64)
        if vectors is None or not len(mine):
            return [None] * len(item_ids)
        rows = np.array([self.rows[i] for i in item_ids], dtype=np.int64)
        cosine = np.asarray(vectors[rows], np.float32) @ np.asarray(vectors[mine], np.float32).T
        nearest = mine[np.where(rows[:, None] == mine, 2.0, cosine).argmax(axis=1)]
        return [None if best == row else self.item_ids[best] for row, best in zip(rows, nearest, strict=True)]

    def matched_words(self, pairs: list[tuple[ProductText, ProductText]]) -> list[list[tuple[str, float]]]:
        """For each pair of products the words of the first that make it like the second, with their shares; none without an encoder."""
        from training.text import product_text
        from training.words import matched_words

        if not pairs or self.encoder is None:
            return [[] for _ in pairs]
        return matched_words(self.encoder.encode, [(product_text(*first), product_text(*second)) for first, second in pairs])

    @property
    def encoder(self) -> "OnnxEncoder | None":
        """The int8 encoder of the checkpoint; None where it was trained without one, or, with a line in the log, while it cannot be read."""
        if self.base is not None:
            return self.base.encoder
        if time.monotonic() < _unreadable.get(self.folder, 0.0):
            return None
        try:
            return self._encoder
        except BrokenCheckpoint as error:
            log.error("%s; serving goes on without it", error)
            _unreadable[self.folder] = time.monotonic() + TRY_AGAIN_SECONDS
            return None

    @cached_property
    def _encoder(self) -> "OnnxEncoder | None":
        return _open_encoder(self.folder)

    def embed(self, texts: list[ProductText]) -> list[bytes]:
        """What the encoder makes of these products: unit vectors in half precision. Only where there is an encoder."""
        import numpy as np

        from training.text import product_text

        return [vector.astype(np.float16).tobytes() for vector in self.encoder.encode([product_text(*text) for text in texts])]

    @cached_property
    def _text_digests(self) -> Any:
        """(items,) uint64 of the texts that the checkpoint was made of; None where it is older than they are."""
        import numpy as np

        path = self.folder / "text_digests.npy"
        return np.load(path, mmap_mode="r", allow_pickle=False) if path.exists() else None

    def knows_text(self, item_id: str, digest: str) -> bool:
        """Was the checkpoint made of this text (`text_digest`) of the product? False also where it kept no digests."""
        row, digests = self.rows.get(item_id), self._text_digests
        return row is not None and digests is not None and row < len(digests) and int(digests[row]) == int(digest, 16)

    def knows_vector(self, item_id: str, vector: bytes) -> bool:
        """Has a checkpoint without digests (nearly) this vector for the product?"""
        if self._text_digests is not None:
            return False
        row, vectors = self.rows.get(item_id), self.recommender.signals.vectors
        return row is not None and vectors is not None and float(vectors[row] @ _vector(vector)) > SAME_TEXT

    def make_ready(self) -> None:
        """Derive now what the first list would derive and what stays from then on; not for a model that is only extended."""
        with memory.staying():
            self.recommender.signals.make_ready()
            _ = self.encoder

    def with_additions(self, additions: list[Addition]) -> "Model":
        """A model that also knows these products, and the new vectors of known ones."""
        import numpy as np

        from training.extend import NewProducts, with_products

        fresh = [a for a in additions if a.item_id not in self.rows]
        renewed = {self.rows[a.item_id]: _vector(a.vector) for a in additions if a.item_id in self.rows}
        if not additions or self.recommender.signals.vectors is None:
            return self
        facts = self.recommender.facts
        code = lambda codes, of: -1 if of is None else int(codes[self.rows[of]])  # noqa: E731
        vectors = np.stack([_vector(a.vector) for a in fresh]) if fresh else np.zeros((0, self.recommender.signals.vectors.shape[1]), np.float32)
        price = np.array([a.price if a.price else np.nan for a in fresh], dtype=np.float32)
        brand = np.array([code(facts.brand, a.brand_of) for a in fresh], dtype=np.int32)
        category = np.array([code(facts.category, a.category_of) for a in fresh], dtype=np.int32)
        with memory.staying():
            made = with_products(self.recommender, NewProducts(vectors, price, brand, category), renewed)
        ids = [*self.item_ids, *(a.item_id for a in fresh)]
        return Model(made, ids, self.rows | {a.item_id: len(self.item_ids) + i for i, a in enumerate(fresh)}, self.folder, self)

    def with_exposure(self, item_ids: list[str], share: float) -> list[int]:
        """Positions of a ranked list in an order that gives products outside the head at least this share of the places; others keep theirs."""
        import numpy as np

        from training.ranking import with_exposure

        return with_exposure(np.array([i not in self.head for i in item_ids], dtype=bool), share, len(item_ids)).tolist()

    def diversified(self, item_ids: list[str], diversity: float) -> list[int]:
        """Positions of a ranked list in an order that avoids likes of each other; products unknown to the model are like no other."""
        import numpy as np

        from training.ranking import diversified

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
        return Place(self.item_ids[r.item], r.score, r.source, 0.0, r.contributions, {self.item_ids[i]: share for i, share in r.history.items()})


def text_digest(text: ProductText) -> str:
    """16 hexadecimal digits of what the encoder reads of a product."""
    from training import text as texts

    return f"{texts.text_digest(texts.product_text(*text)):016x}"


def settled(history: History) -> History:
    """The events that count in the end, and what the shopper dislikes: returns, removals and dislikes take others back."""
    from training.history import UNDOING, settle

    return history.settled(settle, UNDOING)


def _events_of(pasts: list[Past], known: Mapping[str, int]) -> "Events":
    """Events as training counts them: shoppers by their place, products by `known` rows; others are left out."""
    import numpy as np

    from training.snapshot import TYPE_CODE, Events

    pasts = [past if isinstance(past, History) else History.of(past) for past in pasts]
    item_ids, kinds, at, quantities, sessions = (list(chain.from_iterable(past.columns[i] for past in pasts)) for i in range(5))
    n, numbers = len(item_ids), {None: -1}
    for session in dict.fromkeys(sessions):
        numbers.setdefault(session, len(numbers))
    events = Events(
        user=np.repeat(np.arange(len(pasts), dtype=np.int32), [len(past) for past in pasts]),
        item=np.fromiter(map(known.get, item_ids, repeat(-1)), np.int32, n),
        type=np.fromiter(map(TYPE_CODE.__getitem__, kinds), np.int8, n),
        time=np.array(at, dtype=np.float64).astype(np.int64),
        quantity=np.array([1.0 if quantity is None else quantity for quantity in quantities], dtype=np.float32),
        session=np.fromiter(map(numbers.__getitem__, sessions), np.int64, n),
    )
    return events.take(events.item >= 0)


@dataclass(frozen=True, eq=False)
class Behaviour:
    """A loaded behaviour checkpoint."""

    predictor: "Predictor"
    event_weights: dict[str, float]
    horizon_days: int

    def probabilities(self, shopper: Past, asked: list[str], texts: dict[str, ProductText]) -> list[tuple[float, float | None]]:
        """(purchase, click or None) of each product asked about, for the shopper with these events; `texts` of all products that occur."""
        import numpy as np

        from training.history import histories, interactions
        from training.text import product_text

        if not asked:
            return []
        ids = list(texts)
        rows, told = {item_id: row for row, item_id in enumerate(ids)}, [product_text(*texts[item_id]) for item_id in ids]
        past = histories(interactions(_events_of([shopper], rows), self.event_weights), np.zeros(1, dtype=np.int64), len(ids))
        bought = dict(zip(past.item.tolist(), past.bought.tolist(), strict=True))
        latest = past.item[::-1][: self.predictor.facts["history_items"]]
        history, products = "; ".join(told[row] for row in latest), [told[rows[item_id]] for item_id in asked]
        before = np.array([bought.get(rows[item_id], 0) > 0 for item_id in asked])
        purchase = self.predictor.purchase([history] * len(asked), products, before)
        click = self.predictor.click([history] * len(asked), products)
        return [(float(p), None if click is None else float(click[i])) for i, p in enumerate(purchase)]


@lru_cache(maxsize=MODELS_KEPT)
def behaviour_of(folder: str) -> Behaviour:
    """The behaviour model in this folder below VITRINE_CHECKPOINTS. Raises BrokenCheckpoint."""
    from training.checkpoint import CheckpointError, read_run
    from training.config import from_dict
    from training.predictor import load_predictor

    try:
        run, predictor = read_run(checkpoint_path(folder)), load_predictor(checkpoint_path(folder))
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None
    config = from_dict(run["recipe"], run["config"])
    return Behaviour(predictor, config.event_weights, config.horizon_days)


def _vector(stored: bytes):
    import numpy as np

    return np.frombuffer(stored, dtype=np.float16).astype(np.float32)


class _Models:
    """The few checkpoints that this process served last."""

    def __init__(self) -> None:
        self.loaded: OrderedDict[str, Model] = OrderedDict()
        self.loading: dict[str, threading.Lock] = {}
        self.lock = threading.Lock()

    def get(self, folder: str) -> Model:
        """Loaded by the first who asks for it; whoever asks for another one meanwhile does not wait."""
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


_models = _Models()


def model_of(folder: str) -> Model:
    """The model in this folder below VITRINE_CHECKPOINTS, from memory where it was used lately."""
    return _models.get(folder)


def forget(folder: str) -> None:
    """Free the memory of a model that is not served any more; asked for again it is loaded again."""
    _models.forget(folder)


def import_numbers() -> None:
    """Import what models are read and reckoned with, which takes seconds, before there is one."""
    import onnxruntime  # noqa: F401
    import tokenizers  # noqa: F401

    import training.checkpoint
    import training.explain
    import training.export
    import training.words  # noqa: F401


def _load(folder: str, verify: bool = False) -> Model:
    from training.checkpoint import CheckpointError, load_checkpoint

    try:
        with memory.staying():
            recommender, item_ids = load_checkpoint(checkpoint_path(folder), verify)
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None
    return Model(recommender, item_ids, {item_id: row for row, item_id in enumerate(item_ids)}, checkpoint_path(folder))


def _open_encoder(checkpoint: Path) -> "OnnxEncoder | None":
    """A checkpoint's encoder, which has read a first text; None where there is none. Raises BrokenCheckpoint."""
    from training.export import NAME, OnnxEncoder

    folder = checkpoint / "onnx"
    if not (folder / NAME).exists():
        return None
    try:
        encoder = OnnxEncoder(folder, threads=1)
        encoder.encode([""])
    except Exception as error:  # onnxruntime and tokenizers raise kinds of their own
        raise BrokenCheckpoint(f"{checkpoint.parent.name}/{checkpoint.name}: its encoder cannot be read: {error}") from error
    return encoder


def verify(folder: str, purpose: str = "ranking") -> None:
    """Read every byte of a checkpoint, compare digests, open its encoder; raises BrokenCheckpoint."""
    from training.checkpoint import CheckpointError, verify_files

    if purpose == "ranking":
        _load(folder, verify=True)
        _open_encoder(checkpoint_path(folder))
        return
    try:
        verify_files(checkpoint_path(folder))
    except CheckpointError as error:
        raise BrokenCheckpoint(str(error)) from None


def checkpoint_path(folder: str) -> Path:
    return settings.VITRINE_CHECKPOINTS / folder


def check_config(recipe: str, preset: str, overrides: dict[str, Any]) -> None:
    """Raises InvalidConfig where a training run could not be configured so."""
    from training.config import ConfigError, make_config

    try:
        make_config(recipe, overrides, preset)
    except ConfigError as error:
        raise InvalidConfig(str(error)) from None


def names_outside(overrides: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Of flat overrides those that name something outside the configuration: field -> (kind, name); kinds as in training.config.OUTSIDE."""
    from training.config import OUTSIDE

    named = {field: (OUTSIDE.get(field.rpartition(".")[2]), value) for field, value in overrides.items()}
    return {field: (kind, str(value)) for field, (kind, value) in named.items() if kind and value}


def recipes() -> dict[str, list[tuple[str, Any, str]]]:
    """Every recipe with (field, default, meaning) of its fields."""
    from training.config import RECIPES, describe

    return {name: describe(name) for name in RECIPES}


def stages(recipe: str) -> list[str]:
    """Names of a run's stages, in order."""
    from training.progress import STAGES

    return list(STAGES.get(recipe, ()))


def write_snapshot(folder: Path, shop: str, tables: dict, currency: str) -> dict:
    from training.snapshot import write_snapshot

    return write_snapshot(folder, shop, tables, currency)


def forget_everything() -> None:
    """As if the process had just begun; for tests."""
    global _models
    _models = _Models()
    _unreadable.clear()
    behaviour_of.cache_clear()
