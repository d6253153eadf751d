"""A list in the making: what its steps share, and the draft that they pass on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils import timezone

from recommender.inference.history import History
from recommender.inference.ranking_model import Model
from recommender.models import ModelVersion, Placement, Shop
from recommender.recommendations.requests import ListRequest
from recommender.serving.items import Item
from recommender.serving.shop_state import ShopState
from recommender.shoppers.history import Visitor


@dataclass
class ListContext:
    """The context of one list: what its steps share, read when a step first uses it."""

    shop: Shop
    state: ShopState
    request: ListRequest
    online: bool = True
    """False while the database does not answer."""
    now: datetime = field(default_factory=timezone.now)

    @property
    def kind(self) -> str:
        return self.request.kind

    @property
    def is_personal(self) -> bool:
        """True where the list depends on the shopper's history or profile."""
        return self.kind in (Placement.PERSONAL, Placement.CONTENT, Placement.AGAIN)

    @cached_property
    def visitor(self) -> Visitor:
        return Visitor.of(self.shop, self.request.user_id, self.request.session_id)

    @cached_property
    def history(self) -> History:
        """The shopper's history. Reading it adds disliked products to the request's exclusions."""
        if not (self.request.user_id or self.request.session_id):
            return History()
        history = self.visitor.history()
        if history.disliked:
            self.request = replace(self.request, disliked=history.disliked)
        return history

    @cached_property
    def serving(self) -> tuple[ModelVersion | None, Model | None]:
        """The model version that the placement chooses, else the champion, and its model."""
        return self.state.serving(self.request.placement)

    def mask(self, model: Model) -> Any:
        """Eligibility mask over the items of a model: (items,) bool."""
        return self.state.mask(model, self.request.selection)

    def eligible(self, item_ids: Iterable[str]) -> list[str]:
        """Filter products by eligibility, in their order: may be shown, and pass the filters."""
        index = self.state.product_index
        return index.among(list(dict.fromkeys(item_ids)), self.request.selection, self.now)

    @cached_property
    def excluded(self) -> set[str]:
        """Products that this list is about, or that the shopper has where only new ones count."""
        excluded = set()
        if self.kind in (*Placement.OF_PRODUCTS, Placement.CONTENT):
            excluded.update(self.request.item_ids)
        if self.request.only_new and self.kind == Placement.PERSONAL and self.online:
            excluded.update(self.history.bought())
        return excluded


@dataclass
class Draft:
    """A list that is not finished: the value that `recommend` passes from step to step."""

    items: list[Item] = field(default_factory=list)
    version: ModelVersion | None = None
    model: Model | None = None
    """The model that knows the items: for diversity and exposure."""
    fallback: str | None = None
    score_kind: str = "rank"
    stored: bool = False
    explain: Callable[[list[Item]], None] | None = None
    """Adds contributions and history to the first items; None: there is nothing to add."""
    proposed: int = field(init=False)
    """Number of candidates before any of them was left out."""

    def __post_init__(self) -> None:
        self.proposed = len(self.items)
