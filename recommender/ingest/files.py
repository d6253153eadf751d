"""Streamed rows of a file as dictionaries, with line numbers; the content says what the file is:
delimited text, JSON, Parquet, or a workbook, compressed or not.
"""

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from recommender.ingest.containers import ZIP, FileError, opened_text, starts_with
from recommender.ingest.delimited import DAMAGE, Rows, delimited_rows
from recommender.ingest.json_rows import json_rows
from recommender.ingest.parsing import FieldError
from recommender.ingest.spreadsheets import is_workbook, sheet_rows

PARQUET_CHUNK = 50_000
PARQUET = b"PAR1"
CSV, JSON, PARQUET_FILE, WORKBOOK = "csv", "json", "parquet", "xlsx"


def kind_of(path: Path) -> str:
    """What the file is, by its content: CSV, JSON, PARQUET_FILE or WORKBOOK. Raises FileError."""
    begin = starts_with(path)
    if not begin:
        raise FileError(f"{path.name}: the file is empty")
    if begin.startswith(PARQUET) or path.suffix.lower() == ".parquet":
        return PARQUET_FILE
    if begin.startswith(ZIP) and is_workbook(path):
        return WORKBOOK
    with opened_text(path) as file:
        text = ""
        while not text.strip() and (more := file.read(1024)):
            text = more
    if text.lstrip().startswith("<"):
        raise FileError(f"{path.name}: is XML; export it as CSV, JSON lines or Parquet")
    return JSON if text.lstrip().startswith(("{", "[")) else CSV


def read_rows(path: Path) -> Rows:
    """(line, row) for each row; the header of a CSV file is line 1. Raises FileError."""
    kind = kind_of(path)
    if kind == PARQUET_FILE:
        yield from _parquet(path)
    elif kind == WORKBOOK:
        yield from sheet_rows(path)
    elif kind == JSON:
        yield from json_rows(path)
    else:
        with opened_text(path) as file:
            yield from delimited_rows(file)


def has_one_header(path: Path) -> bool:
    """True where each row has the columns of the first. Raises FileError."""
    return kind_of(path) != JSON


def check_whole(row: dict) -> None:
    """Raises FieldError for a row that does not fit the header of its file."""
    if DAMAGE in row:
        raise FieldError("row", row[DAMAGE])


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

    Raises FileError for a field that rows cannot have, for a column that the first row lacks, and
    for an ambiguous one that occurs twice, because a typing mistake would empty a field everywhere.
    Rows that do not fit the header stay, to be rejected.
    """
    _check_fields(mapping, fields)
    for i, (line, row) in enumerate(rows):
        if i == 0:
            _check_columns([name for name in row if name is not DAMAGE], mapping, where, fields)
        if DAMAGE not in row and any(
            str(row.get(column)) != value for column, value in where.items()
        ):
            continue
        yield line, _rename(row, mapping) if mapping else row


def _check_fields(mapping: dict[str, str], fields: Collection[str]) -> None:
    for name in mapping:
        head = name.partition(".")[0]
        if fields and head not in fields:
            near = difflib.get_close_matches(head, fields, 1)
            rest = (
                f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(fields))}"
            )
            raise FileError(f"there is no field {head!r}; {rest}")


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
