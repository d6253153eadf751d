"""Cold start: lists for shoppers without a history.

By stated interests, by country, by what others bought first; else what sells, and what is new.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recommender.models import Placement
from recommender.recommendations.context import Draft, ListContext
from recommender.serving.items import Item

MOST_INTERESTS = 20
SOURCE = {"interests": "interests", Placement.OPENERS: "openers", Placement.NEWEST: "new"}
"""Source of an item, by the fallback that proposed it; of the others: trending."""


@dataclass(frozen=True)
class ColdStartProfile:
    """What the request says about a shopper without history: entry product, interests, country."""

    interests: tuple[str, ...] = ()
    country: str = ""

    @classmethod
    def of(cls, context: ListContext) -> "ColdStartProfile":
        """From the request, else from the shopper's attributes; empty without consent."""
        if not (context.online and context.is_personal and context.visitor.agrees):
            return cls()
        shopper, given = context.visitor.shopper, context.request.context
        attributes = shopper.attributes if shopper else {}
        attributes = attributes if isinstance(attributes, dict) else {}
        interests = _texts(given.get("interests", attributes.get("interests")))
        country = given.get("country", attributes.get("country"))
        return cls(interests[:MOST_INTERESTS], country if isinstance(country, str) else "")


def _texts(value: Any) -> tuple[str, ...]:
    """The non-empty texts of a JSON list; none of anything else."""
    if not isinstance(value, list):
        return ()
    return tuple(text for text in value if isinstance(text, str) and text.strip())


def cold_start_list(context: ListContext, chain: list[str] | None = None) -> Draft:
    """A list from the first source of the chain that has products, filled up from the next ones.

    chain: default: the placement's. `fallback` of the draft names that source, the missing consent
    or database, or why the list is empty.
    """
    items: list[Item] = []
    seen: set[str] = set()
    request, first = context.request, None
    for source, ids in _proposals(context, chain or request.fallback_chain):
        fresh = [item_id for item_id in context.eligible(ids) if item_id not in seen]
        if fresh and first is None:
            first = "popular" if source == Placement.NEWEST else source
        items += [Item(item_id, None, [SOURCE.get(source, "trending")]) for item_id in fresh]
        seen.update(fresh)
        if len(items) >= request.depth:
            break
    if first is None:
        fallback = "nothing_selected" if request.selection.filters else "empty_catalogue"
    else:
        fallback = _why(context) or first
    state = context.state
    return Draft(items[: request.depth], state.champion(), state.model(), fallback, "none")


def _why(context: ListContext) -> str | None:
    """Why the list is not personal, where its source is not the reason."""
    if context.kind in (Placement.TRENDING, Placement.NEW):
        return None
    if not context.online:
        return None if context.kind in Placement.OF_PRODUCTS else "no_database"
    return "no_consent" if context.is_personal and not context.visitor.agrees else None


def _proposals(context: ListContext, chain: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(source, products best first), each computed when the ones before were not enough."""
    state, profile = context.state, ColdStartProfile.of(context)
    if profile.interests:
        yield "interests", _by_interests(context, profile)
    for source in chain:
        if source == Placement.COUNTRY and profile.country:
            yield source, state.bestsellers_in(profile.country)
        elif source == Placement.OPENERS:
            yield source, state.openers()
        elif source == Placement.POPULAR:
            yield source, state.bestsellers()
        elif source == Placement.NEWEST:
            request = context.request
            yield source, state.product_index.newest(request.selection, context.now, request.depth)


def _by_interests(context: ListContext, profile: ColdStartProfile) -> list[str]:
    """Products near the interests by the encoder, else products whose texts hold their words."""
    state, model = context.state, context.state.model()
    if model is not None and model.encoder is not None:
        interests, depth = list(profile.interests), context.request.depth
        return model.by_interests(interests, depth, context.mask(model))
    words = [word for text in profile.interests for word in text.lower().split()]
    sold = {item_id: rank for rank, item_id in enumerate(state.bestsellers())}
    matches = state.product_index.matching(words)
    return sorted(matches, key=lambda item_id: (sold.get(item_id, len(sold)), item_id))
