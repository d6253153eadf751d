"""Result of an import: numbers of new, changed and unchanged rows, and the rejected rows with their
reasons.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RowError:
    """A rejected row: its line (or position in a request), the field, and the reason."""

    line: int
    field: str
    message: str
    source: str = ""
    """Of several files, which one."""


@dataclass
class Report:
    """Numbers of new, changed and unchanged (`same`) rows of an import, and its rejected rows."""

    new: int = 0
    changed: int = 0
    same: int = 0
    errors: list[RowError] = field(default_factory=list)
    differing: set[str] = field(default_factory=set)
    """Ids of known events that were sent again with other content."""
    lines_by_type: dict[str, int] = field(default_factory=dict)
    """Accepted lines of events, by their type."""
    written: list[str] | None = None
    """Ids of new and changed rows; None where they are too many."""

    @property
    def rejected(self) -> int:
        return len(self.errors)

    def reasons(self) -> list[tuple[str, int]]:
        """Reasons of rejection with their number, the most common first."""
        return Counter(f"{e.field}: {e.message}" for e in self.errors).most_common()

    def __str__(self) -> str:
        return (
            f"{self.new:,} new, {self.changed:,} changed, {self.same:,} same, {self.rejected:,} "
            "rejected"
        )
