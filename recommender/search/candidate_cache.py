"""Cache of candidates: what the same query finds while index, words, products and model stay."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from recommender.inference.search_engine import FoundList
from recommender.models import Change
from recommender.serving.shop_state import register_part

PART = "search_candidates"
CACHED_QUERIES = 100
"""Queries of a shop whose candidates are cached, about 75 KB each; a few make most searches."""

SKIPPED_SECONDS = 10.0
"""How long candidates are cached whose ranking lacks a step that would have taken too long."""


class CandidateCache:
    """An LRU cache of candidates by query: a part of the shop's state.

    An entry is valid while the objects that it was made of are the same: the commit of the index,
    the wording, the mask of eligible products (made again with every change of a product, and each
    minute), and the model.
    """

    def __init__(self, shop_id: int) -> None:
        self._cached: OrderedDict[Hashable, tuple[tuple[Any, ...], FoundList, float]] = (
            OrderedDict()
        )
        self._lock = threading.Lock()

    def load(self) -> None:
        """Nothing: searches fill it."""

    def invalidate(self, change: Change) -> None:
        """Nothing: entries compare what they were made of."""

    def get(
        self, key: Hashable, made_of: tuple[Any, ...], make: Callable[[], FoundList]
    ) -> FoundList:
        """The candidates of this key, made again where an object of `made_of` is another one."""
        with self._lock:
            cached = self._cached.get(key)
            if cached is not None and all(map(_is_same, cached[0], made_of)):
                _, found, until = cached
                if time.monotonic() < until:
                    self._cached.move_to_end(key)
                    return found
        found = make()
        valid = SKIPPED_SECONDS if found.skipped else math.inf  # the next one may have the time
        with self._lock:
            self._cached[key] = (made_of, found, time.monotonic() + valid)
            self._cached.move_to_end(key)
            while len(self._cached) > CACHED_QUERIES:
                self._cached.popitem(last=False)
        return found


def _is_same(one: Any, other: Any) -> bool:
    return one is other


register_part(PART, CandidateCache)
