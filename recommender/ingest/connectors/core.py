"""What a format of a shop's files declares, and the rows that it reads.

A format says how its files are recognized, how their rows join, and from which columns each field
of a product, event, shopper, review or judgement comes. The machinery is shared: a format is a
declaration.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recommender.ingest.delimited import DAMAGE
from recommender.ingest.report import RowError
from recommender.ingest.shop_values import NOTHING, is_nothing

PRODUCTS, SHOPPERS, EVENTS, REVIEWS, JUDGEMENTS = KINDS = (
    "products",
    "shoppers",
    "events",
    "reviews",
    "judgements",
)
"""Kinds of records, in the order in which they are stored."""
Record = tuple[str, int, dict[str, Any]]
"""A kind, the line of the file, and the row with our fields."""
Source = "str | tuple[str, ...] | Callable[[Row], Any]"
"""Where a field comes from: a column, the first filled one of several, or a function of the row."""
LONGEST = max(map(len, NOTHING))
NUMBERS = (int, float, bool)
"""Types whose zero is a value."""
TRACED = 20_000
"""Rows of which it is noted which column fills which field."""


@dataclass
class Note:
    """Something that happened to several rows: their number, and an example."""

    count: int = 0
    example: str = ""


@dataclass
class Reading:
    """What is found out while files are read: rejected rows, notes, which columns were used."""

    currency: str = ""
    shopper_of_mail: Callable[[str], str] | None = None
    """The shopper that an e-mail stands for; None: an e-mail is no identity."""
    stored: Callable[[str], dict[str, Any] | None] = lambda item_id: None
    """The stored prices, images and attributes of a product, by any of its ids."""
    rejected: list[RowError] = field(default_factory=list)
    notes: dict[str, Note] = field(default_factory=dict)
    used: dict[str, set[str]] = field(default_factory=dict)
    """By column the fields that it fills."""
    columns: dict[str, None] = field(default_factory=dict)
    field_now: str = ""
    rows: int = 0

    def reject(self, row: "Row", field_name: str, message: str) -> None:
        self.rejected.append(RowError(row.line, field_name, message))

    def note(self, text: str, example: Any = "") -> None:
        """Count a note, such as a row that is left out for a reason."""
        one = self.notes.setdefault(text, Note())
        one.count += 1
        one.example = one.example or str(example)[:80]

    def unused(self) -> list[str]:
        """Columns that fill no field, in the order of the files."""
        return [name for name in self.columns if name not in self.used]


class Names(dict):
    """By the name of a column in a declaration its name in the file, whatever the capitals."""

    def __init__(self) -> None:
        super().__init__()
        self.columns: dict[str, str] = {}

    def add(self, columns: Iterable[Any]) -> None:
        """Learn the columns of a row."""
        self.columns |= {folded(name): name for name in columns if isinstance(name, str)}
        self.clear()

    def __missing__(self, column: str) -> str:
        name = self[column] = self.columns.get(folded(column), column)
        return name


class Row:
    """A row of a file: values by column, whatever the capitals; words for nothing are None."""

    __slots__ = ("data", "line", "names", "reading")

    def __init__(self, line: int, data: dict[str, Any], names: Names, reading: Reading) -> None:
        self.line, self.data, self.names, self.reading = line, data, names, reading

    def __getitem__(self, column: str) -> Any:
        value = self.data.get(column)
        if value is None:
            name = self.names[column]
            if name not in self.data:
                return None
            value = self.data[name]
        else:
            name = column
        if self.reading.rows <= TRACED:
            self.reading.used.setdefault(name, set()).add(self.reading.field_now)
        kind = type(value)
        if kind is str:
            value = value.strip()
            return None if not value or (len(value) <= LONGEST and is_nothing(value)) else value
        return None if kind is float and value != value else value

    def first(self, *columns: str) -> Any:
        """The value of the first of these columns that is filled."""
        for column in columns:
            if (value := self[column]) is not None:
                return value
        return None

    def at(self, path: str) -> Any:
        """The value at a path into nested objects: a.b; None without one."""
        head, _, rest = path.partition(".")
        value = self[head]
        for name in rest.split(".") if rest else ():
            value = value.get(name) if isinstance(value, dict) else None
        return None if isinstance(value, str) and is_nothing(value) else value

    def filled(self, sources: dict[str, Any]) -> dict[str, Any]:
        """By field its value, of those that have one. sources: by field a `Source`"""
        out, reading, names, data = {}, self.reading, self.names, self.data
        for name, source in sources.items():
            reading.field_now = name
            kind = type(source)
            if kind is str:
                if names[source] not in data:
                    continue
                value = self[source]
            else:
                value = self.first(*source) if kind is tuple else source(self)
            if value or type(value) in NUMBERS:
                out[name] = value
        return out


@dataclass(frozen=True)
class Table:
    """A file of a format: its rows can be read more than once."""

    path: Path
    read: Callable[[], Iterator[tuple[int, dict[str, Any]]]]
    reading: Reading

    def rows(self, again: bool = False) -> Iterator[Row]:
        """The rows that fit their header; others are rejected (unless they were read before)."""
        names, seen = Names(), set()
        for line, data in self.read():
            self.reading.rows += not again
            if DAMAGE in data:
                if not again:
                    self.reading.rejected.append(RowError(line, "row", data[DAMAGE]))
                continue
            if len(data) != len(seen) and not data.keys() <= seen:
                seen |= data.keys()
                names.add(data)
                self.reading.columns |= dict.fromkeys(data)
            yield Row(line, data, names, self.reading)


def folded(name: str) -> str:
    """A column name without capitals and blanks around it, and without marks at its end."""
    return " ".join(name.casefold().split()).rstrip("*# ")


@dataclass(frozen=True)
class Signature:
    """How a file is recognized: by its columns, or by a test of its first rows.

    needs: all of these columns; one_of: at least one of these; lacks: none of these
    test: of the first rows
    """

    needs: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    test: Callable[[list[dict[str, Any]]], bool] | None = None

    def fits(self, columns: set[str], rows: list[dict[str, Any]]) -> bool:
        """columns: folded names"""
        return (
            all(name in columns for name in self.needs)
            and (not self.one_of or any(name in columns for name in self.one_of))
            and not any(name in columns for name in self.lacks)
            and (self.test is None or self.test(rows))
        )

    @property
    def words(self) -> str:
        """The columns by which a file was recognized."""
        return ", ".join((*self.needs, *self.one_of[:1]))


@dataclass(frozen=True)
class Format:
    """A format of a platform or data set.

    tables: by name, how the files that belong together are recognized
    read: the records of these files
    kinds: of records
    product_columns: columns of products that the format fills; others keep their values
    required: tables without which nothing can be read, with what to do then
    looks_up: records depend on stored products; they are read before they are stored
    only_known: products that the shop lacks are rejected, because the file has not all of them
    replaces: an order that came before is replaced by its new state
    """

    name: str
    title: str
    tables: dict[str, Signature]
    read: Callable[[Reading, dict[str, list[Table]]], Iterator[Record]]
    kinds: tuple[str, ...]
    product_columns: tuple[str, ...] = ()
    required: dict[str, str] = field(default_factory=dict)
    looks_up: bool = False
    only_known: bool = False
    replaces: bool = False


def rows_of(tables: dict[str, list[Table]], name: str = "rows") -> Iterator[Row]:
    """The rows of all files of a table."""
    for table in tables.get(name, ()):
        yield from table.rows()


def with_line(kind: str, rows: Iterable[Row], sources: dict[str, Any]) -> Iterator[Record]:
    """A record of each row."""
    for row in rows:
        yield kind, row.line, row.filled(sources)


def simple(
    name: str, title: str, kind: str, signature: Signature, sources: dict[str, Any], **more: Any
) -> Format:
    """A format of one file whose rows are records."""

    def read(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
        yield from with_line(kind, rows_of(tables), sources)

    if kind == PRODUCTS:
        more.setdefault("product_columns", tuple(n for n in sources if n != "item_id"))
    return Format(name, title, {"rows": signature}, read, (kind,), **more)
