"""Mapping of columns to fields: renamed, negated, constant, from nested objects, with other words.

A source is a column (`Title`), a negated flag (`!Published`), a constant in quotes (`'EUR'`), a
path into nested objects (`properties.sku`) or into a list of them (`items[].sku`), which makes a
row of each.
"""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from recommender.ingest import shop_values
from recommender.ingest.containers import FileError
from recommender.ingest.delimited import DAMAGE, Rows

EACH = "[]"
"""Ends the part of a path that is a list."""
Words = Mapping[str, Mapping[str, str]]
"""By field: the word that stands for a word of the file, in lower case."""


def mapped(
    rows: Rows,
    mapping: dict[str, str],
    where: dict[str, str],
    fields: Collection[str] = (),
    words: Words | None = None,
) -> Rows:
    """Fill fields from their sources (`attributes.country` fills one key); keep rows that match
    `where`.

    where: value by column; “Status!” keeps rows with another value
    Raises FileError for a field that rows cannot have, for a column that the first kept row lacks,
    and for an ambiguous one that occurs twice, because a typing mistake would empty a field
    everywhere. Rows that do not fit the header stay, to be rejected.
    """
    check_fields((*mapping, *(words or {})), fields)
    shared = _list_of(mapping)
    names: dict[str, None] = {}
    is_checked = False
    for line, row in rows:
        if DAMAGE in row:
            yield line, row
            continue
        if not is_checked:
            names |= dict.fromkeys(row)
        if where and not all(_keeps(row, column, value) for column, value in where.items()):
            continue
        if not is_checked:
            _check_columns(list(row), mapping, where, fields)
            is_checked = True
        for part in _parts(row, shared) if shared else (row,):
            yield line, _filled(part, mapping, words) if mapping or words else part
    if not is_checked and names:
        _check_columns(list(names), {}, where, ())


def _keeps(row: dict[str, Any], column: str, value: str) -> bool:
    if column.endswith("!") and column not in row:
        return str(_at(row, column[:-1])) != value
    return str(_at(row, column)) == value


def check_fields(names: Collection[str], fields: Collection[str]) -> None:
    """Raises FileError for a field that rows cannot have, with the nearest that they can."""
    for name in names:
        head = name.partition(".")[0]
        if fields and head not in fields:
            near = difflib.get_close_matches(head, fields, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {_listed(fields)}"
            raise FileError(f"there is no field {head!r}; {hint}")


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(map(str, names)))


def _column_of(source: str) -> str | None:
    """The column or path of a source; None for a constant."""
    return None if _constant(source) is not None else source.removeprefix("!")


def _constant(source: str) -> str | None:
    is_quoted = len(source) > 1 and source[0] == source[-1] and source[0] in "'\""
    return source[1:-1] if is_quoted else None


def _check_columns(
    columns: list[str], mapping: dict[str, str], where: dict[str, str], fields: Collection[str]
) -> None:
    filters = [name[:-1] if name.endswith("!") else name for name in where if name not in columns]
    wanted = [*filter(None, map(_column_of, mapping.values())), *filters]
    for column in wanted:
        if column not in columns and column.partition(".")[0].removesuffix(EACH) not in columns:
            listed = ", ".join(map(str, columns))
            raise FileError(f"there is no column {column!r}; there are {listed}")
    for name in fields:
        twice = [column for column in columns if str(column).startswith(f"{name} (column ")]
        if twice and name not in mapping:
            raise FileError(
                f"column {name!r} comes more than once: name one with --map {name}='{twice[0]}'"
            )


def _list_of(mapping: dict[str, str]) -> str:
    """The path of the list whose elements are rows; empty where no source names one. Raises
    FileError where sources name several.
    """
    paths = {path.partition(EACH)[0] for path in mapping.values() if EACH in path}
    if len(paths) > 1:
        raise FileError(f"--map names several lists, but rows come from one: {_listed(paths)}")
    return next(iter(paths), "")


def _parts(row: dict[str, Any], shared: str) -> Iterator[dict[str, Any]]:
    """The row once for each element of the list at `shared`; without one it is damaged."""
    elements = _at(row, shared)
    if not isinstance(elements, list) or not elements:
        yield {**row, DAMAGE: f"has no list {shared}"}
        return
    for element in elements:
        yield {**row, shared + EACH: element}


def _at(row: Mapping[str, Any], path: str) -> Any:
    """The value of a column, or of a path where no column has the whole name; None without."""
    if path in row or "." not in path:
        return row.get(path)
    for head, rest in _splits(path):
        if isinstance(inner := row.get(head), Mapping):
            return _at(inner, rest)
    return None


def _splits(path: str) -> Iterator[tuple[str, str]]:
    """(head, rest) at each dot, the longest head first."""
    end = path.rfind(".")
    while end > 0:
        yield path[:end], path[end + 1 :]
        end = path.rfind(".", 0, end)


def _filled(row: dict[str, Any], mapping: dict[str, str], words: Words | None) -> dict[str, Any]:
    out = dict(row)
    for name, source in mapping.items():
        head, _, key = name.partition(".")
        value = row.get(source) if source in row else _value(row, source)
        if key:
            known = out[head] if isinstance(out.get(head), dict) else {}
            out[head] = {**known, key: value}
        else:
            out[name] = value
    for name, known in (words or {}).items():
        word = str(out.get(name, "")).strip().casefold()
        if word in known:
            out[name] = known[word]
    return out


def _value(row: dict[str, Any], source: str) -> Any:
    if (constant := _constant(source)) is not None:
        return constant
    value = _at(row, source.removeprefix("!"))
    return _negated(value) if source.startswith("!") else value


def _negated(value: Any) -> Any:
    """The opposite of a flag, or of a word for what is published; another value as it is, to be
    rejected.
    """
    flag = shop_values.published(value)
    return value if flag is None else not flag


def words_of(
    texts: Collection[str], wrong: Callable[[str], Exception]
) -> dict[str, dict[str, str]]:
    """Words by field of texts such as “type:watch=view”. Raises what `wrong` makes of a text."""
    out: dict[str, dict[str, str]] = {}
    for text in texts:
        field, colon, pair = text.partition(":")
        word, equals, meant = pair.partition("=")
        if not (colon and equals and field):
            raise wrong(text)
        out.setdefault(field, {})[word.strip().casefold()] = meant
    return out
