"""Staging: COPY of streamed rows into a temporary table."""

import io
import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import orjson
from django.db import connection

from recommender.infrastructure.prepared_statements import text_array

NULL = "\\N"
CHUNK = 1000
MEANT_OTHERWISE = re.compile(r"[\\\t\n\r]")
"""Texts that the text format of COPY reads as something else."""
PLAIN_KINDS = {int, float, bool}
ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def copy_value(value: Any) -> str:
    """One value in the text format of COPY: lists of texts become arrays, tuples and dictionaries
    JSON.
    """
    if value is None:
        return NULL
    if isinstance(value, list):
        value = text_array(value)
    elif isinstance(value, dict | tuple):
        value = json.dumps(value, ensure_ascii=False)
    elif not isinstance(value, str):
        return str(value)
    return value.translate(ESCAPED) if MEANT_OTHERWISE.search(value) else value


def _chunks(rows: Iterable[tuple]) -> Iterator[str]:
    """Rows in the text format of COPY, many at once."""
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        yield _text(zip(*chunk, strict=True))


def _text(columns: Iterable[tuple]) -> str:
    return "\n".join(map("\t".join, zip(*map(_column, columns), strict=True))) + "\n"


def _column(values: tuple) -> Iterable[str]:
    """`copy_value` of each; a column of one simple type is handled as a whole."""
    kinds = set(map(type, values))
    if kinds == {str} and not MEANT_OTHERWISE.search("".join(values)):
        return values
    if kinds == {datetime}:
        return orjson.dumps(values).decode()[2:-2].split('","')
    return map(str if kinds <= PLAIN_KINDS else copy_value, values)


class _Lines(io.TextIOBase):
    """A file-like view of an iterator of texts, for COPY."""

    def __init__(self, texts: Iterator[str]) -> None:
        self.texts, self.rest = texts, ""
        self.error: Exception | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> str:
        parts, length = [self.rest], len(self.rest)
        try:
            while size < 0 or length < size:
                text = next(self.texts, None)
                if text is None:
                    break
                parts.append(text)
                length += len(text)
        except Exception as error:
            self.error = error
            raise
        whole = "".join(parts)
        cut = len(whole) if size < 0 else size
        self.rest = whole[cut:]
        return whole[:cut]


def stage(
    cursor, table: str, columns: dict[str, str], rows: Iterable[tuple], again: bool = False
) -> None:
    """Fill a temporary table with these columns (name: SQL type); emptied at the end of the
    transaction.

    again: the columns are always the same, so the table is created once per connection
    """
    definition = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    if again:
        cursor.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {table} ({definition}) ON COMMIT DELETE ROWS; "
            f"DELETE FROM {table}"
        )
    else:
        cursor.execute(
            f"DROP TABLE IF EXISTS {table}; CREATE TEMP TABLE {table} ({definition}) ON COMMIT DROP"
        )
    copy_rows(cursor, table, columns, rows)


def copy_rows(cursor, table: str, columns: Iterable[str], rows: Iterable[tuple]) -> None:
    """COPY rows into these columns. An error that the iterator raises is passed on."""
    _copy(cursor, table, columns, _chunks(rows))


def copy_columns(cursor, table: str, columns: dict[str, tuple]) -> None:
    """COPY columns of equal length, by name."""
    _copy(cursor, table, columns, iter([_text(columns.values())]))


def _copy(cursor, table: str, columns: Iterable[str], texts: Iterator[str]) -> None:
    lines = _Lines(texts)
    try:
        names = ", ".join(columns)
        with connection.wrap_database_errors:
            cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", lines)
    except Exception:
        if lines.error:
            raise lines.error from None
        raise
