"""COPY rows into a temporary table, streaming: nothing is held in memory, nothing half-written is left."""

import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def copy_value(value: Any) -> str:
    """One value in PostgreSQL's COPY text format."""
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        quoted = ",".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in value)
        return ("{" + quoted + "}").translate(_ESCAPES)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False).translate(_ESCAPES)
    return str(value)


class _Lines(io.TextIOBase):
    """A file-like view of an iterator of lines, for COPY."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines, self.rest = lines, ""
        self.error: Exception | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> str:
        parts, length = [self.rest], len(self.rest)
        try:
            for line in self.lines:
                parts.append(line)
                length += len(line)
                if 0 <= size <= length:
                    break
        except Exception as error:
            self.error = error
            raise
        text = "".join(parts)
        cut = len(text) if size < 0 else size
        self.rest = text[cut:]
        return text[:cut]


def stage(cursor, table: str, columns: dict[str, str], rows: Iterable[tuple]) -> None:
    """Create the temporary table with these columns (name: SQL type) and fill it; gone at the end of the transaction.

    An error of the rows themselves is raised as it was, not as a failure of COPY.
    """
    definition = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    cursor.execute(f"DROP TABLE IF EXISTS {table}; CREATE TEMP TABLE {table} ({definition}) ON COMMIT DROP")
    lines = _Lines("\t".join(map(copy_value, row)) + "\n" for row in rows)
    try:
        cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", lines)
    except Exception:
        if lines.error:
            raise lines.error from None
        raise
