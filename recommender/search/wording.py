"""A shop's wording: its synonyms and stop words, cached until they change."""

import threading
from collections.abc import Collection
from typing import Any

from django.db.models import Q

from recommender.inference.search_engine import IndexReader, ShopWords, wording_of
from recommender.models import Change, SearchSettings, Synonym
from recommender.models.search_settings import INTENTS
from recommender.serving.shop_state import register_part

PART = "search_wording"


class ShopWording:
    """Synonyms and stop words of one shop: a part of its state."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._cached: tuple[tuple[str, ...], Any] | None = None
        self._intents: tuple[str, ...] | None = None
        self._generation = 0
        self._lock = threading.Lock()

    def load(self) -> None:
        """Nothing: the first search reads it."""

    def invalidate(self, change: Change) -> None:
        if change.kind == Change.SEARCH:
            self._generation += 1
            self._cached, self._intents = None, None

    def intents(self) -> tuple[str, ...]:
        """The kinds of names in queries that move products."""
        if self._intents is None:
            settings = SearchSettings.objects.filter(shop=self.shop_id).first()
            off = settings.not_understood if settings else ()
            self._intents = tuple(kind for kind in INTENTS if kind not in off)
        return self._intents

    def get(self, index: IndexReader) -> ShopWords:
        """The wording by the analysis of this index."""
        cached = self._cached
        if cached is not None and cached[0] == index.languages:
            return cached[1]
        generation = self._generation
        wording = self.read(index)
        with self._lock:
            if generation == self._generation:
                self._cached = (index.languages, wording)
        return wording

    def read(
        self, index: IndexReader, synonyms: bool = True, proposed: Collection[int] = ()
    ) -> ShopWords:
        """The wording from the database. proposed: primary keys of synonyms that are not live."""
        settings = SearchSettings.objects.filter(shop=self.shop_id).first()
        chosen = Q(state=Synonym.LIVE) if synonyms else Q(pk=None)
        rows = Synonym.objects.filter(chosen | Q(pk__in=proposed), shop=self.shop_id)
        rules = [(row.phrases, row.also_finds) for row in rows]
        return wording_of(index, rules, settings.stop_words if settings else None)


register_part(PART, ShopWording)
