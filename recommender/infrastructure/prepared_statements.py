"""Questions asked so often that planning them each time, or reading their values, would cost
more than answering.
"""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

_known = threading.local()


class Prepared:
    """A question that each connection plans once. `kinds` are the SQL types of its $1, $2, …

    A proxy between must give each client a connection of its own for the session (PgBouncer:
    `pool_mode = session`).
    """

    def __init__(self, name: str, kinds: Sequence[str], question: str) -> None:
        self.name = name
        self._prepare = f"PREPARE {name} ({', '.join(kinds)}) AS {question}"
        self._execute = f"EXECUTE {name}({', '.join(['%s'] * len(kinds))})"

    def execute(self, cursor, values: Sequence[Any]) -> None:
        """Execute it; the answer is the cursor's to fetch."""
        names = _names()
        if self.name not in names:
            cursor.execute(self._prepare)
            names.add(self.name)
        cursor.execute(self._execute, values)


def _names() -> set[str]:
    """What this thread's connection, as it stands, has prepared."""
    if getattr(_known, "on", None) is not connection.connection:
        _known.on, _known.names = connection.connection, set()
    return _known.names


def text_array(texts: Iterable[str]) -> str:
    """An array of texts as PostgreSQL reads it: much quicker than a list that the driver writes
    as one expression.
    """
    return (
        "{"
        + ",".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts)
        + "}"
    )
