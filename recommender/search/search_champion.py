"""The search champion of a shop: its encoder, vectors and ranker; a part of the shop's state."""

import logging
from dataclasses import dataclass
from typing import Any

from recommender.catalog.embeddings import additions
from recommender.inference import search_engine, search_model
from recommender.inference.checkpoint_files import BrokenCheckpoint
from recommender.inference.search_engine import Vectors
from recommender.inference.search_model import SearchModel
from recommender.infrastructure.availability import database
from recommender.models import Change, ModelVersion
from recommender.serving.shop_state import ShopState, register_part

log = logging.getLogger(__name__)

PART = "search_champion"


@dataclass(frozen=True, eq=False)
class SearchServing:
    """What a search reads queries and products with.

    model: with the encoder that reads queries; vectors: of the products, by primary key; version:
    of the search champion; None where the ranking's encoder stands in for it
    """

    model: Any
    vectors: Vectors
    version: ModelVersion | None


class SearchChampion:
    """The search champion of a shop; without one, the encoder of the ranking champion."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._generation = 0
        self._version: tuple[int, ModelVersion | None] | None = None
        self._extended: tuple[SearchModel, int, SearchModel] | None = None
        self._serving: tuple[Any, int, SearchServing | None] | None = None
        self._vectors_generation = 0
        self._catalog_generation = 0

    def load(self) -> None:
        self.version()

    def invalidate(self, change: Change) -> None:
        self._catalog_generation += 1
        if change.kind == Change.CHAMPION:
            outgoing = self._version[1] if self._version else None
            self._version, self._extended = None, None
            if outgoing is not None:
                search_model.forget(outgoing.folder)
        elif change.kind == Change.VECTORS:
            self._vectors_generation += 1

    def version(self) -> ModelVersion | None:
        """The search champion; None without any."""
        if self._version is None:
            found = ModelVersion.objects.filter(shop=self.shop_id).champion("search")
            self._version = (self.shop_id, found)
        return self._version[1]

    def model(self) -> SearchModel | None:
        """The champion's model with new products; where it is broken, the version before it."""
        version = self.version()
        while version is not None:
            try:
                return self._with_new_products(
                    version, search_model.search_model_of(version.folder)
                )
            except BrokenCheckpoint as error:
                log.error("shop %s: %s cannot be served: %s", self.shop_id, version, error)
                version = version.previous()
                self._version = (self.shop_id, version)
        return None

    def _with_new_products(self, version: ModelVersion, model: SearchModel) -> SearchModel:
        base, generation, extended = self._extended or (None, 0, None)
        if base is model and (generation == self._vectors_generation or database.gone):
            return extended
        generation = self._vectors_generation
        extended = model.with_additions(additions(version, model))
        extended.make_ready()
        self._extended = (model, generation, extended)
        return extended

    def serving(self, state: ShopState, version: int | None = None) -> SearchServing | None:
        """The model that reads queries and products; None without an encoder.

        version: primary key of another search version that is to rank, for comparison
        """
        if version is not None:
            return self._chosen(state, version)
        model = self.model()
        version = self.version() if model is not None else None
        if model is None or model.encoder is None:
            model, version = state.model(), None
        if model is None:
            return None
        cached, generation = self._serving, self._catalog_generation
        if cached is not None and cached[0] is model and cached[1] == generation:
            return cached[2]
        vectors = search_engine.semantic_index(model, state.product_index.keys_of(model))
        made = None if vectors is None else SearchServing(model, vectors, version)
        self._serving = (model, generation, made)
        return made

    def _chosen(self, state: ShopState, pk: int) -> SearchServing | None:
        versions = ModelVersion.objects.filter(shop=self.shop_id, purpose="search")
        version = versions.filter(pk=pk).select_related("run").first()
        if version is None:
            return None
        try:
            model = search_model.search_model_of(version.folder)
        except BrokenCheckpoint as error:
            log.error("shop %s: %s cannot be compared: %s", self.shop_id, version, error)
            return None
        vectors = search_engine.semantic_index(model, state.product_index.keys_of(model))
        return None if vectors is None else SearchServing(model, vectors, version)


register_part(PART, SearchChampion)
