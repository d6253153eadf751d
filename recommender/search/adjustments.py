"""Adjustments of a ranked result: what the query names, and what the shopper likes."""

import math
from collections.abc import Mapping

from recommender.catalog.eligibility import with_attributes
from recommender.catalog.filter_expressions import ATTRIBUTES
from recommender.inference.search_engine import Found
from recommender.search.context import SearchContext
from recommender.search.understanding import places_of

UNDERSTOOD_TOP = 100
"""Best products that what the query names may move."""
PERSONAL_TOP = 50
"""Best products that are re-ranked for a shopper."""
PERSONAL_PLACES = 8
"""Places by which the affinity of a shopper raises a product at most, or lowers it."""


def apply_intents(context: SearchContext, found: list[Found]) -> list[Found]:
    """The products with those moved up that fit what the query names."""
    intents = context.understood.intents
    top = found[:UNDERSTOOD_TOP]
    if not intents or not top:
        return found
    names = [one.field.removeprefix(ATTRIBUTES) for one in intents if one.kind == "attribute"]
    rows = with_attributes(context.frame_of([one.key for one in top]), names)
    context.intent_places = places_of(intents, rows)
    return moved(top, {k: p for k, (p, _) in context.intent_places.items()}) + found[len(top) :]


def personalize(context: SearchContext, found: list[Found]) -> list[Found]:
    """The products with the best ones re-ranked by the shopper's affinity to them."""
    top = found[:PERSONAL_TOP]
    affinity = affinity_of(context, [one.key for one in top])
    if not affinity:
        return found
    context.affinity = affinity
    places = {key: PERSONAL_PLACES * (2 * share - 1) for key, share in affinity.items()}
    return moved(top, places) + found[PERSONAL_TOP:]


def affinity_of(context: SearchContext, keys: list[int]) -> dict[int, float]:
    """By product its place among these by the ranking for this shopper, 0 (last) to 1 (first)."""
    model = context.model
    if model is None or not context.history.has_action:
        return {}
    ids = context.ids_of(keys)
    known = [(key, ids[key]) for key in keys if ids.get(key) in model.rows]
    if len(known) < 2:
        return {}
    scores = model.scores(context.history, [item_id for _, item_id in known], context.now)
    order = sorted(range(len(known)), key=lambda i: scores[i])
    return {known[i][0]: place / (len(known) - 1) for place, i in enumerate(order)}


def moved(top: list[Found], places: Mapping[int, float]) -> list[Found]:
    """The products with each one moved up by its places (down where negative), by key.

    None passes one that has all words of the query when it has not itself.
    """
    targets, behind = [], -math.inf
    for place, one in enumerate(top):
        target = place - places.get(one.key, 0.0)
        if one.matched or one.equal:
            behind = max(behind, target)
        else:
            target = max(target, behind)
        targets.append((not one.equal, target, place))
    order = sorted(range(len(top)), key=targets.__getitem__)
    return [top[place] for place in order]
