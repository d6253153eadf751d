"""Filter expressions: the syntax tree of a filter, and its compilation to polars.

A comparison with something that a product does not have is false; its negation is true.
"""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from recommender.catalog.product_fields import FILTER_FIELDS, FLAG, MOMENT, NUMBER, PATHS, TEXT

MOST_VALUES = 1000
EARLIEST_YEAR, LATEST_YEAR = 1900, 9000
ANY = "attribute"
"""How a filter compares an attribute: by the type of the value."""
ATTRIBUTES = "attributes."


class FilterError(ValueError):
    """An expression that cannot be parsed, or a value that does not fit it.

    `parameter` names the parameter to blame, if any.
    """

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True)
class Parameter:
    name: str


@dataclass(frozen=True)
class Comparison:
    """One field against one value, or several; operators: = < <= > >= contains in null."""

    field: str
    operator: str
    values: tuple[Any, ...] | Parameter = ()
    depth: int = 1

    def expression(self, params: Mapping[str, Any]) -> pl.Expr:
        values = self.values
        if isinstance(values, Parameter):
            values = _several(values.name, params)
        return _COMPILED[kind_of(self.field)](
            self, [checked_value(self, value, params) for value in values]
        ).fill_null(False)


@dataclass(frozen=True)
class Not:
    inner: Any
    depth: int

    def expression(self, params: Mapping[str, Any]) -> pl.Expr:
        return ~self.inner.expression(params)


@dataclass(frozen=True)
class Joined:
    parts: tuple[Any, ...]
    every: bool
    depth: int

    def expression(self, params: Mapping[str, Any]) -> pl.Expr:
        parts = [part.expression(params) for part in self.parts]
        return pl.all_horizontal(parts) if self.every else pl.any_horizontal(parts)


_ORDERED = {"=", "<", "<=", ">", ">=", "in", "null"}
OPERATORS = {
    TEXT: {"=", "in", "contains", "null"},
    PATHS: {"=", "in", "contains", "null"},
    NUMBER: _ORDERED,
    MOMENT: _ORDERED,
    FLAG: {"=", "in"},
    ANY: _ORDERED | {"contains"},
}


def kind_of(name: str) -> str:
    return FILTER_FIELDS.get(name, ANY)


def _several(name: str, params: Mapping[str, Any]) -> list[Any]:
    values = _value_of(name, params)
    if not isinstance(values, list) or not 0 < len(values) <= MOST_VALUES:
        raise FilterError(f"must be a list of 1 to {MOST_VALUES:,} values", name)
    return values


def _value_of(name: str, params: Mapping[str, Any]) -> Any:
    if params.get(name) is None:
        raise FilterError("is required by the filter", name)
    return params[name]


def checked_value(comparison: Comparison, value: Any, params: Mapping[str, Any]) -> Any:
    """Validate a comparison value against the type of its field and return it converted: numbers as
    float, dates as datetime. A `Parameter` is first looked up in `params`. Raises FilterError where
    it is missing, of the wrong type or out of range.
    """
    by = comparison.values.name if isinstance(comparison.values, Parameter) else None
    if isinstance(value, Parameter):
        by, value = value.name, _value_of(value.name, params)
    kind = kind_of(comparison.field)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and abs(value) > 1e15:
        raise FilterError("is out of range", by)
    if kind == MOMENT and isinstance(value, str):
        return _moment(value, comparison.field, by)
    fits = {
        TEXT: isinstance(value, str),
        PATHS: isinstance(value, str),
        NUMBER: is_number,
        MOMENT: False,
        FLAG: isinstance(value, bool),
    }
    fits[ANY] = is_number or (
        comparison.operator not in ("<", "<=", ">", ">=") and isinstance(value, str | bool)
    )
    if comparison.operator == "contains":
        fits[kind] = isinstance(value, str) and bool(value)
    if not fits[kind]:
        wanted = {
            TEXT: "a text",
            PATHS: "a text",
            NUMBER: "a number",
            MOMENT: "a date such as '2026-08-20'",
            FLAG: "true or false",
            ANY: "a number",
        }
        raise FilterError(
            f"{comparison.field} is compared with "
            f"{'a text' if comparison.operator == 'contains' else wanted[kind]}",
            by,
        )
    return float(value) if is_number else value


def _moment(value: str, name: str, by: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise FilterError(
            f"{name} is compared with a date such as '2026-08-20', not {value[:40]!r}", by
        ) from None
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise FilterError(
            f"{name} is compared with a date from {EARLIEST_YEAR} to {LATEST_YEAR}", by
        )
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_COMPARE = {"=": "eq", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}


def _ordered(c: Comparison, values: list[Any]) -> pl.Expr:
    column = pl.col(c.field)
    if c.operator == "null":
        return column.is_null()
    if c.operator == "in":
        if kind_of(c.field) == MOMENT:
            return _any(column == value for value in values)
        return column.cast(pl.Float64).is_in(
            values
        )  # a column of whole numbers is not searched for others by itself
    return getattr(column, _COMPARE[c.operator])(values[0])


def _text(c: Comparison, values: list[Any]) -> pl.Expr:
    column = pl.col(c.field)
    if c.operator == "null":
        return column.is_null()
    if c.operator == "contains":
        return column.str.to_lowercase().str.contains(values[0].lower(), literal=True)
    return column.is_in(values)


def _flag(c: Comparison, values: list[Any]) -> pl.Expr:
    return pl.col(c.field).is_in([int(value) for value in values])


def _paths(c: Comparison, values: list[Any]) -> pl.Expr:
    """Categories are paths; a path matches itself and all below it."""
    column = pl.col(c.field)
    if c.operator == "null":
        return column.list.len() == 0
    if c.operator == "contains":
        return column.list.eval(
            pl.element().str.to_lowercase().str.contains(values[0].lower(), literal=True)
        ).list.any()
    return column.list.eval(
        _any((pl.element() == path) | pl.element().str.starts_with(f"{path} > ") for path in values)
    ).list.any()


def _attribute(c: Comparison, values: list[Any]) -> pl.Expr:
    """An attribute is one value or a list of values, of which one has to match."""
    texts, numbers = pl.col(c.field), pl.col(numbers_of(c.field))
    if c.operator == "null":
        return texts.list.len() == 0
    if c.operator == "contains":
        return texts.list.eval(
            pl.element().str.to_lowercase().str.contains(values[0].lower(), literal=True)
        ).list.any()
    if c.operator in ("=", "in"):
        return _any(
            numbers.list.contains(v)
            if isinstance(v, float)
            else texts.list.contains(attribute_text(v))
            for v in values
        )
    extreme = numbers.list.min() if c.operator in ("<", "<=") else numbers.list.max()
    return getattr(extreme, _COMPARE[c.operator])(values[0])


_COMPILED = {
    TEXT: _text,
    PATHS: _paths,
    NUMBER: _ordered,
    MOMENT: _ordered,
    FLAG: _flag,
    ANY: _attribute,
}


def _any(parts: Iterable[pl.Expr]) -> pl.Expr:
    return functools.reduce(lambda a, b: a | b, parts)


def numbers_of(name: str) -> str:
    """The column with an attribute's numbers; the one with its own name holds its texts."""
    return f"{name} #"


def attribute_text(value: str | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else value


def attribute_values(value: Any) -> tuple[list[str], list[float]]:
    """(texts, numbers) of an attribute that filters compare; numbers are texts too, as in JSON."""
    texts, numbers = [], []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, bool | str):
            texts.append(attribute_text(one))
        elif isinstance(one, int | float):
            texts.append(f"{one:g}" if isinstance(one, float) else str(one))
            numbers.append(float(one))
    return texts, numbers
