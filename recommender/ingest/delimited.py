"""Rows of delimited text: the separator is that which fits the first rows best."""

import csv
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from recommender.ingest.containers import BROKEN, LONGEST_LINE, FileError

SEPARATORS = (",", ";", "\t", "|")
LOOKED_AT = 20
"""Rows by which the separator is chosen."""
DAMAGE = None
"""Key of the reason why a row does not fit the header; no column has this name."""

Rows = Iterator[tuple[int, dict[str, Any]]]

csv.field_size_limit(LONGEST_LINE)


def delimited_rows(file: TextIO) -> Rows:
    """(line, row) for each row that is not blank; the header is line 1. Raises FileError."""
    first = list(itertools.islice(file, 4 * LOOKED_AT))
    reader = csv.reader(itertools.chain(first, file), delimiter=separator_of(first))
    try:
        header = next(reader, None)
        if not header or not any(header):
            raise FileError("the file is empty: a first line with column names is needed")
        header = _distinct_names([name.strip() for name in header])
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) == len(header):
                yield reader.line_num, dict(zip(header, cells, strict=True))
            else:
                yield reader.line_num, _fitted(header, cells)
    except (csv.Error, *BROKEN) as error:
        raise FileError(f"after line {reader.line_num}: {error}") from None


def separator_of(lines: list[str]) -> str:
    """The separator with which most rows have as many cells as the header; of several, the one
    with the most columns. A comma where none makes more than one column.
    """
    best, choice = (0.0, 0), ","
    for separator in SEPARATORS:
        rows = _first_rows(lines, separator)
        columns = len(rows[0]) if rows else 0
        if columns > 1:
            fitting = sum(len(row) == columns for row in rows) / len(rows)
            if (fitting, columns) > best:
                best, choice = (fitting, columns), separator
    return choice


def _first_rows(lines: Iterable[str], separator: str) -> list[list[str]]:
    rows = []
    try:
        for row in csv.reader(lines, delimiter=separator):
            if row:
                rows.append(row)
            if len(rows) == LOOKED_AT:
                break
    except csv.Error:
        pass  # the rows before it tell
    return rows


def _distinct_names(header: list[str]) -> list[str]:
    """Number columns of the same name, so that a mapping has to say which one is meant."""
    times = Counter(header)
    return [f"{name} (column {i})" if times[name] > 1 else name for i, name in enumerate(header, 1)]


def _fitted(header: list[str], cells: list[str]) -> dict:
    """A row with more or fewer cells than the header.

    Blank cells past the end are ignored; otherwise values may be in the wrong column.
    """
    row = dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False))
    if len(cells) < len(header) or any(cells[len(header) :]):
        row[DAMAGE] = f"has {len(cells)} cells; the header has {len(header)}"
    return row
