"""Conversions that several formats share: lists, category paths, options, sales."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from recommender.ingest.connectors.core import Row

SEPARATOR = " > "
"""Between the parts of a category path."""


def parts(text: Any, separator: str = ",") -> list[str]:
    """The parts of a list in one cell, without blanks and empty ones; a list as it is."""
    if text is None:
        return []
    if isinstance(text, list):
        return [str(part).strip() for part in text if part not in (None, "")]
    return [part for one in str(text).split(separator) if (part := one.strip())]


def escaped_parts(text: Any, separator: str = ",") -> list[str]:
    r"""The parts of a list in which a separator inside of a part is written with a backslash."""
    mark = "\x00"
    return [
        p.replace(mark, separator)
        for p in parts((text or "").replace(f"\\{separator}", mark), separator)
    ]


def path(text: Any, separator: str = ">", root: Sequence[str] = ()) -> str:
    """A category path with our separator. root: names that stand above every category."""
    names = [" ".join(name.split()) for name in str(text).split(separator)]
    names = [name for name in names if name]
    if len(names) > 1 and names[0] in root:
        names = names[1:]
    return SEPARATOR.join(names)


def paths(texts: Iterable[str], separator: str = ">", root: Sequence[str] = ()) -> list[str]:
    """Category paths, each once."""
    made = (path(text, separator, root) for text in texts)
    return [one for one in dict.fromkeys(made) if one]


def listed(column: str, separator: str = ",") -> Callable[[Row], list[str]]:
    """The parts of a column."""
    return lambda row: parts(row[column], separator)


def all_of(*columns: str) -> Callable[[Row], list[str]]:
    """The values of those of these columns that are filled, each once."""

    def read(row: Row) -> list[str]:
        values = (row[column] for column in columns)
        flat = (v for value in values for v in (value if isinstance(value, list) else [value]))
        return list(dict.fromkeys(str(v) for v in flat if v not in (None, "")))

    return read


def constant(value: Any) -> Callable[[Row], Any]:
    return lambda row: value


def negated(column: str) -> Callable[[Row], Any]:
    """The opposite of a flag of 0 and 1, true and false, yes and no."""

    def read(row: Row) -> bool | None:
        value = row[column]
        return None if value is None else str(value).casefold() not in ("1", "true", "yes", "on")

    return read


def attributes(**columns: str) -> Callable[[Row], dict[str, Any]]:
    """An object of these columns, by name of the attribute."""

    def read(row: Row) -> dict[str, Any]:
        values = {name: row[column] for name, column in columns.items()}
        return {name: value for name, value in values.items() if value is not None}

    return read


def options(pairs: Iterable[tuple[str, str]]) -> Callable[[Row], dict[str, str]]:
    """Options of a variant: pairs of the columns that hold a name and a value."""
    pairs = list(pairs)

    def read(row: Row) -> dict[str, str]:
        found = {}
        for name_column, value_column in pairs:
            value = row[value_column]
            if value is not None:
                found[row[name_column] or name_column] = str(value)
        return found

    return read


def from_json(text: Any) -> Any:
    """The value of JSON in a cell; None where it is none."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return None


def number(value: Any) -> float | None:
    """A plain number, or None: for conditions; amounts are parsed when they are stored."""
    try:
        return float(str(value).replace(",", ""))
    except ValueError:
        return None


def prefixed(prefix: str, value: Any) -> str | None:
    return None if value is None else f"{prefix}{value}"


def word(row: Row, column: str) -> str:
    """The text of a column in lower case; empty without one."""
    return str(row[column] or "").casefold()


def flag(row: Row, column: str) -> bool:
    """False for a flag that says no; an empty one says yes."""
    return word(row, column) not in ("n", "no", "false", "0")
