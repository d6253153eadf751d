"""Rows of JSON: objects a line (also with the action lines of a bulk request), an array of objects,
or an object that holds one.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from recommender.ingest.containers import BROKEN, LARGEST_DOCUMENT, FileError, opened_text

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
CHUNK = 2**20
"""Characters of an array that are read at once."""
LONGEST_TOKEN = 16
"""Characters of the longest word or escape of JSON, with some to spare."""
BLANK = re.compile(r"\s*")


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row) of each object; in an array its number. Raises FileError."""
    with opened_text(path) as file:
        if first_letter(file) == "[":
            return _array(path)
    with opened_text(path) as file:
        first = next((line for line in file if line.strip()), "")
        is_line = _is_object(first) and any(line.strip() for line in file)
    return _lines(path) if is_line else _document(path)


def first_letter(file: TextIO) -> str:
    """The first character that is not blank; empty without one."""
    while text := file.read(1024):
        if text := text.lstrip():
            return text[0]
    return ""


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
    with opened_text(path) as file:
        try:
            for number, row in enumerate(_elements(file), 1):
                if not isinstance(row, dict):
                    raise FileError(f"row {number}: expected a JSON object")
                yield number, row
        except (json.JSONDecodeError, RecursionError, *BROKEN) as error:
            raise FileError(f"after row {number}: not JSON ({error})") from None


def _elements(file: TextIO) -> Iterator[Any]:
    """The elements of an array, decoded one by one. Raises ValueError, RecursionError and FileError
    where it is none.
    """
    decode = json.JSONDecoder().raw_decode
    text, at, separator, is_first = file.read(CHUNK), 0, "[", False
    while True:
        at = BLANK.match(text, at).end()
        if at == len(text):
            text, at = _more(file, ""), 0
        elif text[at] == "]" and (separator == "," or (is_first and not separator)):
            _check_end(file, text[at + 1 :])
            return
        elif separator:
            if text[at] != separator:
                raise json.JSONDecodeError(f"expected {separator!r}", text[at : at + 40], 0)
            at, is_first, separator = at + 1, separator == "[", ""
        else:
            try:
                element, at = decode(text, at)
            except json.JSONDecodeError as error:
                if not _is_cut(error, text):
                    raise
                text, at = _more(file, text[at:]), 0
            else:
                separator = ","
                yield element


def _is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """True where the error may come from the end of the text."""
    return error.msg.startswith("Unterminated") or error.pos >= len(text) - LONGEST_TOKEN


def _check_end(file: TextIO, rest: str) -> None:
    """Raises ValueError where something follows the array."""
    if rest.strip() or first_letter(file):
        raise json.JSONDecodeError("something follows the array", rest[:40], 0)


def _more(file: TextIO, rest: str) -> str:
    """The rest of a text with what follows it, twice as much. Raises ValueError at the end."""
    following = file.read(max(CHUNK, len(rest)))
    if not following:
        raise json.JSONDecodeError("the array has no end", rest[:40], 0)
    if len(rest) + len(following) > LARGEST_DOCUMENT:
        raise FileError("an object has more than 64 MB, or is not JSON")
    return rest + following


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
