"""Recommended facets: the categories, brands or attribute values of a shopper's ranking.

A product of rank r weighs 1 / log2(r + 1), as in DCG; a facet's value weighs the sum of its
products.
"""

import json
import math
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from recommender.catalog.filter_expressions import ATTRIBUTES, attribute_values
from recommender.models import Shop
from recommender.recommendations.recommend import recommend
from recommender.recommendations.requests import ListRequest, ListResult
from recommender.serving.shop_state import state_of

CATEGORIES, BRAND = "categories", "brand"
FACETS = (CATEGORIES, BRAND)
DEPTH = 100
"""Products of the ranking that count."""
EXAMPLES = 4
PATH = " > "


@dataclass
class Facet:
    """One value of a facet, with its weight in the ranking and its first products."""

    value: str
    share: float = 0.0
    item_ids: list[str] = field(default_factory=list)

    def numbers(self) -> dict[str, Any]:
        return {
            "share": round(self.share, 6),
            "products": len(self.item_ids),
            "item_ids": self.item_ids[:EXAMPLES],
        }


@dataclass(frozen=True)
class FacetsResult:
    """The values, best first, and the ranking that they come from."""

    facets: list[Facet]
    ranking: ListResult


def recommend_facets(
    shop: Shop, request: ListRequest, facet: str, level: int | None, most: int
) -> FacetsResult:
    """The values of a facet by the ranking of a list request.

    facet: categories, brand, or attributes.NAME. level: categories are cut after so many parts.
    """
    ranking = recommend(shop, request)
    values = _values(shop, ranking.item_ids, facet, level)
    by_value: dict[str, Facet] = {}
    total = 0.0
    for rank, item_id in enumerate(ranking.item_ids, 1):
        weight = 1 / math.log2(rank + 1)
        total += weight
        for value in values.get(item_id, ()):
            found = by_value.setdefault(value, Facet(value))
            found.share += weight
            found.item_ids.append(item_id)
    for found in by_value.values():
        found.share /= total
    ordered = sorted(by_value.values(), key=lambda found: (-found.share, found.value))
    return FacetsResult(ordered[:most], ranking)


def _values(shop: Shop, item_ids: list[str], facet: str, level: int | None) -> dict[str, list[str]]:
    """By product the values of its facet, each once."""
    frame = state_of(shop).product_index.products()
    frame = frame.filter(pl.col("item_id").is_in(item_ids))
    if facet == CATEGORIES:
        cut = [
            [PATH.join(path.split(PATH)[:level]) for path in paths or ()]
            for paths in frame[CATEGORIES].to_list()
        ]
    elif facet == BRAND:
        cut = [[brand] if brand else [] for brand in frame[BRAND]]
    else:
        name = facet.removeprefix(ATTRIBUTES)
        attributes = [json.loads(text) if text else {} for text in frame["attributes"]]
        cut = [attribute_values(a[name])[0] if a.get(name) is not None else [] for a in attributes]
    return {
        item_id: list(dict.fromkeys(values))
        for item_id, values in zip(frame["item_id"], cut, strict=True)
    }
