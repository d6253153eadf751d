"""What a process keeps in memory per shop to serve it: the champion, what must not be shown, placements, what is popular."""

import logging
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from django.db import DatabaseError, connection
from django.db.models import Count
from django.utils import timezone

from recommender import engine
from recommender.catalogue import Catalogue
from recommender.embedding import additions
from recommender.feed import Feed
from recommender.filters import EVERYTHING, Selection
from recommender.models import Change, Event, ModelVersion, Placement, Shop
from recommender.reach import database

log = logging.getLogger(__name__)

SHOPS_KEPT = 8
POPULAR_SECONDS = 60
POPULAR_KEPT = 5000


@dataclass
class ShopState:
    """One shop as this process knows it; parts are read when first needed and dropped when the feed says so."""

    shop_id: int
    generation: int = 0
    version: ModelVersion | None = None
    version_read: bool = False
    placements: dict[str, Placement] | None = None
    catalogue: Catalogue = field(init=False)
    popular: list[str] | None = None
    popular_at: float = 0.0
    extended: tuple[engine.Model, engine.Model] | None = None
    """A checkpoint as loaded, and with the products beside it."""
    new_vectors: bool = False

    def __post_init__(self) -> None:
        self.catalogue = Catalogue(self.shop_id)

    def champion(self) -> ModelVersion | None:
        if not self.version_read:
            generation = self.generation
            self.version = ModelVersion.objects.select_related("run").filter(shop=self.shop_id, purpose="ranking", status="champion").first()
            self.version_read = generation == self.generation
        return self.version

    def model(self) -> engine.Model | None:
        """The champion's model with what is new beside it; where its folder is broken, the version that served before it; None without any."""
        version = self.champion()
        while version is not None:
            try:
                model = engine.model_of(version.folder)
            except engine.BrokenCheckpoint as error:
                log.error("shop %s: %s cannot be served: %s", self.shop_id, version, error)
                self.version = version = version.previous()
            else:
                return self._with_new_products(version, model)
        return None

    def _with_new_products(self, version: ModelVersion, model: engine.Model) -> engine.Model:
        """The model extended by products that arrived after its training, made once for each piece of news."""
        kept, generation = self.extended, self.generation
        if kept and kept[0] is model and (not self.new_vectors or database.gone):
            return kept[1]
        self.new_vectors = False
        made = model.with_additions(additions(version, model))
        if generation == self.generation:
            self.extended = (model, made)
        else:
            self.new_vectors = True
        return made

    def placement(self, key: str) -> Placement | None:
        found = self.placements
        if found is None:
            generation = self.generation
            found = {p.key: p for p in Placement.objects.filter(shop=self.shop_id)}
            self.placements = found if generation == self.generation else None
        return found.get(key)

    def mask(self, model: engine.Model, selection: Selection = EVERYTHING):
        """(items,) bool array: the model's items that may be shown and are selected."""
        return self.catalogue.mask_of(model, selection, timezone.now())

    def bestsellers(self) -> list[str]:
        """What sold best in the last 30 days, then in all; whether it may be shown is another question."""
        found = self.popular
        if found is None or (time.monotonic() - self.popular_at > POPULAR_SECONDS and not database.gone):
            self.popular_at = time.monotonic()
            self.popular = found = _most_sold(self.shop_id)
        return found

    def load(self) -> None:
        """Read what serving needs now rather than at the first request."""
        self.model()
        self.placement("")
        self.catalogue.products()
        self.bestsellers()

    def heed(self, change: Change) -> None:
        """Drop what a change makes untrue; what is being read at this moment is not kept either."""
        self.generation += 1
        if change.kind == Change.CHAMPION:
            self.version_read = False
        elif change.kind == Change.PLACEMENT:
            self.placements = None
        elif change.kind == Change.VECTORS:
            self.new_vectors = True
        else:
            self.catalogue.changed(change.item_ids())


def _most_sold(shop_id: int) -> list[str]:
    """By the number of purchases, anonymous ones included."""
    bought = Event.objects.filter(shop=shop_id, type="purchase", simulated=False).exclude(product=None)
    lately = bought.filter(occurred_at__gte=timezone.now() - timezone.timedelta(days=30))
    found: list[str] = []
    for events in (lately, bought):
        if len(found) < POPULAR_KEPT:
            counted = events.values("product__item_id").annotate(sold=Count("id")).order_by("-sold", "product__item_id")
            found += counted.values_list("product__item_id", flat=True)[:POPULAR_KEPT]
    return list(dict.fromkeys(found))[:POPULAR_KEPT]


class _Shops:
    """The few shops this process served last, kept true by the feed."""

    def __init__(self) -> None:
        self.states: OrderedDict[int, ShopState] = OrderedDict()
        self.lock = threading.Lock()
        self.feed = Feed(self._hear)

    def get(self, shop_id: int) -> ShopState:
        self.feed.look()
        with self.lock:
            state = self.states.get(shop_id)
            if state is None:
                state = self.states[shop_id] = ShopState(shop_id)
            self.states.move_to_end(shop_id)
            while len(self.states) > SHOPS_KEPT:
                self.states.popitem(last=False)
            return state

    def _hear(self, change: Change) -> None:
        with self.lock:
            if state := self.states.get(change.shop_id):
                state.heed(change)


_shops = _Shops()


def follow_news() -> None:
    """Hear of changes as they are committed, from now on; without it they are looked for once a second."""
    _shops.feed.listen()


def state_of(shop: Shop) -> ShopState:
    return _shops.get(shop.pk)


def can_do_without_database() -> bool:
    """Is there a shop whose lists this process could go on serving?"""
    return any(state.version is not None and state.placements is not None for state in list(_shops.states.values()))


def warm_up() -> None:
    """Load what this process is likely to serve with, so that no shopper waits for it, and none goes without should the database go."""
    try:
        for shop in Shop.objects.order_by("-id")[:SHOPS_KEPT]:
            state_of(shop).load()
    except DatabaseError as error:
        log.warning("no model loaded at start: %s", error)
    finally:
        connection.close()


def forget_everything() -> None:
    """As if the process had just begun; for tests."""
    global _shops
    _shops = _Shops()
