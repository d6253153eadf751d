"""Rows of JSON: objects a line (also with the action lines of a bulk request), an array of objects,
or an object that holds one.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson

from recommender.ingest.containers import BROKEN, FileError, opened, opened_text

HOLDERS = (
    "products",
    "items",
    "orders",
    "customers",
    "events",
    "reviews",
    "records",
    "results",
    "data",
    "rows",
)
"""Keys below which a document holds its rows."""
ACTIONS = {"index", "create", "update", "delete"}
"""Action lines of a bulk request (OpenSearch, Elasticsearch)."""
LARGEST_DOCUMENT = 64 * 2**20
"""Characters of a document that is no array and no line."""


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row) of each object; in an array its number. Raises FileError."""
    with opened_text(path) as file:
        first = next((line for line in file if line.strip()), "")
        is_array = first.lstrip().startswith("[")
        is_line = _is_object(first) and any(line.strip() for line in file)
    if is_array:
        return _array(path)
    return _lines(path) if is_line else _document(path)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with opened_text(path) as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise FileError(f"line {number}: not JSON ({error})") from None
            if not isinstance(row, dict):
                raise FileError(f"line {number}: expected one JSON object per line")
            if not _is_action(row):
                yield number, row


def _is_action(row: dict[str, Any]) -> bool:
    """True for the line of a bulk request that says what happens to the next one."""
    if len(row) != 1:
        return False
    ((name, inner),) = row.items()
    return name in ACTIONS and isinstance(inner, dict) and all(key[:1] == "_" for key in inner)


def _array(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    with opened(path) as file:
        try:
            for number, row in enumerate(ijson.items(file, "item", use_float=True), 1):
                yield number, _object(row, number)
        except (ijson.JSONError, *BROKEN) as error:
            raise FileError(f"after row {number}: not JSON ({error})") from None


def _object(row: Any, number: int) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise FileError(f"row {number}: expected a JSON object")
    return row


def _document(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows that a document holds, else the document as the only row."""
    with opened_text(path) as file:
        text = file.read(LARGEST_DOCUMENT + 1)
    if len(text) > LARGEST_DOCUMENT:
        raise FileError(f"{path.name}: is one JSON object of more than 64 MB; write one a line")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise FileError(f"line {error.lineno}: not JSON ({error.msg})") from None
    except RecursionError:
        raise FileError(f"{path.name}: is nested too deeply") from None
    if not isinstance(document, dict):
        raise FileError("line 1: expected one JSON object per line")
    held = [name for name in HOLDERS if _holds_rows(document.get(name))]
    rows = document[held[0]] if len(held) == 1 else [document]
    yield from enumerate(rows, 1)


def _holds_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)
