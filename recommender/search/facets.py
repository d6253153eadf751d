"""Facets: how many products of a result have each value of a field."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import polars as pl

from recommender.catalog.filter_expressions import ATTRIBUTES, numbers_of
from recommender.catalog.filter_language import FilterError
from recommender.catalog.product_fields import FILTER_FIELDS, NUMBER, PATHS, TEXT
from recommender.search.requests import FacetRequest

NOT_FACETS = frozenset({"item_id", "title", "description", "item_group_id", "gtin", "age"})
"""Fields of which nearly every product has its own value, or that have no facet otherwise."""
RANGES = 5
"""Ranges of a numeric facet, where the request names no boundaries."""


def check_facets(requests: Sequence[FacetRequest]) -> None:
    """Raises FilterError for a field that has no facet."""
    for request in requests:
        name = request.field
        if name.startswith(ATTRIBUTES) and len(name) > len(ATTRIBUTES):
            continue
        if name in ("title", "description"):
            raise FilterError(f"{name} is free text; facets count values that products share")
        if name in NOT_FACETS or FILTER_FIELDS.get(name) not in (TEXT, NUMBER, PATHS):
            known = [n for n, kind in FILTER_FIELDS.items() if kind in (TEXT, NUMBER, PATHS)]
            names = ", ".join(n for n in known if n not in NOT_FACETS)
            raise FilterError(f"{name[:60]!r} has no facet; there are {names}, attributes.NAME")


def attributes_of(requests: Sequence[FacetRequest]) -> list[str]:
    """The attributes that these facets read."""
    names = [request.field for request in requests if request.field.startswith(ATTRIBUTES)]
    return [name.removeprefix(ATTRIBUTES) for name in names]


def count_facets(frame: pl.DataFrame, requests: Sequence[FacetRequest]) -> list[dict[str, Any]]:
    """The facets of these products. frame: rows of the product index."""
    return [_facet(frame, request) for request in requests]


def _facet(frame: pl.DataFrame, request: FacetRequest) -> dict[str, Any]:
    name = request.field
    if name.startswith(ATTRIBUTES):
        numbers = frame[numbers_of(name)].explode().drop_nulls()
        texts = frame[name].explode().drop_nulls()
        if len(numbers) and (request.ranges or len(numbers) == len(texts)):
            return _ranges(name, numbers, request)
        return _values(name, frame.select(value=pl.col(name)), request.limit)
    if FILTER_FIELDS[name] == NUMBER:
        return _ranges(name, frame[name].drop_nulls().cast(pl.Float64), request)
    if FILTER_FIELDS[name] == PATHS:
        return _values(name, frame.select(value=_paths(name)), request.limit)
    return _values(name, frame.select(value=pl.concat_list(name)), request.limit)


def _paths(name: str) -> pl.Expr:
    """Every category of a product with those above it: "Home", "Home > Lighting"."""
    return pl.col(name).map_elements(_with_parents, return_dtype=pl.List(pl.String))


def _with_parents(paths: Sequence[str]) -> list[str]:
    out: dict[str, None] = {}
    for path in paths:
        parts = path.split(" > ")
        out |= dict.fromkeys(" > ".join(parts[:n]) for n in range(1, len(parts) + 1))
    return list(out)


def _values(name: str, values: pl.DataFrame, limit: int) -> dict[str, Any]:
    counted = (
        values.with_row_index("row")
        .explode("value")
        .drop_nulls("value")
        .unique(["row", "value"])
        .group_by("value")
        .len("count")
        .sort(["count", "value"], descending=[True, False])
    )
    rows = counted.head(limit).to_dicts()
    return {"field": name, "values": rows, "more": max(0, counted.height - limit)}


def _ranges(name: str, numbers: pl.Series, request: FacetRequest) -> dict[str, Any]:
    """Counts by range [from, to); the last one includes its end."""
    numbers = numbers.filter(numbers.is_finite())
    facet: dict[str, Any] = {"field": name, "min": numbers.min(), "max": numbers.max()}
    bounds: list[float | None] = sorted(set(request.ranges))
    if bounds:
        edges = [None, *bounds, None]
    else:
        shares = [numbers.quantile(i / RANGES) for i in range(1, RANGES)]
        inner = sorted({_rounded(b) for b in shares if b is not None})
        edges = [None, *inner, None] if len(numbers) else []
    ranges = []
    for low, high in pairwise(edges):
        inside = numbers
        if low is not None:
            inside = inside.filter(inside >= low)
        if high is not None:
            inside = inside.filter(inside < high)
        ranges.append({"from": low, "to": high, "count": len(inside)})
    return facet | {"ranges": ranges}


def _rounded(value: float) -> float:
    """Two leading digits: boundaries that people read."""
    return float(f"{value:.2g}")
