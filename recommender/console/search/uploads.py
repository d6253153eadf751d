"""Files that a search page takes."""

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.http import HttpRequest

from recommender.ingest.files import FileError

LARGEST_FILE = 4 * 2**20 - 64 * 2**10
"""Bytes of a file, so that the form fits into the largest body that a server takes, 4 MB."""
LARGEST_UNPACKED = 16 * 2**20
"""Bytes of what a compressed file holds, so that it is read within a web request."""


@contextmanager
def uploaded(
    request: HttpRequest, name: str, endings: tuple[str, ...] = (), instead: str = ""
) -> Iterator[Path]:
    """The uploaded file of a field in a temporary folder, with its own name. Raises FileError.

    endings: of its name; empty: any; instead: what takes larger files
    """
    file = request.FILES.get(name)
    if file is None:
        raise FileError("Choose a file")
    if endings and not file.name.endswith(endings):
        raise FileError(f"{file.name}: expected one of {', '.join(endings)}")
    if file.size > LARGEST_FILE:
        raise _too_large(file.name, LARGEST_FILE, instead)
    with tempfile.TemporaryDirectory(prefix="vitrine-upload-") as folder:
        path = Path(folder) / Path(file.name).name
        with path.open("wb") as out:
            for chunk in file.chunks():
                out.write(chunk)
        if path.name.endswith(".gz") and _unpacked_exceeds(path, LARGEST_UNPACKED):
            raise _too_large(f"what {file.name} holds", LARGEST_UNPACKED, instead)
        yield path


def _too_large(name: str, most: int, instead: str) -> FileError:
    message = f"{name} is larger than {most / 2**20:.0f} MB"
    return FileError(f"{message}; use {instead}" if instead else message)


def _unpacked_exceeds(path: Path, most: int) -> bool:
    """True for a gzip file that holds more bytes; of a damaged one, the reader says the line."""
    read = 0
    try:
        with gzip.open(path) as file:
            while read <= most and (block := file.read(2**20)):
                read += len(block)
    except (OSError, EOFError, zlib.error):
        return False
    return read > most
