"""How rows join: groups by a key, blocks that begin with a row, lookups in another file.

Rows that wait for others lie in a temporary SQLite database, which keeps them in memory until they
are too many.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

import orjson

from recommender.ingest.connectors.core import Names, Row


def _written(data: dict[str, Any]) -> bytes:
    return orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS)


def grouped(rows: Iterable[Row], key_of: Callable[[Row], str | None]) -> Iterator[list[Row]]:
    """Rows of one key together, in their order, the groups by their first row; rows without a key
    are groups of their own, at once.
    """
    with closing(sqlite3.connect("")) as database:
        database.execute("CREATE TABLE held (key TEXT, number INTEGER, line INTEGER, data BLOB)")
        database.execute("CREATE TABLE first (key TEXT PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        names = Names()
        number, reading = 0, None
        for row in rows:
            key = key_of(row)
            if key is None:
                yield [row]
                continue
            number, reading = number + 1, row.reading
            names = row.names
            held = (key, number, row.line, _written(row.data))
            database.execute("INSERT INTO held VALUES (?, ?, ?, ?)", held)
            database.execute("INSERT OR IGNORE INTO first VALUES (?, ?)", held[:2])
        if reading is None:
            return
        database.execute("CREATE INDEX by_key ON held (key, number)")
        ordered = database.execute(
            "SELECT h.key, h.line, h.data FROM first f JOIN held h ON h.key = f.key "
            "ORDER BY f.number, h.number"
        )
        group: list[Row] = []
        current = None
        for key, line, data in ordered:
            if group and key != current:
                yield group
                group = []
            current = key
            group.append(Row(line, orjson.loads(data), names, reading))
        if group:
            yield group


def blocks(rows: Iterable[Row], begins: Callable[[Row], bool]) -> Iterator[list[Row]]:
    """Consecutive rows together: each block begins with a row of which `begins` is true."""
    block: list[Row] = []
    for row in rows:
        if block and begins(row):
            yield block
            block = []
        block.append(row)
    if block:
        yield block


class Lookup:
    """Rows of another file by a key; of several rows with one key all."""

    def __init__(self, rows: Iterable[Row], key_of: Callable[[Row], Any]) -> None:
        self.database = sqlite3.connect("")
        self.database.execute("CREATE TABLE held (key TEXT, line INTEGER, data BLOB)")
        self.names = Names()
        self.reading = None
        for row in rows:
            key = key_of(row)
            if key is not None:
                self.names, self.reading = row.names, row.reading
                held = (str(key), row.line, _written(row.data))
                self.database.execute("INSERT INTO held VALUES (?, ?, ?)", held)
        self.database.execute("CREATE INDEX by_key ON held (key)")

    def __getitem__(self, key: Any) -> list[Row]:
        found = self.database.execute("SELECT line, data FROM held WHERE key = ?", [str(key)])
        return [Row(line, orjson.loads(data), self.names, self.reading) for line, data in found]

    def one(self, key: Any) -> Row | None:
        """The first row with this key."""
        return next(iter(self[key]), None)

    def close(self) -> None:
        self.database.close()
