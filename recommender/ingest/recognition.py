"""Which format the files of a shop have, and which of them belong together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from recommender.ingest.connectors import FORMATS
from recommender.ingest.connectors.core import Format, Reading, Table, folded
from recommender.ingest.connectors.headerless import columns_without_header
from recommender.ingest.containers import FileError, opened_text
from recommender.ingest.decimal_commas import comma_columns, with_points
from recommender.ingest.delimited import Rows
from recommender.ingest.files import CSV, kind_of, read_rows

SAMPLE = 200
"""Rows by which a format is recognized."""


@dataclass
class Source:
    """A file with its first rows."""

    path: Path
    kind: str
    sample: list[dict[str, Any]]
    headerless: tuple[str | None, tuple[str, ...]] | None = None
    commas: frozenset[str] = frozenset()
    """Columns of amounts with a decimal comma."""
    own_columns: list[str] = field(default_factory=list)
    """The columns of the file, before a mapping."""

    @property
    def columns(self) -> dict[str, str]:
        """By folded name the column, of the first rows."""
        names = (name for row in self.sample for name in row if isinstance(name, str))
        return {folded(name): name for name in dict.fromkeys(names)}

    def rows(self) -> Rows:
        """(line, row) of the file. Raises FileError."""
        if self.headerless:
            return _headerless(self.path, *self.headerless)
        rows = read_rows(self.path)
        return with_points(rows, self.commas) if self.commas else rows


@dataclass(frozen=True)
class Recognized:
    """Files of one format. by: the columns that made it recognized, by table"""

    format: Format
    sources: dict[str, list[Source]]
    by: dict[str, str]

    def tables(self, reading: Reading) -> dict[str, list[Table]]:
        return {
            name: [Table(one.path, one.rows, reading) for one in sources]
            for name, sources in self.sources.items()
        }


def source_of(path: Path) -> Source:
    """A file with its first rows. Raises FileError."""
    kind = kind_of(path)
    headerless = _shape_of(path) if kind == CSV else None
    source = Source(path, kind, [], headerless)
    source.sample = [row for _, row in islice(source.rows(), SAMPLE)]
    source.commas = comma_columns(source.sample) if kind == CSV else frozenset()
    source.own_columns = list(source.columns.values())
    return source


def _shape_of(path: Path) -> tuple[str | None, tuple[str, ...]] | None:
    with opened_text(path) as file:
        return columns_without_header(list(islice(file, 20)))


def _headerless(path: Path, separator: str | None, columns: Sequence[str]) -> Rows:
    with opened_text(path) as file:
        yield from _split(file, separator, columns)


def _split(file: Any, separator: str | None, columns: Sequence[str]) -> Iterator:
    for line, text in enumerate(file, 1):
        cells = text.strip().split(separator)
        if text.strip():
            if len(cells) != len(columns):
                raise FileError(f"line {line} has {len(cells)} columns instead of {len(columns)}")
            yield line, dict(zip(columns, cells, strict=True))


def recognized(
    sources: Sequence[Source], chosen: str = ""
) -> tuple[list[Recognized], list[Source]]:
    """The formats of these files, with the files of each; and files that have none.

    chosen: the name of a format, for all files. Raises FileError where a file does not fit it, or
    where a format lacks a file that it needs.
    """
    if chosen and chosen not in FORMATS:
        names = ", ".join(FORMATS)
        raise FileError(f"there is no format {chosen!r}; there are {names}")
    left, found = list(sources), []
    for one in [FORMATS[chosen]] if chosen else FORMATS.values():
        tables: dict[str, list[Source]] = {}
        for name, signature in one.tables.items():
            fitting = [s for s in left if s.sample and signature.fits(set(s.columns), s.sample)]
            if fitting:
                tables[name] = fitting
        if tables and _is_enough(one, tables, is_chosen=bool(chosen)):
            found.append(Recognized(one, tables, {n: one.tables[n].words for n in tables}))
            taken = [s for sources in tables.values() for s in sources]
            left = [s for s in left if s not in taken]
    if chosen and left:
        needs = "; ".join(s.words for s in FORMATS[chosen].tables.values())
        raise FileError(f"{left[0].path.name}: is not {FORMATS[chosen].title}, which has {needs}")
    return found, left


def _is_enough(one: Format, tables: dict[str, list[Source]], is_chosen: bool) -> bool:
    """True where the format has the files that it needs. Raises FileError with what to do.

    A need without words only says that another format reads the file by itself.
    """
    for name, message in one.required.items():
        if name not in tables:
            if not message and not is_chosen:
                return False
            first = next(iter(tables.values()))[0].path.name
            raise FileError(f"{first}: {one.title}: {message or f'needs the file of {name}'}")
    return True
