"""Streamed rows of a file as dictionaries, with line numbers; the content says what the file is:
delimited text, JSON, XML, Parquet, or a workbook, compressed or not.
"""

from pathlib import Path

from recommender.ingest.containers import ZIP, FileError, opened_text, starts_with
from recommender.ingest.delimited import DAMAGE, Rows, delimited_rows
from recommender.ingest.json_rows import first_letter, json_rows
from recommender.ingest.parsing import FieldError
from recommender.ingest.spreadsheets import is_workbook, sheet_rows
from recommender.ingest.xml_rows import xml_rows

PARQUET_CHUNK = 50_000
PARQUET, OLE = b"PAR1", b"\xd0\xcf\x11\xe0"
CSV, JSON, XML, PARQUET_FILE, WORKBOOK = "csv", "json", "xml", "parquet", "xlsx"


def kind_of(path: Path) -> str:
    """What the file is, by its content: one of the kinds above. Raises FileError."""
    begin = starts_with(path)
    if not begin:
        raise FileError(f"{path.name}: the file is empty")
    if begin.startswith(PARQUET) or path.suffix.lower() == ".parquet":
        return PARQUET_FILE
    if begin.startswith(OLE):
        raise FileError(f"{path.name}: is an old or protected workbook; save it as .xlsx or CSV")
    if begin.startswith(ZIP) and is_workbook(path):
        return WORKBOOK
    with opened_text(path) as file:
        letter = first_letter(file)
    if letter == "<":
        return XML
    return JSON if letter in ("{", "[") else CSV


def read_rows(path: Path) -> Rows:
    """(line, row) for each row; the header of a CSV file is line 1. Raises FileError."""
    kind = kind_of(path)
    if kind == PARQUET_FILE:
        yield from _parquet(path)
    elif kind == WORKBOOK:
        yield from sheet_rows(path)
    elif kind == JSON:
        yield from json_rows(path)
    elif kind == XML:
        yield from xml_rows(path)
    else:
        with opened_text(path) as file:
            yield from delimited_rows(file)


def has_one_header(path: Path) -> bool:
    """True where each row has the columns of the first. Raises FileError."""
    return kind_of(path) not in (JSON, XML)


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
