"""What a process keeps in memory per shop to serve it: the champion, what must not be shown,
placements, what is popular.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils import timezone

from recommender.catalog.embeddings import additions
from recommender.catalog.filter_language import EVERYTHING, Selection
from recommender.catalog.product_index import Catalogue
from recommender.inference import checkpoint_files, model_cache, ranking_model
from recommender.infrastructure import process_memory
from recommender.infrastructure.availability import database
from recommender.models import Change, ModelVersion, Placement, Shop
from recommender.serving.best_sellers import begun_with, most_sold, most_sold_in
from recommender.serving.change_feed import Feed

log = logging.getLogger(__name__)

SHOPS_KEPT = 8
POPULAR_SECONDS, EVER_SECONDS = 60, 900
POPULAR_KEPT = 5000
MONTH = timezone.timedelta(days=30)
COUNTED_SECONDS, COUNTED_KEPT, COUNTED_LONGEST = 300, 300, 500


@dataclass
class ShopState:
    """One shop as this process knows it; parts are read when first needed and dropped when the
    feed says so.
    """

    shop_id: int
    generation: int = 0
    version: ModelVersion | None = None
    version_read: bool = False
    outgoing: ModelVersion | None = None
    """The champion before this one, whose model is in memory until the new one has loaded."""
    placements: dict[str, Placement] | None = None
    catalogue: Catalogue = field(init=False)
    extended: dict[int, tuple[ranking_model.Model, ranking_model.Model, int]] = field(
        default_factory=dict
    )
    """By version: its checkpoint as loaded, with the products beside it, and as of which news
    of vectors.
    """
    vectors_generation: int = 0
    chosen: dict[int, ModelVersion | None] = field(default_factory=dict)
    """Versions that placements name."""
    counted: dict[str, tuple[float, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.catalogue = Catalogue(self.shop_id)

    def champion(self) -> ModelVersion | None:
        if not self.version_read:
            generation = self.generation
            self.version = (
                ModelVersion.objects.select_related("run")
                .filter(shop=self.shop_id, purpose="ranking", status="champion")
                .first()
            )
            self.version_read = generation == self.generation
        return self.version

    def model(self) -> ranking_model.Model | None:
        """The champion's model with what is new beside it; where its folder is broken, the
        version that served before it; None without any.
        """
        version = self.champion()
        while version is not None:
            try:
                model = model_cache.model_of(version.folder)
            except checkpoint_files.BrokenCheckpoint as error:
                log.error("shop %s: %s cannot be served: %s", self.shop_id, version, error)
                self.version = version = version.previous()
            else:
                self._let_go(version)
                return self._with_new_products(version, model)
        return None

    def _let_go(self, version: ModelVersion) -> None:
        """Free the memory of the champion before this one, unless a placement names it."""
        outgoing, self.outgoing = self.outgoing, None
        if outgoing and outgoing.folder != version.folder:
            if outgoing.pk not in {p.version_id for p in (self.placements or {}).values()}:
                model_cache.forget(outgoing.folder)
            process_memory.settle_later()

    def _with_new_products(
        self, version: ModelVersion, model: ranking_model.Model
    ) -> ranking_model.Model:
        """The model extended by products that arrived after its training, made once for each
        piece of news.
        """
        base, made, generation = self.extended.get(version.pk, (None, None, 0))
        if base is model and (generation == self.vectors_generation or database.gone):
            return made
        generation = self.vectors_generation
        made = model.with_additions(additions(version, model))
        made.make_ready()
        self.extended[version.pk] = (model, made, generation)
        return made

    def serving(
        self, placement: Placement | None
    ) -> tuple[ModelVersion | None, ranking_model.Model | None]:
        """The version that makes a placement's lists, and its model: the one chosen for it,
        else the champion.
        """
        if placement is not None and placement.version_id is not None:
            if placement.version_id not in self.chosen:
                self.chosen[placement.version_id] = (
                    ModelVersion.objects.select_related("run")
                    .filter(pk=placement.version_id, shop=self.shop_id, purpose="ranking")
                    .first()
                )
            version = self.chosen[placement.version_id]
            try:
                if version is not None:
                    return version, self._with_new_products(
                        version, model_cache.model_of(version.folder)
                    )
            except checkpoint_files.BrokenCheckpoint as error:
                log.error(
                    "shop %s: %s cannot be served at %s: %s",
                    self.shop_id,
                    version,
                    placement.key,
                    error,
                )
        model = self.model()
        return self.champion(), model

    def placement(self, key: str) -> Placement | None:
        found = self.placements
        if found is None:
            generation = self.generation
            found = {p.key: p for p in Placement.objects.filter(shop=self.shop_id)}
            self.placements = found if generation == self.generation else None
        return found.get(key)

    def mask(self, model: ranking_model.Model, selection: Selection = EVERYTHING):
        """(items,) bool array: the model's items that may be shown and are selected."""
        return self.catalogue.mask_of(model, selection, timezone.now())

    def bestsellers(self) -> list[str]:
        """What sold best in the last 30 days, then in all; whether it may be shown is another
        question.
        """
        lately = self._counted(
            "lately", lambda: most_sold(self.shop_id, POPULAR_KEPT, MONTH), POPULAR_SECONDS
        )
        if len(lately) >= POPULAR_KEPT:
            return lately
        ever = self._counted("ever", lambda: most_sold(self.shop_id, POPULAR_KEPT), EVER_SECONDS)
        return list(dict.fromkeys([*lately, *ever]))[:POPULAR_KEPT]

    def openers(self) -> list[str]:
        """What shoppers began with who came in the last 30 days, the commonest first."""
        return self._counted("openers", lambda: begun_with(self.shop_id, COUNTED_LONGEST, MONTH))

    def bestsellers_in(self, country: str) -> list[str]:
        """What shoppers of a country bought in the last 90 days."""
        return self._counted(
            f"country {country}",
            lambda: most_sold_in(self.shop_id, country, COUNTED_LONGEST, 3 * MONTH),
        )

    def _counted(
        self, name: str, count: Callable[[], list[str]], fresh_seconds: float = COUNTED_SECONDS
    ) -> list[str]:
        """A list of products as counted at most some minutes ago."""
        at, found = self.counted.get(name, (0.0, None))
        if found is None or (time.monotonic() - at > fresh_seconds and not database.gone):
            found = count()
            if len(self.counted) > COUNTED_KEPT:
                self.counted.clear()
            self.counted[name] = (time.monotonic(), found)
        return found

    def load(self) -> None:
        """Read what serving needs now rather than at the first request."""
        self.model()
        self.placement("")
        self.catalogue.products()
        self.bestsellers()
        self.openers()

    def heed(self, change: Change) -> None:
        """Drop what a change makes untrue; what is being read at this moment is not kept either."""
        self.generation += 1
        if change.kind == Change.CHAMPION:
            self.version_read, self.outgoing = False, self.version
            self.extended, self.chosen = {}, {}
        elif change.kind == Change.PLACEMENT:
            self.placements = None
        elif change.kind == Change.VECTORS:
            self.vectors_generation += 1
        else:
            self.catalogue.changed(change.item_ids())


class _Shops:
    """The few shops this process served last, kept true by the feed."""

    def __init__(self) -> None:
        self.states: OrderedDict[int, ShopState] = OrderedDict()
        self.lock = threading.Lock()
        self.feed = Feed(self._hear, self._renew)

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

    def _renew(self) -> None:
        """Read again the products that have changed, of the shops in memory."""
        for state in list(self.states.values()):
            if state.catalogue.frame is not None:
                state.catalogue.products()

    def _hear(self, change: Change) -> None:
        with self.lock:
            if state := self.states.get(change.shop_id):
                state.heed(change)


_shops = _Shops()


def follow_news() -> None:
    """Hear of changes as they are committed, from now on; without it they are looked for once a
    second.
    """
    _shops.feed.listen()


def state_of(shop: Shop) -> ShopState:
    return _shops.get(shop.pk)


def can_do_without_database() -> bool:
    """Is there a shop whose lists this process could go on serving?"""
    return any(
        state.version is not None and state.placements is not None
        for state in list(_shops.states.values())
    )


def forget_everything() -> None:
    """As if the process had just begun; for tests."""
    global _shops
    _shops = _Shops()
