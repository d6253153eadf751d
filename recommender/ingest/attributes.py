"""Attributes of products: the types that a shop declared, and what its products hold."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from django.db import connection

from recommender.ingest.parsing import FieldError
from recommender.models import ProductAttribute, Shop
from recommender.models.product_attributes import AttributeType

MOST_NAMES = 2000
"""Most names of attributes that are reported."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    AttributeType.TEXT: (_is_text, "a text"),
    AttributeType.NUMBER: (_is_number, "a number"),
    AttributeType.BOOLEAN: (lambda value: isinstance(value, bool), "true or false"),
    AttributeType.TEXTS: (_all(_is_text), "a list of texts"),
    AttributeType.NUMBERS: (_all(_is_number), "a list of numbers"),
}
"""By declared type, the check of a value, and the type in words."""


def declared_types(shop: Shop) -> dict[str, str]:
    """Name -> type of the attributes that a shop declared."""
    return dict(ProductAttribute.objects.of(shop).values_list("name", "type"))


def check_attributes(declared: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Raises FieldError for a declared attribute whose value has another type; null is allowed."""
    for name in declared.keys() & values.keys():
        check, words = CHECKS[declared[name]]
        if values[name] is not None and not check(values[name]):
            raise FieldError(f"attributes.{name}", f"must be {words}, as this shop declared")


USED = """
    SELECT a.key, count(*),
        count(*) FILTER (WHERE jsonb_typeof(a.value) = 'string'),
        count(*) FILTER (WHERE jsonb_typeof(a.value) = 'number'),
        count(*) FILTER (WHERE jsonb_typeof(a.value) = 'boolean'),
        count(*) FILTER (WHERE jsonb_typeof(a.value) = 'array'
            AND NOT jsonb_path_exists(a.value, '$[*] ? (@.type() != "string")')),
        count(*) FILTER (WHERE jsonb_typeof(a.value) = 'array' AND a.value <> '[]'
            AND NOT jsonb_path_exists(a.value, '$[*] ? (@.type() != "number")')),
        (array_agg(a.value ORDER BY p.id))[1]
    FROM recommender_product p, jsonb_each(p.attributes) a
    WHERE p.shop_id = %s AND jsonb_typeof(p.attributes) = 'object'
        AND jsonb_typeof(a.value) <> 'null' {more}
    GROUP BY a.key ORDER BY a.key LIMIT %s"""
TYPES = tuple(CHECKS)


def used_attributes(shop: Shop, name: str | None = None) -> dict[str, dict[str, Any]]:
    """By name: `products` that have the attribute, `types` of its values, and an `example`.

    Reads every product of the shop.
    """
    more, values = ("AND a.key = %s", [name]) if name is not None else ("", [])
    with connection.cursor() as cursor:
        cursor.execute(USED.format(more=more), [shop.pk, *values, MOST_NAMES])
        rows = cursor.fetchall()
    found = {}
    for key, products, *counts, example in rows:
        types = {kind.value: n for kind, n in zip(TYPES, counts, strict=True) if n}
        if other := products - sum(counts):
            types["other"] = other
        found[key] = {"products": products, "types": types, "example": orjson.loads(example)}
    return found
