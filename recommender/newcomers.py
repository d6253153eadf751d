"""Lists for shoppers of whom nothing is known yet: by the page they entered on, stated interests, country, what others began with; else what sells."""

from dataclasses import dataclass

from django.utils import timezone

from recommender.engine import Model
from recommender.models import Placement, Shopper
from recommender.serving import ShopState

ENTRY, INTERESTS, COUNTRY, OPENERS, POPULAR, NEWEST = "entry", "interests", "country", "openers", "popular", "new"


@dataclass(frozen=True)
class Newcomer:
    """What a request tells of somebody without a history."""

    interests: tuple[str, ...] = ()
    country: str = ""

    @classmethod
    def of(cls, context: dict, shopper: Shopper | None) -> "Newcomer":
        """From the request's context, else from what the shop knows of the shopper."""
        known = shopper.attributes if shopper and isinstance(shopper.attributes, dict) else {}
        interests = context.get("interests") or known.get("interests") or []
        interests = [text for text in interests if isinstance(text, str)] if isinstance(interests, list) else []
        return cls(tuple(interests[:20]), str(context.get("country") or known.get("country") or ""))


@dataclass(frozen=True)
class Proposal:
    """Products from one source, best first."""

    kind: str
    item_ids: list[str]
    source: str


def proposals(state: ShopState, model: Model | None, mask, newcomer: Newcomer, chain: list[str], reach: int):
    """One after the other, as long as more are asked for: stated interests, then a placement's own chain."""
    if newcomer.interests and model is not None:
        yield Proposal(INTERESTS, model.by_interests(list(newcomer.interests), reach, mask), "text")
    for kind in chain:
        if kind == Placement.COUNTRY and newcomer.country:
            yield Proposal(COUNTRY, state.bestsellers_in(newcomer.country), "trending")
        elif kind == Placement.OPENERS:
            yield Proposal(OPENERS, state.openers(), "openers")
        elif kind == Placement.POPULAR:
            yield Proposal(POPULAR, state.bestsellers(), "trending")
        elif kind == Placement.NEWEST:
            yield Proposal(NEWEST, [], "new")


def _now():
    return timezone.now()
