"""Shop state: what a process caches per shop, in parts that the change feed invalidates."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from django.utils import timezone

from recommender.catalog.filter_language import EVERYTHING, Selection
from recommender.catalog.product_index import ProductIndex
from recommender.catalog.variant_groups import VariantGroups
from recommender.inference.ranking_model import Model
from recommender.infrastructure import process_caches
from recommender.models import Change, ModelVersion, Placement, Shop
from recommender.serving.champions import Champions
from recommender.serving.change_feed import ChangeFeed
from recommender.serving.placements import Placements
from recommender.serving.popularity import Popularity

MOST_SHOPS = 8


class Part(Protocol):
    """A part of the cached state of a shop; it reads its data at the first use."""

    def invalidate(self, change: Change) -> None:
        """Invalidate what a change outdates, in every part."""

    def load(self) -> None:
        """Warm up: read now what the first request would read."""


PARTS: dict[str, Callable[[int], Part]] = {
    "champions": Champions,
    "placements": Placements,
    "product_index": ProductIndex,
    "popularity": Popularity,
    "variant_groups": VariantGroups,
}
"""Parts by name, each made from the primary key of its shop."""


def register_part(name: str, make: Callable[[int], Part]) -> None:
    """Add a part to the state of every shop; it is read as `state.parts[name]`."""
    PARTS[name] = make


class ShopState:
    """Cache of one shop in this process, in parts that register themselves."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self.parts: dict[str, Any] = {name: make(shop_id) for name, make in PARTS.items()}
        self.champions: Champions = self.parts["champions"]
        self.placements: Placements = self.parts["placements"]
        self.product_index: ProductIndex = self.parts["product_index"]
        self.popularity: Popularity = self.parts["popularity"]
        self.variant_groups: VariantGroups = self.parts["variant_groups"]

    def champion(self) -> ModelVersion | None:
        """The champion of the shop's ranking."""
        return self.champions.version()

    def model(self) -> Model | None:
        """The champion's model, with new products."""
        return self.champions.model(self.placements.chosen_versions())

    def serving(self, placement: Placement | None) -> tuple[ModelVersion | None, Model | None]:
        """The model version that a placement chooses, else the champion, and its model."""
        version_id = placement.version_id if placement is not None else None
        chosen = self.champions.chosen(version_id) if version_id is not None else None
        if chosen is not None:
            return chosen
        model = self.model()
        return self.champion(), model

    def placement(self, key: str) -> Placement | None:
        return self.placements.get(key)

    def mask(self, model: Model, selection: Selection = EVERYTHING) -> Any:
        """(items,) bool array: products of the model that may be shown and pass the filters."""
        return self.product_index.mask_of(model, selection, timezone.now())

    def bestsellers(self) -> list[str]:
        return self.popularity.bestsellers()

    def bestseller_places(self) -> dict[str, int]:
        """Place of each best seller, from 0."""
        return self.popularity.places()

    def openers(self) -> list[str]:
        return self.popularity.openers()

    def bestsellers_in(self, country: str) -> list[str]:
        return self.popularity.bestsellers_in(country)

    def load(self) -> None:
        """Warm up: read now what the first request would read."""
        self.model()
        for part in self.parts.values():
            part.load()

    def invalidate(self, change: Change) -> None:
        """Invalidate what a change outdates, in every part."""
        for part in self.parts.values():
            part.invalidate(change)

    def close(self) -> None:
        """Release what parts hold beyond memory, such as locks."""
        for part in self.parts.values():
            if (close := getattr(part, "close", None)) is not None:
                close()


class _Shops:
    """The states of the few shops that this process served last."""

    def __init__(self) -> None:
        self.states: OrderedDict[int, ShopState] = OrderedDict()
        self.lock = threading.Lock()
        self.feed = ChangeFeed(self._invalidate, self._refresh)

    def get(self, shop_id: int) -> ShopState:
        self.feed.poll()
        with self.lock:
            state = self.states.get(shop_id)
            if state is None:
                state = self.states[shop_id] = ShopState(shop_id)
            self.states.move_to_end(shop_id)
            evicted = []
            while len(self.states) > MOST_SHOPS:
                evicted.append(self.states.popitem(last=False)[1])
        for other in evicted:
            other.close()
        return state

    def _refresh(self) -> None:
        """Read changed products of the cached shops again."""
        for state in list(self.states.values()):
            if state.product_index.frame is not None:
                state.product_index.products()

    def _invalidate(self, change: Change) -> None:
        with self.lock:
            if state := self.states.get(change.shop_id):
                state.invalidate(change)


_shops = _Shops()


def follow_changes() -> None:
    """Listen to the change feed from now on; without it, changes are polled once a second."""
    _shops.feed.listen()


def state_of(shop: Shop) -> ShopState:
    return _shops.get(shop.pk)


def can_serve_without_database() -> bool:
    """True where this process caches enough of some shop to serve its lists."""
    return any(
        state.champions.is_known and state.placements.is_loaded
        for state in list(_shops.states.values())
    )


@process_caches.register
def clear() -> None:
    global _shops
    _shops = _Shops()
