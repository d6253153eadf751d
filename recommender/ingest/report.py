"""What became of the rows of one import."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RowError:
    """A row that was not taken: its line (or its position in a request), the field, and why."""

    line: int
    field: str
    message: str


@dataclass
class Report:
    new: int = 0
    changed: int = 0
    same: int = 0
    errors: list[RowError] = field(default_factory=list)
    differing: set[str] = field(default_factory=set)
    """Ids of events that were there already, with other content than they were sent with now."""
    written: list[str] | None = None
    """Ids of the new and changed rows; None where they are too many."""

    @property
    def rejected(self) -> int:
        return len(self.errors)

    def reasons(self) -> list[tuple[str, int]]:
        """Reasons of rejection with their number, the commonest first."""
        return Counter(f"{e.field}: {e.message}" for e in self.errors).most_common()

    def __str__(self) -> str:
        return (
            f"{self.new:,} new, {self.changed:,} changed, {self.same:,} same, {self.rejected:,} "
            "rejected"
        )
