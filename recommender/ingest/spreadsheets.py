"""Rows of an Excel workbook (.xlsx), streamed: its first sheet with cells, the last values of
formulas.
"""

import contextlib
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from recommender.ingest.containers import FileError

LARGEST = 512 * 2**20
"""Bytes of an unpacked workbook."""
COLUMNS = 1_000
"""Most columns; a sheet with a cell at its far end has thousands."""
DAMAGED = (zipfile.BadZipFile, ParseError, KeyError, ValueError, TypeError, EOFError)
"""What reading a damaged workbook raises; forbidden entities are a ValueError."""


def is_workbook(path: Path) -> bool:
    """True for a zip archive that holds a workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def sheet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number in the sheet, row); the header is the first row with a cell. Raises FileError."""
    import openpyxl

    _check_size(path)
    workbook = None
    try:
        workbook = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        for sheet in workbook.worksheets:
            rows = enumerate(sheet.iter_rows(values_only=True), 1)
            header = next((cells for _, cells in rows if _is_filled(cells)), None)
            if header is not None:
                yield from _rows(header, rows)
                return
    except FileError:
        raise
    except DAMAGED as error:
        raise FileError(f"{path.name}: is a damaged workbook ({error})") from None
    finally:
        if workbook is not None:
            workbook.close()
    raise FileError("the file is empty: a first line with column names is needed")


def _check_size(path: Path) -> None:
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        if sum(one.file_size for one in archive.infolist()) > LARGEST:
            raise FileError(f"{path.name}: unpacks to more than 512 MB; save it as CSV")


def _is_filled(cells: tuple) -> bool:
    return any(cell not in (None, "") for cell in cells)


def _rows(header: tuple, rows: Iterator[tuple[int, tuple]]) -> Iterator[tuple[int, dict[str, Any]]]:
    names = [str(cell).strip() if cell is not None else "" for cell in header[: COLUMNS + 1]]
    if len([name for name in names if name]) > COLUMNS:
        raise FileError(f"the sheet has more than {COLUMNS:,} columns")
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise FileError(f"column {twice[0]!r} comes more than once: rename one")
    for number, cells in rows:
        if _is_filled(cells):
            pairs = itertools.zip_longest(names, cells[: len(names)])
            yield number, {name: "" if cell is None else cell for name, cell in pairs if name}
