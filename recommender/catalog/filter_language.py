"""Filter language: which products may stand in a list, the same in placements and requests.

    stock.state = 'in_stock' and price < :max and not categories in ('Sale', 'Home > Lighting')

A comparison with something that a product does not have is false; `not`, `!=` and `not in` are its
exact opposite, so they are true of such a product. A category means itself and all below it.
`:name` is a parameter, whose value comes with the request.
"""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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

from recommender.catalog.filter_expressions import (
    ATTRIBUTES,
    OPERATORS,
    Comparison,
    FilterError,
    Joined,
    Not,
    Parameter,
    checked_value,
    kind_of,
)
from recommender.catalog.product_fields import FILTER_FIELDS

LONGEST = 2000
DEEPEST = 20
MOST_COMPARISONS = 50

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

ALIASES = {f"{name}.amount": name for name in ("price", "sale_price", "compare_at_price")}


@dataclass(frozen=True)
class Filter:
    """A filter expression, parsed and checked."""

    text: str
    root: Any
    parameters: frozenset[str]
    attributes: frozenset[str] = field(default_factory=frozenset)
    """Names of the attributes that it reads."""

    def expression(self, params: Mapping[str, Any]) -> pl.Expr:
        """The polars expression over the columns of the product index.

        Raises FilterError where a parameter is missing or does not fit.
        """
        return self.root.expression(params)


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Filter:
    """Parse a filter expression. Raises FilterError with the position of the mistake."""
    if len(text) > LONGEST:
        raise FilterError(f"is longer than {LONGEST:,} characters")
    seen = _TreeBuilder()
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
    token_text = str(error.token) if isinstance(error, UnexpectedToken) else text[at : at + 20]
    hint = (
        "; texts stand in single quotes"
        if isinstance(error, UnexpectedCharacters) and token_text.startswith('"')
        else ""
    )
    return f"cannot be read from character {at + 1} on: {token_text[:40]!r}{hint}"


@v_args(inline=True)
class _TreeBuilder(Transformer_NonRecursive):
    """Builds the filter's own tree from lark's, and counts parameters and comparisons."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters: set[str] = set()
        self.attributes: set[str] = set()
        self.comparisons = 0

    def FIELD(self, token: Token) -> str:
        """The column of a field. Raises FilterError for an unknown field."""
        name = str(token).replace('"', "")
        name = ALIASES.get(name, name)
        if name.startswith(ATTRIBUTES) and len(name) > len(ATTRIBUTES):
            self.attributes.add(name.removeprefix(ATTRIBUTES))
        elif name not in FILTER_FIELDS:
            raise FilterError(
                f"unknown field {name[:60]!r}; there are {', '.join(FILTER_FIELDS)} "
                "and attributes.NAME"
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
        if operator not in OPERATORS[kind]:
            raise FilterError(f"{name} is a {kind} and does not support {operator!r}")
        made = Comparison(name, operator, values)
        for value in values if isinstance(values, tuple) else ():
            if not isinstance(value, Parameter):
                checked_value(made, value, {})
        return made


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
    """A selection by all of these filters; blank ones are ignored. Raises FilterError."""
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
"""No filter."""
