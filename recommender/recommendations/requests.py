"""Recommendation request and result."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from recommender.catalog.filter_language import Selection, select
from recommender.experiments.assignment import Arm, arm_of
from recommender.infrastructure.availability import UNREACHABLE, database
from recommender.merchandising.rules import Rule, parse_rules
from recommender.models import ModelVersion, Placement, SessionLink
from recommender.recommendations.precomputed.lists import RenderedItems
from recommender.serving.items import Item

SPARE = 30
"""Candidates beyond the limit, because some may turn out to be ineligible."""
WIDE = 200
"""Least number of candidates where rules or rotation change the order."""


@dataclass
class ListResult:
    """A finished list with its fallback and model version."""

    items: Sequence[Item]
    version: ModelVersion | None = None
    fallback: str | None = None
    """Which fallback made the list or a part of it; None: none was needed."""
    stored: bool = False
    """True for a precomputed list."""
    score_kind: str = "rank"
    shopper_id: int | None = None
    """Primary key of the shopper; None also without consent to personal lists."""
    recommendation_id: str = ""
    took_ms: int = 0

    def arm_of(self, request: "ListRequest") -> dict[str, str] | None:
        """The experiment's arm that made the list; None where another version had to serve."""
        arm = request.arm
        served = self.version.pk if self.version else None
        if arm is None or (arm.version not in (None, served) and self.fallback is None):
            return None
        return arm.named()

    @property
    def item_ids(self) -> list[str]:
        if isinstance(self.items, RenderedItems):
            return self.items.ids
        return [item.item_id for item in self.items]


@dataclass(frozen=True)
class ListRequest:
    """A request for one list: shopper, placement, filters, length."""

    placement: Placement | None
    """None: products related to `item_ids`, outside any placement."""
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
    """Products on the earlier pages of this list."""
    recommendation_id: str = ""
    elsewhere: tuple[str, ...] = ()
    """Products in other lists of the same web page."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """Cold start: entry_item_id, interests, country."""
    disliked: frozenset[str] = frozenset()
    """Products that the shopper disliked."""
    rules: tuple[Mapping[str, Any], ...] = ()
    """Merchandising rules of the request, as JSON; the placement has its own."""
    min_score: float | None = None
    """Products with a lower score, or without one, are left out."""
    rotation: float = 0.0
    """How far back a product is moved for each time that it was shown lately, 0 to 1."""
    rotation_hours: int = 24
    arm: Arm | None = None
    """The arm of the shopper in the placement's experiment."""

    @cached_property
    def selection(self) -> Selection:
        """The filters of the placement and of the request together. Raises FilterError."""
        if self.placement is None:
            return select([self.filter], self.params)
        filters = [self.placement.filter, self.filter]
        return select(filters, {**self.placement.filter_values, **self.params})

    @cached_property
    def all_rules(self) -> tuple[Rule, ...]:
        """The rules of the placement and of the request. Raises RuleError."""
        own: tuple[Rule, ...] = ()
        if self.placement is not None and self.placement.rules:
            values = {**self.placement.filter_values, **self.params}
            own = parse_rules(self.placement.rules, values, self.placement.key)
        return own + parse_rules(self.rules, self.params) if self.rules else own

    @property
    def is_adjusted(self) -> bool:
        """True where rules, rotation or a minimal score change the ranking."""
        return bool(self.rotation or self.min_score is not None or self.all_rules)

    @property
    def takes_precomputed(self) -> bool:
        """True where the precomputed list of a shopper answers the request as it is."""
        return bool(
            self.user_id
            and self.kind == Placement.PERSONAL
            and self.explain != "full"
            and not (self.session_id or self.only_new or self.left_out or self.selection.filters)
            and not (self.diversity_weight or self.exploration or self.placement.tail_percent)
            and not self.is_adjusted
        )

    @property
    def kind(self) -> str:
        return self.placement.kind if self.placement else Placement.RELATED

    @property
    def diversity_weight(self) -> float:
        """Weight of diversity against the score in re-ranking, 0 to 1."""
        if self.diversity is not None:
            return self.diversity
        return self.placement.diversity if self.placement else 0.0

    @property
    def depth(self) -> int:
        """Number of candidates: the limit, what will be left out, and some spare ones."""
        depth = self.limit + SPARE + len(self.left_out)
        return max(depth, WIDE + len(self.left_out)) if self.is_adjusted else depth

    @property
    def exploration(self) -> float:
        """Share of the places that are explored: filled with products drawn at random."""
        return self.placement.explore_percent / 100 if self.placement else 0.0

    @property
    def fallback_chain(self) -> list[str]:
        """Cold-start sources that fill the list up, in order."""
        return self.placement.fallbacks if self.placement else list(Placement.CHAIN)

    @property
    def only_new(self) -> bool:
        return self.placement is not None and self.placement.only_new

    @cached_property
    def left_out(self) -> frozenset[str]:
        """Products that the list must not repeat or show: shown, elsewhere, disliked."""
        return self.disliked.union(self.shown, self.elsewhere)

    def without_left_out(self, items: list[Item]) -> list[Item]:
        if not self.left_out:
            return items
        return [item for item in items if item.item_id not in self.left_out]


def in_experiment(request: ListRequest) -> ListRequest:
    """The request with the arm of its shopper or session, whose model makes the list.

    The session of a shopper has the shopper's arm.
    """
    placement = request.placement
    if placement is None or not placement.experiment:
        return request
    arm = arm_of(placement.experiment, request.user_id or _owner_of(placement, request.session_id))
    if arm is None or arm.version is None:
        return replace(request, arm=arm)
    of_arm = copy(placement)
    of_arm.version_id = arm.version
    return replace(request, placement=of_arm, arm=arm)


def _owner_of(placement: Placement, session_id: str | None) -> str | None:
    """The id of the session's shopper, else of the session, also while the database is down."""
    if session_id is None or database.gone:
        return session_id
    links = SessionLink.objects.filter(shop=placement.shop_id, session_id=session_id)
    try:
        return links.values_list("shopper__user_id", flat=True).first() or session_id
    except UNREACHABLE:
        database.note_gone()
        return session_id
