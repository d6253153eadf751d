"""Adjustments of a ranking: merchandising rules, minimal score, rotation, one product of a group.

Boosts and rotation act on ranks, not on scores, so that they mean the same for every kind of list:
a product of rank r with boost f stands where rank r / f stands. Rotation r divides a product's
weight by 1 / (1 - r) for each time that it was shown lately; 1 puts it behind all others.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from django.db.models import Q

from recommender.merchandising.rules import BOOST, BURY, HIDE, Rule, pinned, pinned_ids
from recommender.models import ServedList
from recommender.recommendations.context import Draft, ListContext
from recommender.serving.items import Item

MOST_EXPOSURES = 200
"""Latest lists of a shopper that rotation looks at."""


def adjust(context: ListContext, items: list[Item]) -> list[Item]:
    """The ranking after rules (without pins), minimal score, rotation and groups."""
    request = context.request
    if request.min_score is not None:
        items = [i for i in items if i.score is not None and i.score >= request.min_score]
    if request.all_rules or request.rotation:
        items = _reordered(context, items)
    return one_of_each_group(context, items)


def _reordered(context: ListContext, items: list[Item]) -> list[Item]:
    rules = [(rule, _targets(context, rule, items)) for rule in context.request.all_rules]
    groups = context.state.variant_groups.get()
    shown = Counter[str]()
    for item_id, times in (_shown_lately(context) if context.request.rotation else {}).items():
        shown[groups.get(item_id, item_id)] += times
    left = 1.0 - context.request.rotation
    keys: list[tuple[int, float]] = []
    kept: list[Item] = []
    for rank, item in enumerate(items, 1):
        weight, bucket = 1.0, 0
        applied = [rule for rule, targets in rules if item.item_id in targets]
        if any(rule.effect == HIDE for rule in applied):
            continue
        for rule in applied:
            if rule.effect == BOOST:
                weight, item.rule = weight * rule.factor, rule.named()
            elif rule.effect == BURY:
                bucket, item.rule, item.buried = 2, rule.named(), True
        if times := shown[groups.get(item.item_id, item.item_id)]:
            weight *= left**times
            bucket = bucket or (0 if weight else 1)
        keys.append((bucket, rank / weight if weight else rank))
        kept.append(item)
    order = sorted(range(len(kept)), key=keys.__getitem__)
    return [kept[i] for i in order]


def _targets(context: ListContext, rule: Rule, items: list[Item]) -> set[str]:
    """Those of the products that a rule applies to; of a pin none."""
    if rule.effect not in (BOOST, BURY, HIDE):
        return set()
    if rule.selection is None:
        return set(rule.item_ids)
    ids = [item.item_id for item in items]
    return context.state.product_index.eligible_among(ids, rule.selection, context.now)


def _shown_lately(context: ListContext) -> Counter[str]:
    """How often each product was in a list of this placement for the shopper or session.

    Nothing while the database does not answer.
    """
    request, visitor = context.request, context.visitor if context.online else None
    if visitor is None or not visitor.agrees:
        return Counter()
    whose = Q(shopper=visitor.named_id) if visitor.named_id else Q(pk=None)
    if request.session_id:
        whose |= Q(session_id=request.session_id)
    since = context.now - timedelta(hours=request.rotation_hours)
    lists = ServedList.objects.of(context.shop).filter(whose, created_at__gte=since)
    if request.placement is not None:
        lists = lists.filter(placement=request.placement.key)
    rows = lists.order_by("-created_at").values_list("items", flat=True)[:MOST_EXPOSURES]
    return Counter(place["item_id"] for places in rows for place in places)


def one_of_each_group(context: ListContext, items: list[Item]) -> list[Item]:
    """The first product of each group of variants (`item_group_id`).

    Groups that earlier pages, other lists of the page, or the list's own products show count too.
    """
    groups = context.state.variant_groups.get()
    if not groups:
        return items
    request = context.request
    others = (*request.left_out, *context.excluded)
    seen = {groups[item_id] for item_id in others if item_id in groups}
    return list(_first_of_groups(items, groups, seen))


def _first_of_groups(
    items: Iterable[Item], groups: dict[str, str], seen: set[str]
) -> Iterable[Item]:
    for item in items:
        group = groups.get(item.item_id)
        if group is None or group not in seen:
            yield item
        if group is not None:
            seen.add(group)


def insert_pins(context: ListContext, draft: Draft) -> Draft:
    """Put pinned products at their positions, as far as they are eligible.

    Positions count from the start of the list, over its pages. A pin takes the place of its group
    of variants, and needs no score. A rule that hides the product is stronger.
    """
    request, items = context.request, draft.items
    wanted = pinned_ids(request.all_rules)
    if not wanted:
        return draft
    groups = context.state.variant_groups.get()
    hidden = _hidden(context, wanted)
    shown = [item_id for item_id in context.eligible(wanted) if item_id not in hidden]
    eligible = _first_of_group(shown, groups)
    skipped, offset = {*request.left_out, *context.excluded}, len(request.shown)
    places = {
        position - offset: (item_id, rule)
        for position, (item_id, rule) in pinned(request.all_rules, eligible).items()
        if position > offset and item_id not in skipped
    }
    by_id = {item.item_id: item for item in items}
    here = {item_id for item_id, _ in places.values()}
    their_groups = {groups[item_id] for item_id in here if item_id in groups}
    items = [
        item
        for item in items
        if item.item_id not in here and groups.get(item.item_id) not in their_groups
    ]
    for position in sorted(places):
        item_id, rule = places[position]
        item = by_id.get(item_id) or Item(item_id, None, [])
        item.rule, item.odds = rule.named(), None
        items.insert(position - 1, item)
    draft.items = items
    if items and draft.fallback == "below_min_score":
        draft.fallback = None
    return draft


def _hidden(context: ListContext, item_ids: list[str]) -> set[str]:
    """Those of the products that a rule hides."""
    items = [Item(item_id, None, []) for item_id in item_ids]
    rules = [rule for rule in context.request.all_rules if rule.effect == HIDE]
    return set().union(*(_targets(context, rule, items) for rule in rules))


def _first_of_group(item_ids: Iterable[str], groups: Mapping[str, str]) -> set[str]:
    """The products without those whose group one before them has."""
    kept, seen = set(), set()
    for item_id in item_ids:
        group = groups.get(item_id)
        if group is None or group not in seen:
            kept.add(item_id)
        seen.add(group)
    return kept


def buried_last(items: list[Item]) -> list[Item]:
    """The products with buried ones behind all others."""
    return sorted(items, key=lambda item: item.buried)
