"""Import of labeled texts: reviews, solved dialogues, judged queries."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction

from recommender.infrastructure import task_queue
from recommender.ingest.masking import masked
from recommender.ingest.owners import ERASED, ErasedShoppers
from recommender.ingest.parsing import FieldError, Parser
from recommender.ingest.report import Report
from recommender.ingest.upsert import Table, upsert
from recommender.models import Erasure, Shop
from recommender.models.labeled_texts import REVIEW

LONGEST_WRITTEN = 200_000
SHORT = {"channel": 40}
USUAL = {"channel": REVIEW}
"""What an empty text column holds, where that is not the empty text."""
ERASED_ID = object()
"""In place of the id of an erased shopper."""
Rows = Iterable[tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class Kind:
    """One kind of labeled text: its table, required fields, and the content that makes an id.

    is_unique: rows with the same content, in whatever capitals, are one row
    """

    table: Table
    required: tuple[str, ...]
    content: tuple[str, ...]
    is_unique: bool = False


def _kind(
    name: str,
    key: str,
    columns: dict[str, str],
    required: tuple[str, ...],
    content: tuple[str, ...],
    is_unique: bool = False,
) -> Kind:
    blank = {
        column: f"'{USUAL.get(column, '')}'"
        for column, sql in columns.items()
        if sql == "text" and column not in required
    }
    return Kind(Table(f"recommender_{name}", key, columns, blank), required, content, is_unique)


KINDS = {
    "reviews": _kind(
        "review",
        "review_id",
        {
            "item_id": "text",
            "user_id": "text",
            "rating": "float8",
            "title": "text",
            "text": "text",
            "label": "text",
            "topic": "text",
            "split": "text",
            "created_at": "timestamptz",
            "channel": "text",
        },
        ("text",),
        ("item_id", "user_id", "title", "text", "created_at"),
    ),
    "dialogues": _kind(
        "dialogue",
        "dialogue_id",
        {"text": "text", "intent": "text", "answer": "text", "split": "text"},
        ("text", "intent"),
        ("text", "intent"),
    ),
    "judgements": _kind(
        "judgement",
        "judgement_id",
        {"query": "text", "item_id": "text", "grade": "float8", "fold": "int"},
        ("query", "item_id", "grade"),
        ("query", "item_id"),
        is_unique=True,
    ),
}


READERS = {"reviews": ("judge_reviews",), "dialogues": ("update_passages", "dialogue")}
"""The task that reads what was stored, with its arguments behind the shop."""


def upsert_labelled(
    kind: str, shop: Shop, rows: Rows, columns: Iterable[str], parser: Parser, dry_run: bool = False
) -> Report:
    """Insert or update rows. Idempotent.

    A row without an id gets one from its content and, where it may be repeated, its number among
    identical rows.
    """
    chosen = KINDS[kind]
    value = partial(column_value, chosen)
    if kind == "reviews":
        rows = without_erased(rows, ErasedShoppers(shop), parser)
    columns = {*columns, *chosen.required}
    with transaction.atomic():
        report = upsert(
            chosen.table, shop, _with_ids(chosen, rows), columns, parser, value, dry_run
        )
        if (report.new or report.changed) and not dry_run and kind in READERS:
            task, *more = READERS[kind]
            task_queue.enqueue(task, shop.pk, *more)
    return report


def without_erased(
    rows: Rows, erased: Mapping[str, Erasure], parser: Parser
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Reviews; those of erased shoppers from before their erasure, or of an unknown time, with an
    id that `column_value` refuses. erased: receipts by user id
    """
    for line, row in rows:
        user_id = row.get("user_id")
        receipt = erased.get(user_id) if isinstance(user_id, str) else None
        late = receipt is not None and _came_too_late(receipt, row, parser)
        yield line, ({**row, "user_id": ERASED_ID} if late else row)


def _came_too_late(receipt: Erasure, row: dict[str, Any], parser: Parser) -> bool:
    try:
        at = parser.moment("created_at", row.get("created_at"))
    except FieldError:
        return False  # the row is refused for its time
    return at is None or at <= receipt.created_at


def column_value(kind: Kind, parser: Parser, name: str, given: Any) -> Any:
    """The value of a column as it is stored. Raises FieldError."""
    if given is ERASED_ID:
        raise FieldError(name, ERASED)
    parsed = _value(parser, name, given)
    if parsed is None and name in kind.required:
        raise FieldError(name, "is required")
    is_text = kind.table.columns[name] == "text"
    return USUAL.get(name, "") if parsed is None and is_text else parsed


def _value(parser: Parser, name: str, given: Any) -> Any:
    if name in ("rating", "grade"):
        number = parser.number(name, given)
        if number is not None and not 0 <= number <= 100:
            raise FieldError(name, "must be between 0 and 100")
        return number
    if name == "fold":
        number = parser.number(name, given)
        return None if number is None else int(number)
    if name == "created_at":
        return parser.moment(name, given)
    if name == "split" and given not in (None, "", "train", "test"):
        raise FieldError(name, "must be train or test")
    if name in ("text", "answer", "title", "query"):
        text = parser.prose(name, given, LONGEST_WRITTEN)
        if text is None or not text.strip():
            return None
        return text if name == "query" else masked(text)
    return parser.text(name, given, 256 if name.endswith("_id") else SHORT.get(name, 100))


def _with_ids(kind: Kind, rows: Rows) -> Iterator[tuple[int, dict[str, Any]]]:
    seen: Counter[str] = Counter()
    for line, row in rows:
        if not row.get(kind.table.key):
            content = "\x1f".join(_content(kind, name, row) for name in kind.content)
            digest = hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:32]
            row = {**row, kind.table.key: f"{digest}-{seen[digest]}"}
            seen[digest] += not kind.is_unique
        yield line, row


def _content(kind: Kind, name: str, row: dict[str, Any]) -> str:
    text = str(row.get(name) or "")
    is_key = name.endswith("_id")
    return " ".join(text.lower().split()) if kind.is_unique and not is_key else text
