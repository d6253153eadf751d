"""Rows of XML: the items of RSS, the entries of Atom, the products of other feeds; streamed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recommender.ingest.containers import BROKEN, FileError, opened

ROWS = ("item", "entry", "product", "offer", "post", "record", "row")
"""Elements that are rows."""
PROLOG = 64 * 2**10
"""Bytes in which a document type is looked for."""
MOST_PARTS, DEEPEST = 10_000, 8
"""Elements below one row, and how deep they may be nested."""
TEXT = "text"
"""Key of the text of an element that has attributes."""


def xml_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row) of each item. Names have no namespace; an element that comes more than once is a
    list, one with elements below it an object. Raises FileError, also for entities.
    """
    from lxml import etree

    _refuse_entities(path)
    tags = tuple(f"{{*}}{name}" for name in ROWS)
    with opened(path) as file:
        items = etree.iterparse(
            file,
            events=("end",),
            tag=tags,
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        tag, line = "", 0
        try:
            for _, element in items:
                tag = tag or _row_tag(element)
                if element.tag == tag and _is_outermost(element):
                    line = element.sourceline or line
                    yield line, _row_of(element)
                    _forget(element)
        except etree.XMLSyntaxError as error:
            raise FileError(f"{path.name}: line {error.lineno}: not XML ({error.msg})") from None
        except BROKEN as error:
            raise FileError(f"{path.name}: {error}") from None


def _refuse_entities(path: Path) -> None:
    with opened(path) as file:
        begin = file.read(PROLOG)
    text = begin.replace(b"\x00", b"").upper()  # UTF-16, too
    if b"<!ENTITY" in text or (b"<!DOCTYPE" in text and b"[" in _after(text, b"<!DOCTYPE")):
        raise FileError(f"{path.name}: declares entities, which are not read; export it without")


def _after(text: bytes, mark: bytes) -> bytes:
    return text.partition(mark)[2].partition(b">")[0]


def _row_tag(element: Any) -> str:
    """The tag of rows, by the first that ends: the outermost of those around it."""
    around = [one for one in element.iterancestors() if _local(one.tag) in ROWS]
    return around[-1].tag if around else element.tag


def _is_outermost(element: Any) -> bool:
    return all(one.tag != element.tag for one in element.iterancestors())


def _forget(element: Any) -> None:
    """Free a row that was read, with those before it."""
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _local(tag: Any) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _row_of(element: Any, depth: int = 0) -> dict[str, Any]:
    """The elements below this one by name. Raises FileError for too many or too deep ones."""
    if len(element) > MOST_PARTS or depth > DEEPEST:
        raise FileError(f"line {element.sourceline}: an item has too many elements")
    row: dict[str, Any] = {}
    prefixed: set[str] = set()
    for part in element:
        tag = part.tag
        name = tag[tag.rfind("}") + 1 :]
        value = _value_of(part, depth)
        if value is None:
            continue
        if name not in row:
            row[name] = value
        elif part.prefix and name not in prefixed:
            row[name] = value  # g:title comes before the title of RSS
        elif bool(part.prefix) == (name in prefixed):
            row[name] = [*(row[name] if isinstance(row[name], list) else [row[name]]), value]
        if part.prefix:
            prefixed.add(name)
    return row


def _value_of(element: Any, depth: int) -> Any:
    if len(element):
        return _row_of(element, depth + 1)
    text = (element.text or "").strip()
    if not element.attrib:
        return text or None
    attributes = {_local(name): value for name, value in element.attrib.items()}
    if not text and "href" in attributes:
        return attributes["href"]  # the link of an Atom entry
    return {**attributes, TEXT: text}
