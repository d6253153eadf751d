"""Prepared statements for queries that run so often that planning would dominate."""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

_known = threading.local()


class Prepared:
    """A statement that each connection prepares once; `kinds` are the SQL types of $1, $2, …

    A connection pooler must keep one server connection per client (PgBouncer: `pool_mode =
    session`).
    """

    def __init__(self, name: str, kinds: Sequence[str], query: str) -> None:
        self.name = name
        self._prepare = f"PREPARE {name} ({', '.join(kinds)}) AS {query}"
        self._execute = f"EXECUTE {name}({', '.join(['%s'] * len(kinds))})"

    def execute(self, cursor, values: Sequence[Any]) -> None:
        """Execute it with these values; fetch the rows from the cursor."""
        names = _names()
        if self.name not in names:
            cursor.execute(self._prepare)
            names.add(self.name)
        cursor.execute(self._execute, values)


def _names() -> set[str]:
    """Names of the statements that this thread's connection has prepared."""
    if getattr(_known, "on", None) is not connection.connection:
        _known.on, _known.names = connection.connection, set()
    return _known.names


def text_array(texts: Iterable[str]) -> str:
    """A PostgreSQL array literal of texts; faster than a list adapted by the driver."""
    return (
        "{"
        + ",".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
        + "}"
    )
