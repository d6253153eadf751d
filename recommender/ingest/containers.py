"""Files as text, by their content: compression (gzip, zip with one file) and encoding."""

import codecs
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, TextIO

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
BLOCK = 2**20
SAMPLE = 64 * 2**10
"""Bytes from which the encoding is detected, where a file is no UTF-8."""
SURE = 0.12
"""Confidence of the detection from which on it is believed; else the text is Windows-1252."""
MOST_EXPANSION = 200
"""Times its compressed size that a file may have, from CHECKED bytes on: a decompression bomb."""
CHECKED = 64 * 2**20
LONGEST_LINE = 16 * 2**20
"""Bytes of one line."""
LARGEST_DOCUMENT = 64 * 2**20
"""Characters of one JSON object."""
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the byte order mark; longer marks stand before those that they begin with."""
BROKEN = (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, UnicodeError)
"""What reading a damaged file raises."""


class FileError(ValueError):
    """The file as a whole cannot be read; the message says why."""


def starts_with(path: Path, size: int = 8) -> bytes:
    """The first bytes of a file, as they are on disk. Raises FileError where it is none."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The content of a file, decompressed. Raises FileError for a damaged or oversized one."""
    begin = starts_with(path)
    if path.suffix.lower() == ".gz" and not begin.startswith(GZIP):
        raise FileError(f"{path.name}: is not compressed by gzip, as its name says")
    try:
        if begin.startswith(GZIP):
            with gzip.open(path) as file:
                yield io.BufferedReader(_Limited(file, path.name, path.stat().st_size), BLOCK)
        elif begin.startswith(ZIP):
            with zipfile.ZipFile(path) as archive, archive.open(_only_member(archive)) as file:
                yield io.BufferedReader(_Limited(file, path.name, path.stat().st_size), BLOCK)
        else:
            with path.open("rb") as file:
                yield file
    except BROKEN as error:
        raise FileError(f"{path.name}: {error}") from None


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """The file of an archive; those of macOS beside it do not count. Raises FileError."""
    names = [
        one
        for one in archive.infolist()
        if not one.is_dir() and not one.filename.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        listed = ", ".join(one.filename for one in names[:5]) or "nothing"
        raise FileError(f"the archive holds {listed}: unpack it, and import one file at a time")
    if names[0].flag_bits & 1:
        raise FileError(f"{names[0].filename} in the archive has a password: unpack it first")
    return names[0]


class _Limited(io.RawIOBase):
    """Decompressed bytes. Raises FileError for more than a file of this size can hold."""

    def __init__(self, file: BinaryIO, name: str, compressed: int) -> None:
        self.file, self.name, self.left = file, name, max(CHECKED, MOST_EXPANSION * compressed)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        size = self.file.readinto(buffer)
        self.left -= size
        if self.left < 0:
            raise FileError(f"{self.name}: unpacks to more than {MOST_EXPANSION} times its size")
        return size


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """The text of a file, without its byte order mark, line ends as they are. Raises FileError."""
    encoding = encoding_of(path)
    with opened(path) as file:
        yield io.TextIOWrapper(file, encoding, newline="")


def encoding_of(path: Path) -> str:
    """The encoding of a text file: by its byte order mark, UTF-8 where the whole file is, else as
    detected, else Windows-1252. Raises FileError, also for a line without end.

    The whole file is read once for each state of it.
    """
    starts_with(path)
    state = path.stat()
    return _scanned(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _scanned(path: Path, size: int, changed: int) -> str:
    with opened(path) as file:
        begin = file.read(SAMPLE)
        around = _not_utf8(begin, file, _longest_line(begin))
    for mark, name in MARKS.items():
        if begin.startswith(mark):
            return name
    if b"\x00" in begin:
        zeros = [begin[i::2].count(0) for i in (0, 1)]
        if max(zeros) * 4 < len(begin):
            raise FileError(f"{path.name}: is no text")
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if around is None:
        return "utf-8"
    import chardet  # 40 MB, for the few files that need it

    found = chardet.detect(around)
    return found["encoding"] if (found["confidence"] or 0) >= SURE else "cp1252"


def _longest_line(begin: bytes) -> float:
    """Bytes of the longest line that is read: JSON may stand on a single one."""
    marks = b"\xff\xfe\xef\xbb\xbf\x00 \t\r\n"
    first = begin.lstrip(marks)[:1]
    return {b"[": float("inf"), b"{": 4 * LARGEST_DOCUMENT}.get(first, LONGEST_LINE)


def _not_utf8(begin: bytes, file: BinaryIO, longest: float) -> bytes | None:
    """The bytes around the first that is no UTF-8; None where all are. Reads the whole file, and
    raises FileError for a line of more than `longest` bytes.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    around, before, block, line = None, b"", begin, 0
    while block:
        end = max(block.rfind(b"\n"), block.rfind(b"\r"))
        line = line + len(block) if end < 0 else len(block) - end - 1
        if line > longest:
            raise FileError(f"a line has more than {longest:,} bytes")
        if around is None and not (block.isascii() and before.isascii()):
            around = _undecodable(decoder, before, block)
        before, block = block[-SAMPLE:], file.read(BLOCK)
    return around or _undecodable(decoder, before, b"", final=True)


def _undecodable(
    decoder: codecs.IncrementalDecoder, before: bytes, block: bytes, final: bool = False
) -> bytes | None:
    """The bytes around the first of a block that the decoder cannot read; None without one."""
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError as error:
        whole = before + block
        place = max(0, len(before) + error.start - SAMPLE // 2)
        return whole[place : place + SAMPLE]
    return None
