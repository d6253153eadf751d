"""Which products may stand in a list: one small expression language, the same in placements and in
requests.

    stock.state = 'in_stock' and price < :max and not categories in ('Sale', 'Home > Lighting')

A comparison with something that a product does not have is false; `not`, `!=` and `not in` are its
exact opposite, so they are true of such a product. A category means itself and all below it.
`:name` is a parameter, whose value comes with the request.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl
from lark import (
    Lark,
    Token,
    UnexpectedCharacters,
    UnexpectedEOF,
    UnexpectedInput,
    UnexpectedToken,
    v_args,
)
from lark.exceptions import VisitError
from lark.visitors import Transformer_NonRecursive

LONGEST = 2000
DEEPEST = 20
MOST_COMPARISONS = 50
MOST_VALUES = 1000
EARLIEST_YEAR, LATEST_YEAR = 1900, 9000

GRAMMAR = r"""
    ?start: either
    ?either: both (_OR both)*          -> either
    ?both: term (_AND term)*           -> both
    ?term: comparison
         | _NOT term                   -> opposite
         | "(" either ")"
    comparison: FIELD OPERATOR value   -> compared
        | FIELD _CONTAINS value        -> holding
        | FIELD _IN several            -> among
        | FIELD _NOT _IN several       -> not_among
        | FIELD _IS _NULL              -> missing
        | FIELD _IS _NOT _NULL         -> present
    several: "(" value ("," value)* ")"
        | PARAMETER
    ?value: TEXT | NUMBER | TRUTH | PARAMETER

    OPERATOR: "<=" | ">=" | "!=" | "<>" | "=" | "<" | ">"
    TEXT: /'(?:[^']|'')*'/
    NUMBER: /-?\d+(?:\.\d+)?/
    PARAMETER: /:[A-Za-z_]\w*/
    TRUTH.2: /(?:true|false)\b/i
    _AND.2: /and\b/i
    _OR.2: /or\b/i
    _NOT.2: /not\b/i
    _IN.2: /in\b/i
    _IS.2: /is\b/i
    _NULL.2: /null\b/i
    _CONTAINS.2: /contains\b/i
    FIELD: /[A-Za-z_]\w*(?:\.(?:[^\W\d][\w-]*|"[^"]+"))*/
    %ignore /\s+/
"""

TEXT, NUMBER, MOMENT, PATHS, ANY = "text", "number", "date", "categories", "attribute"
FIELDS = {
    "item_id": TEXT,
    "title": TEXT,
    "brand": TEXT,
    "locale": TEXT,
    "stock.state": TEXT,
    "stock.quantity": NUMBER,
    "price": NUMBER,
    "margin_rate": NUMBER,
    "age": NUMBER,
    "available_from": MOMENT,
    "available_until": MOMENT,
    "categories": PATHS,
}
"""What can be asked for; beside it `attributes.NAME`."""
ALIASES = {"price.amount": "price"}
ATTRIBUTES = "attributes."


class FilterError(ValueError):
    """An expression that cannot be read, or a value that does not fit it; `parameter` names the
    one to blame, if any.
    """

    def __init__(self, message: str, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


@dataclass(frozen=True)
class Parameter:
    name: str


@dataclass(frozen=True)
class Comparison:
    """One field against one value, or several; `operator` is one of = < <= > >= contains in
    null.
    """

    field: str
    operator: str
    values: tuple[Any, ...] | Parameter = ()
    depth: int = 1

    def expression(self, params: Mapping[str, Any]) -> pl.Expr:
        values = self.values
        if isinstance(values, Parameter):
            values = _several(values.name, params)
        return _COMPILED[kind_of(self.field)](
            self, [_checked(self, value, params) for value in values]
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


@dataclass(frozen=True)
class Filter:
    """A checked expression."""

    text: str
    root: Any
    parameters: frozenset[str]
    attributes: frozenset[str] = field(default_factory=frozenset)
    """Names of the attributes it asks for."""

    def expression(self, params: Mapping[str, Any]) -> pl.Expr:
        """Over a catalogue's columns: true of products that may stand in the list.

        Raises FilterError where a parameter does not fit.
        """
        return self.root.expression(params)


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Filter:
    """The filter that a text says. Raises FilterError, which says where it cannot be read."""
    if len(text) > LONGEST:
        raise FilterError(f"is longer than {LONGEST:,} characters")
    seen = _Seen()
    try:
        root = seen.transform(_parser().parse(text))
    except UnexpectedInput as error:
        raise FilterError(_where(error, text)) from None
    except VisitError as error:
        raise error.orig_exc from None
    return Filter(text, root, frozenset(seen.parameters), frozenset(seen.attributes))


@functools.cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", maybe_placeholders=False)


def _where(error: UnexpectedInput, text: str) -> str:
    if isinstance(error, UnexpectedEOF) or (
        isinstance(error, UnexpectedToken) and error.token.type == "$END"
    ):
        return "ends too early" if text.strip() else "is empty"
    at = error.pos_in_stream
    found = str(error.token) if isinstance(error, UnexpectedToken) else text[at : at + 20]
    hint = (
        "; texts stand in single quotes"
        if isinstance(error, UnexpectedCharacters) and found.startswith('"')
        else ""
    )
    return f"cannot be read from character {at + 1} on: {found[:40]!r}{hint}"


@v_args(inline=True)
class _Seen(Transformer_NonRecursive):
    """From lark's tree to ours, counting as it goes."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters: set[str] = set()
        self.attributes: set[str] = set()
        self.comparisons = 0

    def FIELD(self, token: Token) -> str:
        name = str(token).replace('"', "")
        name = ALIASES.get(name, name)
        if name.startswith(ATTRIBUTES) and len(name) > len(ATTRIBUTES):
            self.attributes.add(name.removeprefix(ATTRIBUTES))
        elif name not in FIELDS:
            raise FilterError(
                f"{name[:60]!r} is no field; there are {', '.join(FIELDS)} and attributes.NAME"
            )
        return name

    def OPERATOR(self, token: Token) -> str:
        return "!=" if token == "<>" else str(token)  # noqa: S105  a token of the language

    def TEXT(self, token: Token) -> str:
        return str(token)[1:-1].replace("''", "'")

    def NUMBER(self, token: Token) -> float:
        return float(token)

    def TRUTH(self, token: Token) -> bool:
        return token.lower() == "true"

    def PARAMETER(self, token: Token) -> Parameter:
        self.parameters.add(token[1:])
        return Parameter(str(token[1:]))

    def several(self, *values):
        if len(values) == 1 and isinstance(values[0], Parameter):
            return values[0]
        return values

    def compared(self, name: str, operator: str, value: Any):
        if operator == "!=":
            return Not(self._comparison(name, "=", (value,)), 2)
        return self._comparison(name, operator, (value,))

    def holding(self, name: str, value: Any):
        return self._comparison(name, "contains", (value,))

    def among(self, name: str, values: Any):
        return self._comparison(name, "in", values)

    def not_among(self, name: str, values: Any):
        return Not(self.among(name, values), 2)

    def missing(self, name: str):
        return self._comparison(name, "null", ())

    def present(self, name: str):
        return Not(self.missing(name), 2)

    def opposite(self, inner: Any):
        return self._no_deeper(Not(inner, inner.depth + 1))

    def both(self, *parts):
        return self._joined(parts, True)

    def either(self, *parts):
        return self._joined(parts, False)

    def _joined(self, parts: tuple, every: bool):
        return (
            parts[0]
            if len(parts) == 1
            else self._no_deeper(Joined(parts, every, max(p.depth for p in parts) + 1))
        )

    def _no_deeper(self, node: Any):
        if node.depth > DEEPEST:
            raise FilterError(f"is nested deeper than {DEEPEST} levels")
        return node

    def _comparison(self, name: str, operator: str, values: Any) -> Comparison:
        self.comparisons += 1
        if self.comparisons > MOST_COMPARISONS:
            raise FilterError(f"has more than {MOST_COMPARISONS} comparisons")
        kind = kind_of(name)
        if operator not in _OPERATORS[kind]:
            raise FilterError(f"{name} is a {kind} and cannot be asked for with {operator!r}")
        made = Comparison(name, operator, values)
        for value in values if isinstance(values, tuple) else ():
            if not isinstance(value, Parameter):
                _checked(made, value, {})
        return made


_ORDERED = {"=", "<", "<=", ">", ">=", "in", "null"}
_OPERATORS = {
    TEXT: {"=", "in", "contains", "null"},
    PATHS: {"=", "in", "contains", "null"},
    NUMBER: _ORDERED,
    MOMENT: _ORDERED,
    ANY: _ORDERED | {"contains"},
}


def kind_of(name: str) -> str:
    return FIELDS.get(name, ANY)


def _several(name: str, params: Mapping[str, Any]) -> list[Any]:
    values = _value_of(name, params)
    if not isinstance(values, list) or not 0 < len(values) <= MOST_VALUES:
        raise FilterError(f"must be a list of 1 to {MOST_VALUES:,} values", name)
    return values


def _value_of(name: str, params: Mapping[str, Any]) -> Any:
    if params.get(name) is None:
        raise FilterError("is required by the filter", name)
    return params[name]


def _checked(comparison: Comparison, value: Any, params: Mapping[str, Any]) -> Any:
    """A value as its field understands it. Raises FilterError."""
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


def _paths(c: Comparison, values: list[Any]) -> pl.Expr:
    """Categories are paths; one is meant with all that lie below it."""
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
    """An attribute is one value or a list of them, of which one has to fit."""
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


_COMPILED = {TEXT: _text, PATHS: _paths, NUMBER: _ordered, MOMENT: _ordered, ANY: _attribute}


def _any(parts: Iterable[pl.Expr]) -> pl.Expr:
    return functools.reduce(lambda a, b: a | b, parts)


def numbers_of(name: str) -> str:
    """The column that holds an attribute's numbers; the one with its own name holds its texts."""
    return f"{name} #"


def attribute_text(value: str | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else value


def attribute_values(value: Any) -> tuple[list[str], list[float]]:
    """What is compared of an attribute: (texts, numbers); numbers are texts as well, as JSON
    writes them.
    """
    texts, numbers = [], []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, bool | str):
            texts.append(attribute_text(one))
        elif isinstance(one, int | float):
            texts.append(f"{one:g}" if isinstance(one, float) else str(one))
            numbers.append(float(one))
    return texts, numbers


@dataclass(frozen=True, eq=False)
class Selection:
    """Filters that apply together, with the values of their parameters."""

    filters: tuple[Filter, ...]
    params: Mapping[str, Any]
    expression: pl.Expr
    key: str
    """Equal for equal selections."""

    @property
    def attributes(self) -> frozenset[str]:
        return frozenset().union(*(f.attributes for f in self.filters))


def select(texts: Iterable[str], params: Mapping[str, Any] | None = None) -> Selection:
    """All of these filters; blank texts mean no filter. Raises FilterError."""
    filters, params = tuple(parse(text) for text in texts if text.strip()), params or {}
    if not filters:
        return EVERYTHING
    used = {name: params.get(name) for f in filters for name in sorted(f.parameters)}
    expression = pl.all_horizontal([f.expression(params) for f in filters])
    return Selection(
        filters,
        used,
        expression,
        json.dumps([[f.text for f in filters], used], sort_keys=True, default=str),
    )


EVERYTHING = Selection((), {}, pl.lit(True), "")
