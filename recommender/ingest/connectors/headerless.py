"""Files without column names: TREC qrels and Yoochoose logs, known by the shape of their lines."""

import re
from collections.abc import Sequence

from recommender.ingest.connectors.core import EVENTS, JUDGEMENTS, Signature, simple
from recommender.ingest.connectors.values import constant

QRELS = re.compile(r"\S+\s+(0|Q0|\d{1,3})\s+\S+\s+-?\d{1,3}(\.\d+)?")
CLICKS = re.compile(r"\d+,\d{4}-\d\d-\d\d[T ][^,]*,\d+,[^,]*")
BUYS = re.compile(r"\d+,\d{4}-\d\d-\d\d[T ][^,]*,\d+,[\d.]+,\d+")
SHAPES = (
    (QRELS, None, ("qrels_query", "qrels_iteration", "qrels_document", "qrels_grade")),
    (BUYS, ",", ("yoochoose_session", "yoochoose_time", "yoochoose_item", "price", "quantity")),
    (CLICKS, ",", ("yoochoose_session", "yoochoose_time", "yoochoose_item", "category")),
)
"""Shapes of lines: pattern, separator (None: blanks), names of the columns."""


def columns_without_header(lines: Sequence[str]) -> tuple[str | None, tuple[str, ...]] | None:
    """Separator and column names of a file whose lines all have one of the shapes; else None."""
    texts = [line.strip() for line in lines if line.strip()]
    for pattern, separator, columns in SHAPES:
        if texts and all(pattern.fullmatch(text) for text in texts):
            return separator, columns
    return None


TREC = simple(
    "trec_qrels",
    "TREC qrels",
    JUDGEMENTS,
    Signature(("qrels_query", "qrels_document", "qrels_grade")),
    {
        "query": "qrels_query",
        "item_id": "qrels_document",
        "grade": lambda row: max(0.0, float(row["qrels_grade"])),
    },
)
YOOCHOOSE_BUYS = simple(
    "yoochoose_buys",
    "Yoochoose buys",
    EVENTS,
    Signature(("yoochoose_session", "yoochoose_time", "price", "quantity")),
    {
        "session_id": "yoochoose_session",
        "occurred_at": "yoochoose_time",
        "item_id": "yoochoose_item",
        "quantity": lambda row: None if row["quantity"] == "0" else row["quantity"],
        "price": lambda row: None if row["price"] == "0" else row["price"],
        "type": constant("purchase"),
    },
)
YOOCHOOSE_CLICKS = simple(
    "yoochoose_clicks",
    "Yoochoose clicks",
    EVENTS,
    Signature(("yoochoose_session", "yoochoose_time", "yoochoose_item"), (), ("price",)),
    {
        "session_id": "yoochoose_session",
        "occurred_at": "yoochoose_time",
        "item_id": "yoochoose_item",
        "type": constant("click"),
    },
)
FORMATS = (TREC, YOOCHOOSE_BUYS, YOOCHOOSE_CLICKS)
