"""Search context: what the steps of one search share."""

import math
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl
from django.utils import timezone

from recommender.inference import search_engine
from recommender.inference.history import History
from recommender.inference.ranking_model import Model
from recommender.inference.search_engine import EligibleKeys, IndexReader, Plan, ShopWords
from recommender.models import ModelVersion, Shop
from recommender.search import live_index, search_champion, understanding, wording
from recommender.search.configurations import LIVE, Configuration
from recommender.search.requests import SearchRequest
from recommender.search.search_champion import SearchServing
from recommender.search.understanding import Understood, understand
from recommender.serving.shop_state import ShopState, register_part
from recommender.shoppers.history import Visitor

MOST_SELECTIONS = 32


class SearchMasks:
    """Eligible products by filter: a part of the shop's state."""

    def __init__(self, shop_id: int) -> None:
        self._eligible: dict[str, tuple[pl.Series, Any]] = {}

    def load(self) -> None:
        """Nothing: searches fill it."""

    def invalidate(self, change: Any) -> None:
        """Nothing: the mask of a changed product index is another one."""

    def eligible(self, context: "SearchContext") -> "tuple[pl.Series, EligibleKeys | None]":
        """(mask, keys) of products that may be shown and pass the filter; keys None: all do."""
        index, selection = context.state.product_index, context.request.selection
        with index.lock:  # mask and rows of one moment
            mask = index.mask(selection, context.now)
            keys = index.products()["pk"]
        cached = self._eligible.get(selection.key)
        if cached is not None and cached[0] is mask:
            return cached
        made = None
        if not mask.all():
            made = search_engine.eligible_keys(keys.filter(mask), len(mask))
        if len(self._eligible) >= MOST_SELECTIONS:
            self._eligible.clear()
        self._eligible[selection.key] = (mask, made)
        return mask, made


register_part("search_masks", SearchMasks)


@dataclass
class SearchContext:
    """What the steps of one search share, read when a step first uses it."""

    shop: Shop
    state: ShopState
    request: SearchRequest
    configuration: Configuration = LIVE
    now: datetime = field(default_factory=timezone.now)
    affinity: dict[int, float] = field(default_factory=dict)
    """By product how much the shopper likes it, [0, 1]; empty where the order is not personal."""
    intent_places: dict[int, tuple[float, list[str]]] = field(default_factory=dict)
    """By product the places that it moved up for what the query names, and why."""

    @cached_property
    def index(self) -> IndexReader:
        return self.state.parts[live_index.PART].read()

    @cached_property
    def like(self) -> tuple[int, str] | None:
        """(primary key, title) of the product that others are to be like; None without one."""
        if not self.request.like:
            return None
        named = self.shop.products.filter(item_id=self.request.like)
        return named.values_list("pk", "title").first()

    @cached_property
    def understood(self) -> Understood:
        """What the query names; nothing where the request or the shop has it off."""
        if self.like is not None:
            return Understood(self.like[1])
        query = self.request.query
        on = self.request.understand and self.configuration.understand
        kinds = self.state.parts[wording.PART].settings().understood if on else ()
        if not query.strip() or not kinds:
            return Understood(query)
        products = len(self.state.product_index.products())
        names = self.state.parts[understanding.PART].names(products)
        return understand(query, names, kinds)

    @cached_property
    def words(self) -> ShopWords:
        """The synonyms and stop words that apply."""
        shop_words = self.state.parts[wording.PART]
        if self.configuration.synonyms and not self.configuration.proposed:
            return shop_words.get(self.index)
        return shop_words.read(self.index, self.configuration.synonyms, self.configuration.proposed)

    @property
    def cross_encoder_ms(self) -> float:
        """Time budget of the cross-encoder; 0: off."""
        budget = self.state.parts[wording.PART].settings().cross_encoder_ms
        if not budget or not self.configuration.cross_encoder:
            return 0
        wanted = self.request.cross_encoder
        return budget if wanted is None else math.inf if wanted else 0

    @property
    def has_words(self) -> bool:
        """False where every product that passes is found: without a query, or with one that names
        a price alone.
        """
        return self.request.has_query and bool(self.request.like or self.understood.text)

    @cached_property
    def plan(self) -> Plan:
        return search_engine.plan_of(self.index, self.understood.text, self.words)

    @cached_property
    def visitor(self) -> Visitor:
        return Visitor.of(self.shop, self.request.user_id, self.request.session_id)

    @cached_property
    def history(self) -> History:
        """The shopper's events; none without consent, or where the request is not personal."""
        if not self.request.personal or not (self.request.user_id or self.request.session_id):
            return History()
        return self.visitor.history()

    @cached_property
    def model(self) -> Model | None:
        """The model of the ranking, for the affinity of a shopper."""
        return self.state.model()

    @cached_property
    def serving(self) -> SearchServing | None:
        """What reads queries and products; None without an encoder."""
        if not self.configuration.meaning:
            return None
        part = self.state.parts[search_champion.PART]
        return part.serving(self.state, self.configuration.version)

    @property
    def version(self) -> ModelVersion | None:
        """The search champion; without one, the ranking champion, whose encoder is used."""
        serving = self.serving
        if serving is not None and serving.version is not None:
            return serving.version
        return self.state.champion() if self.model is not None else None

    def frame_of(self, keys: list[int]) -> pl.DataFrame:
        """Rows of these products, by primary key, in any order."""
        return self.state.product_index.by_key(keys)

    def ids_of(self, keys: list[int]) -> dict[int, str]:
        """The shop's ids of these products, by primary key."""
        pairs = self.state.product_index.columns_by_key(keys, ("pk", "item_id"))
        return dict(zip(*pairs, strict=True))
