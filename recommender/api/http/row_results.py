"""Reply of a call that writes rows: counts, and a result for each row that was sent."""

from collections.abc import Sequence
from typing import Any

from recommender.ingest import Report


def rows_reply(rows: Sequence[Any], report: Report, key: str) -> dict[str, Any]:
    """Counts of a report whose errors carry positions, and a result for each row, in their order.

    key: name of the shop's own id of a row
    """
    errors = {e.line: {"field": e.field, "message": e.message} for e in report.errors}
    return {
        "new": report.new,
        "changed": report.changed,
        "same": report.same,
        "rejected": len(errors),
        "results": [_result(row, errors.get(i), key) for i, row in enumerate(rows)],
    }


def _result(row: Any, error: dict[str, str] | None, key: str) -> dict[str, Any]:
    row_id = row.get(key) if isinstance(row, dict) else None
    result = {key: row_id if isinstance(row_id, str) else None}
    return result | ({"status": "rejected", "error": error} if error else {"status": "accepted"})
