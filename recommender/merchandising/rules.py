"""Merchandising rules: pin, boost, bury and hide products of a list.

    {"effect": "boost", "filter": "brand = 'Alto'", "factor": 2}
    {"effect": "pin", "item_ids": ["SKU-3001"], "position": 1}

They come with a request, or belong to a placement. Each applies to the products that pass its
filter, or to those that it names. A pinned product has to be eligible and to pass the filters of
its list, like any other.
"""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from recommender.catalog.filter_language import FilterError, Selection, select

PIN, BOOST, BURY, HIDE = "pin", "boost", "bury", "hide"
EFFECTS = (PIN, BOOST, BURY, HIDE)
MOST_RULES, MOST_ITEMS, LAST_POSITION = 50, 100, 100
LEAST_FACTOR, USUAL_FACTOR, LARGEST_FACTOR = 1.0, 2.0, 100.0
FIELDS = ("id", "name", "effect", "filter", "item_ids", "factor", "position")


class RuleError(ValueError):
    """An invalid rule; `field` is its place, such as rules[0].effect."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


@dataclass(frozen=True)
class Rule:
    """One rule.

    selection: the products that it applies to; None: those of `item_ids`
    factor: of a boost; a product's rank is divided by it, so 2 halves it
    position: of a pin, from 1; further products follow
    """

    id: str
    name: str
    effect: str
    selection: Selection | None
    item_ids: tuple[str, ...]
    factor: float
    position: int

    def named(self) -> dict[str, str]:
        """The rule as a reply names it beside a product."""
        return {"id": self.id, "effect": self.effect, "name": self.name}


def parse_rules(rules: Any, params: Mapping[str, Any], prefix: str = "request") -> tuple[Rule, ...]:
    """Rules from their JSON form. prefix: of the ids of rules without one. Raises RuleError."""
    if not isinstance(rules, Sequence) or isinstance(rules, str) or len(rules) > MOST_RULES:
        raise RuleError("rules", f"must be a list of at most {MOST_RULES} rules")
    text = json.dumps([rules, dict(params)], sort_keys=True, default=str)
    return _parsed(text, prefix)


@lru_cache(maxsize=256)
def _parsed(text: str, prefix: str) -> tuple[Rule, ...]:
    """Rules and parameters as JSON text: requests of one call, and of one placement, repeat them.

    An error is raised anew each time.
    """
    rules, params = json.loads(text)
    return tuple(
        _parse(rule, params, f"rules[{i}]", f"{prefix}-{i + 1}") for i, rule in enumerate(rules)
    )


def _parse(rule: Any, params: Mapping[str, Any], at: str, usual_id: str) -> Rule:
    if not isinstance(rule, Mapping):
        raise RuleError(at, "must be an object")
    if unknown := sorted(rule.keys() - set(FIELDS)):
        raise RuleError(f"{at}.{unknown[0]}", "is not a field of a rule")
    effect = rule.get("effect")
    if effect not in EFFECTS:
        raise RuleError(f"{at}.effect", f"must be one of {', '.join(EFFECTS)}")
    for name, effects in (("factor", (BOOST,)), ("position", (PIN,))):
        if rule.get(name) is not None and effect not in effects:
            raise RuleError(f"{at}.{name}", f"is not a field of the effect {effect}")
    item_ids, selection = _item_ids(rule, at), _selection(rule, params, at)
    if (selection is None) == (not item_ids):
        raise RuleError(at, "needs a filter, or item_ids, and not both")
    if effect == PIN and not item_ids:
        raise RuleError(f"{at}.item_ids", "is required: a pin names its products")
    return Rule(
        _text(rule, "id", at, 64) or usual_id,
        _text(rule, "name", at, 100),
        effect,
        selection,
        item_ids,
        _number(rule, "factor", at, USUAL_FACTOR, (LEAST_FACTOR, LARGEST_FACTOR)),
        int(_number(rule, "position", at, 1, (1, LAST_POSITION), whole=True)),
    )


def _text(rule: Mapping[str, Any], name: str, at: str, longest: int) -> str:
    value = rule.get(name) or ""
    if not isinstance(value, str) or len(value) > longest or "\x00" in value:
        raise RuleError(f"{at}.{name}", f"must be a text of at most {longest} characters")
    return value


def _item_ids(rule: Mapping[str, Any], at: str) -> tuple[str, ...]:
    value = rule.get("item_ids") or []
    if (
        not isinstance(value, list | tuple)
        or len(value) > MOST_ITEMS
        or not all(isinstance(i, str) and 0 < len(i) <= 256 for i in value)
    ):
        raise RuleError(f"{at}.item_ids", f"must be a list of at most {MOST_ITEMS} product ids")
    return tuple(dict.fromkeys(value))


def _selection(rule: Mapping[str, Any], params: Mapping[str, Any], at: str) -> Selection | None:
    text = rule.get("filter")
    if text is None or text == "":
        return None
    if not isinstance(text, str) or not text.strip():
        raise RuleError(f"{at}.filter", "must be a filter")
    try:
        return select([text], params)
    except FilterError as error:
        field = f"params.{error.parameter}" if error.parameter else f"{at}.filter"
        raise RuleError(field, str(error)) from None


def _number(
    rule: Mapping[str, Any],
    name: str,
    at: str,
    usual: float,
    limits: tuple[float, float],
    whole: bool = False,
) -> float:
    value = rule.get(name)
    if value is None:
        return usual
    kind = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, kind):
        raise RuleError(f"{at}.{name}", "must be a whole number" if whole else "must be a number")
    if not limits[0] <= value <= limits[1]:
        raise RuleError(f"{at}.{name}", f"must be from {limits[0]:g} to {limits[1]:g}")
    return value


def pinned_ids(rules: Iterable[Rule]) -> list[str]:
    """Products that a rule pins, in the order of the rules."""
    return [item_id for rule in rules if rule.effect == PIN for item_id in rule.item_ids]


def pinned(rules: Iterable[Rule], eligible: Set[str]) -> dict[int, tuple[str, Rule]]:
    """By position, from 1, the product that is pinned there.

    Products that are not eligible are skipped, and those after them move up. Of several rules for
    one position or product the first wins.
    """
    places: dict[int, tuple[str, Rule]] = {}
    taken: set[str] = set()
    for rule in rules:
        if rule.effect != PIN:
            continue
        position = rule.position
        for item_id in rule.item_ids:
            if item_id not in eligible or item_id in taken:
                continue
            while position in places:
                position += 1
            places[position] = (item_id, rule)
            taken.add(item_id)
    return places
