"""What a list is asked for, and what the finished list holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from recommender.catalog.filter_language import Selection, select
from recommender.models import ModelVersion, Placement
from recommender.recommendations.precomputed.lists import ToldItems
from recommender.serving.items import Item

SPARE = 30


@dataclass
class Listing:
    """A finished list, with which fallback it was, if any."""

    items: Sequence[Item]
    version: ModelVersion | None = None
    fallback: str | None = None
    stored: bool = False
    score_kind: str = "rank"
    shopper_id: int | None = None
    """The row of whose list it is; None also where they do not agree to personal lists."""
    recommendation_id: str = ""
    took_ms: int = 0

    @property
    def item_ids(self) -> list[str]:
        return (
            self.items.ids
            if isinstance(self.items, ToldItems)
            else [item.item_id for item in self.items]
        )


@dataclass(frozen=True)
class Ask:
    """What a list is asked for, and by whom."""

    placement: Placement | None
    """None: what goes with some products, wherever it stands."""
    limit: int
    user_id: str | None = None
    session_id: str | None = None
    item_ids: tuple[str, ...] = ()
    """The products of the page or of the basket."""
    explain: str = "top"
    filter: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    diversity: float | None = None
    """None: the placement's."""
    shown: tuple[str, ...] = ()
    """What the list has shown so far, where it is continued."""
    recommendation_id: str = ""
    elsewhere: tuple[str, ...] = ()
    """What other lists of the same page show."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """Of newcomers: entry_item_id, interests, country."""
    disliked: frozenset[str] = frozenset()
    """Products that the shopper does not want to see."""

    @cached_property
    def selection(self) -> Selection:
        """What the placement and the request let through. Raises FilterError."""
        if self.placement is None:
            return select([self.filter], self.params)
        return select(
            [self.placement.filter, self.filter], {**self.placement.filter_values, **self.params}
        )

    @property
    def is_usual(self) -> bool:
        """A shopper's whole list as it was stored, at most with reasons."""
        return bool(
            self.user_id
            and self.kind == Placement.PERSONAL
            and self.explain != "full"
            and not (self.session_id or self.only_new or self._left_out or self.selection.filters)
            and not (self.spread or self.exploring or self.placement.tail_percent)
        )

    @property
    def kind(self) -> str:
        return self.placement.kind if self.placement else Placement.RELATED

    @property
    def spread(self) -> float:
        """How unlike each other the products are to be, 0 to 1."""
        return (
            self.diversity
            if self.diversity is not None
            else self.placement.diversity
            if self.placement
            else 0.0
        )

    @property
    def reach(self) -> int:
        """How many products are looked for: what was shown is left out, and some may not be
        shown after all.
        """
        return self.limit + SPARE + len(self._left_out)

    @property
    def exploring(self) -> float:
        """Share of the places that go to products drawn at random."""
        return self.placement.explore_percent / 100 if self.placement else 0.0

    @property
    def chain(self) -> list[str]:
        """Where the list is filled from when the model has too little for it, in order."""
        return self.placement.fallbacks if self.placement else list(Placement.CHAIN)

    @property
    def only_new(self) -> bool:
        return self.placement is not None and self.placement.only_new

    @cached_property
    def _left_out(self) -> frozenset[str]:
        return self.disliked.union(self.shown, self.elsewhere)

    def unshown(self, items: list[Item]) -> list[Item]:
        """The items that neither this list nor another one of the page has shown yet, and that
        the shopper does not dislike.
        """
        return (
            [item for item in items if item.item_id not in self._left_out]
            if self._left_out
            else items
        )
