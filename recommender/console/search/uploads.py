"""Files that a search page takes."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.http import HttpRequest

from recommender.ingest.files import FileError

LARGEST_FILE = 20 * 2**20


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
        too_large = f"{file.name} is larger than {LARGEST_FILE // 2**20} MB"
        raise FileError(f"{too_large}; use {instead}" if instead else too_large)
    with tempfile.TemporaryDirectory(prefix="vitrine-upload-") as folder:
        path = Path(folder) / Path(file.name).name
        with path.open("wb") as out:
            for chunk in file.chunks():
                out.write(chunk)
        yield path
