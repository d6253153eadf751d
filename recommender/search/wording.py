"""A shop's wording: its synonyms, stop words and search settings, cached until they change."""

import threading
from collections.abc import Collection
from typing import Any

from django.db.models import Q

from recommender.inference.search_engine import IndexReader, ShopWords, wording_of
from recommender.models import Change, SearchSettings, Synonym
from recommender.serving.shop_state import register_part

PART = "search_wording"


class ShopWording:
    """Synonyms, stop words and search settings of one shop: a part of its state."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._cached: tuple[tuple[str, ...], Any] | None = None
        self._settings: SearchSettings | None = None
        self._generation = 0
        self._lock = threading.Lock()

    def load(self) -> None:
        """Nothing: the first search reads it."""

    def invalidate(self, change: Change) -> None:
        if change.kind == Change.SEARCH:
            with self._lock:
                self._generation += 1
                self._cached, self._settings = None, None

    def settings(self) -> SearchSettings:
        """The shop's settings, or the usual ones."""
        settings = self._settings
        if settings is None:
            generation = self._generation
            found = SearchSettings.objects.filter(shop=self.shop_id).first()
            settings = found or SearchSettings(shop_id=self.shop_id)
            with self._lock:
                if generation == self._generation:
                    self._settings = settings
        return settings

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
        chosen = Q(state=Synonym.LIVE) if synonyms else Q(pk=None)
        rows = Synonym.objects.filter(chosen | Q(pk__in=proposed), shop=self.shop_id)
        rules = [(row.phrases, row.also_finds) for row in rows]
        return wording_of(index, rules, self.settings().stop_words or None)


register_part(PART, ShopWording)
