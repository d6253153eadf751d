"""Champions: the ranking versions that serve a shop, and their models with new products."""

import logging
from collections.abc import Callable, Set

from recommender.catalog.embeddings import additions
from recommender.inference import model_cache
from recommender.inference.checkpoint_files import BrokenCheckpoint
from recommender.inference.ranking_model import Model
from recommender.infrastructure import process_memory
from recommender.infrastructure.availability import database
from recommender.models import Change, ModelVersion, Shop

log = logging.getLogger(__name__)


def readable_champion(
    shop: Shop, purpose: str, read: Callable[[str], object]
) -> ModelVersion | None:
    """The champion of a purpose; where `read` raises BrokenCheckpoint for its folder, the version
    before it. None where none can be read.
    """
    version = shop.versions.without_reports().champion(purpose)
    while version is not None:
        try:
            read(version.folder)
        except BrokenCheckpoint as error:
            log.error("shop %s: %s cannot be served: %s", shop.pk, version, error)
            version = version.previous()
        else:
            return version
    return None


class Champions:
    """The champion of a shop's rankings, versions that placements choose, and their models."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._generation = 0
        self._version: ModelVersion | None = None
        self._is_read = False
        self._outgoing: ModelVersion | None = None
        """The champion before this one; its model is freed once the new one is loaded."""
        self._chosen: dict[int, ModelVersion | None] = {}
        self._extended: dict[int, tuple[Model, Model, int]] = {}
        """By version: the model as loaded, the one with new products, generation of vectors."""
        self._vectors_generation = 0

    @property
    def is_known(self) -> bool:
        return self._version is not None

    @property
    def is_current(self) -> bool:
        """True where the champion was read since the last invalidation."""
        return self._is_read

    def version(self) -> ModelVersion | None:
        """The champion of the shop's ranking; None without any."""
        if not self._is_read:
            generation = self._generation
            self._version = ModelVersion.objects.filter(shop=self.shop_id).champion("ranking")
            self._is_read = generation == self._generation
        return self._version

    def model(self, in_use: Set[int] = frozenset()) -> Model | None:
        """The champion's model with new products; None without any.

        Where its checkpoint is broken, the version before it. `in_use`: versions that placements
        choose, whose models stay in memory.
        """
        version = self.version()
        while version is not None:
            try:
                model = model_cache.model_of(version.folder)
            except BrokenCheckpoint as error:
                log.error("shop %s: %s cannot be served: %s", self.shop_id, version, error)
                self._version = version = version.previous()
            else:
                self._free_outgoing(version, in_use)
                return self._with_new_products(version, model)
        return None

    def chosen(self, version_id: int) -> tuple[ModelVersion, Model] | None:
        """A version that a placement chooses, and its model; None where it cannot be served."""
        if version_id not in self._chosen:
            versions = ModelVersion.objects.filter(shop=self.shop_id, purpose="ranking")
            self._chosen[version_id] = versions.filter(pk=version_id).select_related("run").first()
        version = self._chosen[version_id]
        if version is None:
            return None
        try:
            return version, self._with_new_products(version, model_cache.model_of(version.folder))
        except BrokenCheckpoint as error:
            log.error("shop %s: %s cannot be served: %s", self.shop_id, version, error)
            return None

    def _free_outgoing(self, version: ModelVersion, in_use: Set[int]) -> None:
        outgoing, self._outgoing = self._outgoing, None
        if outgoing and outgoing.folder != version.folder:
            if outgoing.pk not in in_use:
                model_cache.forget(outgoing.folder)
            process_memory.freeze_and_trim_later()

    def _with_new_products(self, version: ModelVersion, model: Model) -> Model:
        """The model extended by products newer than its training, once per change of vectors."""
        base, extended, generation = self._extended.get(version.pk, (None, None, 0))
        if base is model and (generation == self._vectors_generation or database.gone):
            return extended
        generation = self._vectors_generation
        extended = model.with_additions(additions(version, model))
        extended.make_ready()
        self._extended[version.pk] = (model, extended, generation)
        return extended

    def load(self) -> None:
        self.version()

    def invalidate(self, change: Change) -> None:
        self._generation += 1
        if change.kind == Change.CHAMPION:
            self._is_read, self._outgoing = False, self._version
            self._extended, self._chosen = {}, {}
        elif change.kind == Change.VECTORS:
            self._vectors_generation += 1
