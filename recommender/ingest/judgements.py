"""Judged queries in the formats of the field: our columns, ESCI, TREC qrels with their topics."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from recommender.ingest.files import FileError, Rows

ESCI = {
    **{"e": 3, "exact": 3, "s": 2, "substitute": 2},
    **{"c": 1, "complement": 1, "i": 0, "irrelevant": 0},
}
"""Grades of ESCI's labels (Reddy et al. 2022)."""
ALIASES = {
    "product_id": "item_id",
    "doc_id": "item_id",
    "docid": "item_id",
    "asin": "item_id",
    "relevance": "grade",
    "rating": "grade",
    "label": "grade",
    "query_text": "query",
}
"""Columns of other files, by what they are here; our own names come first."""
QRELS = (".qrels", ".qrel", ".trec", "qrels.txt")


def judged_rows(rows: Rows) -> Rows:
    """Rows with our names, and grades of ESCI's labels."""
    for line, row in rows:
        named = dict(row)
        for theirs, ours in ALIASES.items():
            if ours not in named and theirs in named:
                named[ours] = named.pop(theirs)
        label = named.pop("esci_label", None)
        if label is not None and named.get("grade") in (None, ""):
            named["grade"] = ESCI.get(str(label).strip().lower(), label)
        yield line, named


def is_qrels(path: Path) -> bool:
    """True for a TREC qrels file by its name."""
    return path.name.endswith(QRELS)


def qrels_rows(path: Path, topics: Mapping[str, str] | None = None) -> Rows:
    """Rows of a qrels file: topic, iteration, document, grade, with blanks between.

    topics: the queries by the id of their topic; without them the id is the query. Raises FileError
    with the line. Negative grades, which some collections give to spam, are 0.
    """
    for line, text in _lines(path):
        parts = text.split()
        if len(parts) != 4:
            raise FileError(f"{path.name}: line {line} has {len(parts)} columns instead of 4")
        topic, _, item_id, grade = parts
        query = topic if topics is None else topics.get(topic)
        if query is None:
            raise FileError(f"{path.name}: line {line} names the topic {topic}, which is no query")
        number = grade.removeprefix("-")
        yield (
            line,
            {
                "query": query,
                "item_id": item_id,
                "grade": "0" if grade.startswith("-") and number.isdigit() else grade,
            },
        )


def read_topics(path: Path) -> dict[str, str]:
    """Queries by topic: lines of an id, a tab (or colon), and the query. Raises FileError."""
    topics = {}
    for line, text in _lines(path):
        topic, separator, query = text.partition("\t")
        if not separator:
            topic, separator, query = text.partition(":")
        if not separator or not query.strip():
            raise FileError(f"{path.name}: line {line} is not an id, a tab, and a query")
        if topics.setdefault(topic.strip(), query.strip()) != query.strip():
            raise FileError(f"{path.name}: line {line} has another query for {topic.strip()}")
    return topics


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for line, text in enumerate(file, 1):
                if text.strip():
                    yield line, text.rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path.name}: {error}") from None


COLUMNS: tuple[str, ...] = ("judgement_id", "query", "item_id", "grade", "fold")


def columns_in(names: Any) -> list[str]:
    """Our columns that a file with these columns fills."""
    given = set(names)
    ours = {ALIASES.get(name, name) for name in given}
    if "esci_label" in given:
        ours.add("grade")
    return [name for name in COLUMNS if name in ours]
