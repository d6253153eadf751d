"""Rows of an Excel workbook (.xlsx): its first sheet with cells, values as they are shown last."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from recommender.ingest.containers import FileError

LARGEST = 512 * 2**20
"""Bytes of an unpacked workbook, which is read as a whole."""


def is_workbook(path: Path) -> bool:
    """True for a zip archive that holds a workbook."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def sheet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number in the sheet, row); the header is row 1. Raises FileError."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(one.file_size for one in archive.infolist()) > LARGEST:
                raise FileError(f"{path.name}: unpacks to more than 512 MB; save it as CSV")
        workbook = CalamineWorkbook.from_path(str(path))
        for name in workbook.sheet_names:
            rows = workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
            if any(any(cell != "" for cell in row) for row in rows):
                return _rows(rows)
    except (CalamineError, zipfile.BadZipFile) as error:
        raise FileError(f"{path.name}: {error}") from None
    raise FileError("the file is empty: a first line with column names is needed")


def _rows(rows: list[list[Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    header: list[str] = []
    for number, cells in enumerate(rows, 1):
        if all(cell == "" for cell in cells):
            continue
        if not header:
            header = [str(cell).strip() for cell in cells]
            if twice := [name for name in header if name and header.count(name) > 1]:
                raise FileError(f"column {twice[0]!r} comes more than once: rename one")
            continue
        pairs = zip(header, cells, strict=False)
        yield number, {name: cell for name, cell in pairs if name}
