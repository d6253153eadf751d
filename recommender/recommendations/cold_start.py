"""Lists for shoppers of whom nothing is known: by stated interests, by country, by what others
began with; else what sells, and what is new.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from recommender.models import Placement
from recommender.recommendations.post_processing import arranged
from recommender.recommendations.requests import Ask, Listing
from recommender.serving.items import Item
from recommender.serving.shop_state import ShopState
from recommender.shoppers.history import Visitor

MOST_INTERESTS = 20
SOURCE = {"interests": "interests", Placement.OPENERS: "openers", Placement.NEWEST: "new"}
"""What an item says of where it comes from; of the others: what sells."""


@dataclass(frozen=True)
class Newcomer:
    """What somebody without a history tells of themselves."""

    interests: tuple[str, ...] = ()
    country: str = ""

    @classmethod
    def of(cls, ask: Ask, visitor: Visitor) -> "Newcomer":
        """From the request, else from what the shop knows; nothing without consent."""
        if not visitor.agrees:
            return cls()
        known = (
            visitor.shopper.attributes
            if visitor.shopper and isinstance(visitor.shopper.attributes, dict)
            else {}
        )
        interests = ask.context.get("interests", known.get("interests"))
        country = ask.context.get("country", known.get("country"))
        texts = (
            [text for text in interests if isinstance(text, str) and text.strip()]
            if isinstance(interests, list)
            else []
        )
        return cls(tuple(texts[:MOST_INTERESTS]), country if isinstance(country, str) else "")


def without_history(
    state: ShopState,
    ask: Ask,
    newcomer: Newcomer,
    kind: str | None = None,
    only: list[str] | None = None,
) -> Listing:
    """A list for somebody new, from the first of the placement's sources (or `only` these) that has
    something, filled up from the next ones.

    `kind` is what the reply says of it; None: the first source's own name. Without any product it
    is empty and says so.
    """
    items: list[Item] = []
    seen: set[str] = set()
    told, now = None, timezone.now()
    for name, ids in _proposals(state, ask, newcomer, only or ask.chain):
        fresh = [
            item_id
            for item_id in dict.fromkeys(state.catalogue.among(ids, ask.selection, now))
            if item_id not in seen
        ]
        told = told or (("popular" if name == Placement.NEWEST else name) if fresh else None)
        items += [Item(item_id, None, [SOURCE.get(name, "trending")]) for item_id in fresh]
        seen.update(fresh)
        if len(items) >= ask.reach:
            break
    empty = "nothing_selected" if ask.selection.filters else "empty_catalogue"
    items = arranged(state.model(), items[: ask.reach], ask)
    return Listing(items, state.champion(), (kind or told) if told else empty, score_kind="none")


def _proposals(
    state: ShopState, ask: Ask, newcomer: Newcomer, chain: list[str]
) -> Iterator[tuple[str, list[str]]]:
    """(source, products best first), each made when the ones before were not enough."""
    if newcomer.interests:
        yield "interests", _by_interests(state, ask, newcomer)
    for name in chain:
        if name == Placement.COUNTRY and newcomer.country:
            yield name, state.bestsellers_in(newcomer.country)
        elif name == Placement.OPENERS:
            yield name, state.openers()
        elif name == Placement.POPULAR:
            yield name, state.bestsellers()
        elif name == Placement.NEWEST:
            yield name, state.catalogue.newest(ask.selection, timezone.now(), ask.reach)


def _by_interests(state: ShopState, ask: Ask, newcomer: Newcomer) -> list[str]:
    """By the encoder where the champion has one, else products that name the words, the
    best-selling first.
    """
    model = state.model()
    if model is not None and model.encoder is not None:
        return model.by_interests(
            list(newcomer.interests), ask.reach, state.mask(model, ask.selection)
        )
    named = state.catalogue.naming(
        [word for text in newcomer.interests for word in text.lower().split()]
    )
    sold = {item_id: place for place, item_id in enumerate(state.bestsellers())}
    return sorted(named, key=lambda item_id: (sold.get(item_id, len(sold)), item_id))
