"""Streamed rows of a file as dictionaries, with line numbers: CSV, CSV.gz, JSON lines, Parquet."""

import csv
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TextIO

from recommender.ingest.parsing import FieldError

PARQUET_CHUNK = 50_000
DAMAGE = None
"""Key of the reason why a row does not fit the header; no column has this name."""

Rows = Iterator[tuple[int, dict[str, Any]]]


class FileError(ValueError):
    """The file as a whole cannot be read; the message says why."""


def read_rows(path: Path) -> Rows:
    """(line, row) for each row; the header of a CSV file is line 1. Raises FileError."""
    name = path.name.removesuffix(".gz")
    if not path.exists():
        raise FileError(f"{path}: no such file")
    if name.endswith(".parquet"):
        yield from _parquet(path)
    elif name.endswith((".csv", ".tsv")):
        with _open(path) as file:
            yield from _csv(file, "\t" if name.endswith(".tsv") else ",")
    elif name.endswith((".jsonl", ".ndjson", ".json")):
        with _open(path) as file:
            try:
                yield from _json_lines(file)
            except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise FileError(f"{path.name}: {error}") from None
    else:
        raise FileError(f"{path.name}: expected .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet")


def _open(path: Path) -> TextIO:
    opener = gzip.open if path.suffix == ".gz" else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")


def _csv(file: TextIO, delimiter: str) -> Rows:
    reader = csv.reader(file, delimiter=delimiter)
    try:
        header = next(reader, None)
        if not header:
            raise FileError("the file is empty: a first line with column names is needed")
        header = _distinct_names(header)
        for cells in reader:
            if len(cells) == len(header):
                yield reader.line_num, dict(zip(header, cells, strict=True))
            elif cells:
                yield reader.line_num, _fitted(header, cells)
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileError(f"after line {reader.line_num}: {error}") from None


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


def check_whole(row: dict) -> None:
    """Raises FieldError for a row that does not fit the header of its file."""
    if DAMAGE in row:
        raise FieldError("row", row[DAMAGE])


def _json_lines(file: TextIO) -> Rows:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FileError(f"line {line}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise FileError(f"line {line}: expected one JSON object per line")
        yield line, row


def _parquet(path: Path) -> Rows:
    import polars as pl

    try:
        frame = pl.scan_parquet(path)
        total = frame.select(pl.len()).collect().item()
        for begin in range(0, total, PARQUET_CHUNK):
            for i, row in enumerate(
                frame.slice(begin, PARQUET_CHUNK).collect().iter_rows(named=True)
            ):
                yield begin + i + 1, row
    except pl.exceptions.PolarsError as error:
        raise FileError(f"{path.name}: {error}") from None


def mapped(
    rows: Rows, mapping: dict[str, str], where: dict[str, str], fields: Collection[str] = ()
) -> Rows:
    """Rename columns to field names (`attributes.country` fills one key); keep rows that match
    `where`.

    Raises FileError for a column that the first row lacks, and for an ambiguous one that occurs
    twice, because a typing mistake would empty a field everywhere. Rows that do not fit the header
    stay, to be rejected.
    """
    for i, (line, row) in enumerate(rows):
        if i == 0:
            _check_columns([name for name in row if name is not DAMAGE], mapping, where, fields)
        if DAMAGE not in row and any(
            str(row.get(column)) != value for column, value in where.items()
        ):
            continue
        yield line, _rename(row, mapping) if mapping else row


def _check_columns(
    columns: list[str], mapping: dict[str, str], where: dict[str, str], fields: Collection[str]
) -> None:
    if missing := [column for column in (*mapping.values(), *where) if column not in columns]:
        raise FileError(
            f"there is no column {missing[0]!r}; there are {', '.join(map(str, columns))}"
        )
    for name in fields:
        twice = [column for column in columns if str(column).startswith(f"{name} (column ")]
        if twice and name not in mapping:
            raise FileError(
                f"column {name!r} comes more than once: name one with --map {name}='{twice[0]}'"
            )


def _rename(row: dict[str, Any], mapping: dict[str, str]) -> dict[str, Any]:
    out = dict(row)
    for name, column in mapping.items():
        head, _, key = name.partition(".")
        if key:
            out[head] = {
                **(out[head] if isinstance(out.get(head), dict) else {}),
                key: row.get(column),
            }
        else:
            out[name] = row.get(column)
    return out
