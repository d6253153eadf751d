"""What an import of a shop's files did: counts by outcome, reasons by kind, warnings."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from recommender.ingest.report import RowError

MOST_REASONS = 12
VALUE = re.compile(r"'[^']*'|\"[^\"]*\"")
"""A value in a message."""
PLACE = re.compile(r"\[\d+\]")
NUMBER = re.compile(r"\d[\d,.]*")


@dataclass(frozen=True)
class Reason:
    """A kind of reason for which rows were rejected: their number, and an example."""

    reason: str
    count: int
    example: str


@dataclass
class FileReport:
    """The result of an import: accepted rows by kind, rejected ones with their reasons.

    events: lines by type, one per product
    outcomes: by kind, numbers of new, changed and unchanged rows
    filled: by column the fields that it fills
    preview: the first rows by kind, as they are stored
    """

    format: str = ""
    title: str = ""
    why: str = ""
    counts: dict[str, Any] = field(
        default_factory=lambda: {
            "products": 0,
            "variants": 0,
            "shoppers": 0,
            "reviews": 0,
            "judgements": 0,
            "events": {},
        }
    )
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    filled: dict[str, list[str]] = field(default_factory=dict)
    unused_columns: list[str] = field(default_factory=list)
    preview: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Number of rejected rows."""
        return len({(error.source, error.line) for error in self.errors})

    def reasons(self) -> list[Reason]:
        """Reasons by kind, the most common first; those beyond the limit together."""
        kinds = kinds_of(self.errors)
        if len(kinds) <= MOST_REASONS:
            return kinds
        rest = kinds[MOST_REASONS - 1 :]
        other = Reason("other reasons", sum(one.count for one in rest), rest[0].example)
        return [*kinds[: MOST_REASONS - 1], other]

    def json(self) -> dict[str, Any]:
        """The report as `--report` writes it; the keys are always the same."""
        return {
            "format": self.format,
            "counts": self.counts,
            "rejected": self.rejected,
            "reasons": [vars(one) for one in self.reasons()],
            "warnings": self.warnings,
            "unused_columns": self.unused_columns,
        }


def kinds_of(errors: Iterable[RowError]) -> list[Reason]:
    """Reasons without the values in them, each row counted once."""
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    seen: set[tuple[str, int]] = set()
    for error in errors:
        row = (error.source, error.line)
        if row in seen:
            continue
        seen.add(row)
        text = f"{error.field}: {error.message}"
        kind = PLACE.sub("[]", NUMBER.sub("…", VALUE.sub("…", PLACE.sub("[]", text))))
        counts[kind] += 1
        examples.setdefault(kind, f"line {error.line}: {text}")
    return [Reason(kind, count, examples[kind]) for kind, count in counts.most_common()]
