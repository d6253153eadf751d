"""Parsing of list requests, field by field, because a serializer takes longer than the list
itself.
"""

from collections.abc import Callable
from typing import Any

from rest_framework.exceptions import ValidationError

from recommender.api.catalog.items import ITEM_NAMES
from recommender.api.http.strict_fields import STRICT, read_ids
from recommender.ingest.parsing import FieldError

MOST_IDS = 100
MOST_INTERESTS = 20
LONGEST_LIST = 100
MOST_HOURS = 720
LARGEST_PARAMS = 1024 * 1024
"""Size of params in bytes: a filter may name a thousand ids."""
EXPLAIN = ("off", "top", "full")
Read = Callable[[str, Any], Any]


def _limit(field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldError(field, "A valid integer is required.")
    if not 1 <= value <= LONGEST_LIST:
        raise FieldError(field, f"must be from 1 to {LONGEST_LIST}")
    return value


def _explain(field: str, value: Any) -> str:
    if not isinstance(value, str) or value not in EXPLAIN:
        raise FieldError(field, f"must be one of {', '.join(EXPLAIN)}")
    return value


def _share(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(field, "A valid number is required.")
    if not 0 <= value <= 1:
        raise FieldError(field, "must be from 0 to 1")
    return float(value)


def _text(longest: int) -> Read:
    def read(field: str, value: Any) -> str:
        if not isinstance(value, str):
            raise FieldError(field, "must be text")
        return STRICT.text(field, value, longest) or ""

    return read


def _object(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FieldError(field, "must be an object")
    return STRICT.mapping(field, value)


def _params(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FieldError(field, "must be an object")
    return STRICT.mapping(field, value, LARGEST_PARAMS)


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise FieldError(field, "must be true or false")
    return value


def read_context(field: str, value: Any) -> dict[str, Any]:
    """Validate the `context` of a request: item_ids and interests are lists, country and
    entry_item_id texts; other keys are the shop's own. Raises FieldError, which names the key.
    """
    context = _object(field, value)
    read_ids(field, context.get("item_ids", []), MOST_IDS, "product ids: item_ids")
    read_ids(
        f"{field}.interests",
        context.get("interests", []),
        MOST_INTERESTS,
        "texts of at most 256 characters",
    )
    for name in ("country", "entry_item_id"):
        if name in context:
            STRICT.id(f"{field}.{name}", context[name])
    return context


def _number(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FieldError(field, "A valid number is required.")
    return STRICT.number(field, value)


def _hours(field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldError(field, "A valid integer is required.")
    if not 1 <= value <= MOST_HOURS:
        raise FieldError(field, f"must be from 1 to {MOST_HOURS}")
    return value


def _rules(field: str, value: Any) -> list[Any]:
    """Rules as they are; the list request checks them together with its parameters."""
    if not isinstance(value, list):
        raise FieldError(field, "must be a list of rules")
    return STRICT.mapping(field, {field: value}, LARGEST_PARAMS)[field]


def _product_fields(field: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
        raise FieldError(field, "must be a list of names of product fields")
    if unknown := [name for name in value if name.partition(".")[0] not in ITEM_NAMES]:
        known = ", ".join(ITEM_NAMES)
        raise FieldError(field, f"{unknown[0][:60]!r} does not exist; there are {known}")
    return value


OF_A_PLACEMENT: dict[str, Read] = {
    "placement": _text(64),
    "limit": _limit,
    "context": read_context,
    "filter": _text(200_000),
    "params": _params,
    "diversity": _share,
    "rules": _rules,
    "min_score": _number,
    "rotation": _share,
    "rotation_hours": _hours,
}
OF_A_VISITOR: dict[str, Read] = {
    "user_id": STRICT.id,
    "session_id": STRICT.id,
    "explain": _explain,
    "simulated": _flag,
    "hydrate": _flag,
    "fields": _product_fields,
}
FIELDS: dict[str, Read] = {**OF_A_PLACEMENT, **OF_A_VISITOR, "next": _text(100_000)}
BESIDE_NEXT = frozenset({"next", "limit", "explain", "simulated", "hydrate", "fields"})


def read_fields(
    data: dict[str, Any], known: dict[str, Read], word: str = "request"
) -> dict[str, Any]:
    """The parsed fields of a request. Raises ValidationError that names each invalid one."""
    values, errors = {}, {}
    for name, value in data.items():
        try:
            if name not in known:
                raise FieldError(name, f"is not a field of this {word}")
            values[name] = known[name](name, value)
        except FieldError as error:
            errors[error.field] = [error.message]
    if errors:
        raise ValidationError(errors)
    return values


def read_recommendation(data: dict[str, Any]) -> dict[str, Any]:
    values = read_fields(data, FIELDS)
    if "next" in values:
        for name in sorted(values.keys() - BESIDE_NEXT):
            raise ValidationError({name: ["is known by next already"]})
    elif not values.get("placement"):
        raise ValidationError({"placement": ["is required"]})
    values.setdefault("hydrate", "fields" in values)
    return {"explain": "top", "simulated": False, **values}
