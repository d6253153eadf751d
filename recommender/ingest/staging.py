"""COPY rows into a temporary table, streaming: nothing is held in memory, nothing half-written is left."""

import csv
import io
import json
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

NULL = f"null-{uuid.uuid4().hex}"
"""What stands for nothing in COPY; no text from outside can be it."""
CHUNK = 1000


def copy_value(value: Any) -> Any:
    """One value as csv.writer and PostgreSQL's COPY understand it: lists are of texts and become arrays, dictionaries JSON."""
    if value is None:
        return NULL
    if isinstance(value, list):
        return "{" + ",".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in value) + "}"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return value


def _chunks(rows: Iterable[tuple]) -> Iterator[str]:
    """Rows as text in COPY's csv format, many at once."""
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK)):
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows([list(map(copy_value, row)) for row in chunk])
        yield text.getvalue()


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


def stage(cursor, table: str, columns: dict[str, str], rows: Iterable[tuple], again: bool = False) -> None:
    """Fill a temporary table with these columns (name: SQL type); it is empty at the end of the transaction.

    `again`: the columns are always the same, so that the table is made once a connection. An error of the rows themselves is raised as it was,
    not as a failure of COPY.
    """
    definition = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    if again:
        cursor.execute(f"CREATE TEMP TABLE IF NOT EXISTS {table} ({definition}) ON COMMIT DELETE ROWS; DELETE FROM {table}")
    else:
        cursor.execute(f"DROP TABLE IF EXISTS {table}; CREATE TEMP TABLE {table} ({definition}) ON COMMIT DROP")
    lines = _Lines(_chunks(rows))
    try:
        names = ", ".join(columns)
        cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN (FORMAT csv, NULL '{NULL}', FORCE_NULL ({names}))", lines)
    except Exception:
        if lines.error:
            raise lines.error from None
        raise
