"""What shoppers did, as models see it: columns in time order, read as events only where somebody looks at one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class HistoryEvent:
    """One event of a shopper."""

    item_id: str
    type: str
    occurred_at: datetime
    quantity: float | None
    session_id: str | None


class History(Sequence[HistoryEvent]):
    """Events of one shopper in time order, from rows of (item_id, type, seconds since 1970, quantity, session_id)."""

    def __init__(self, rows: Sequence[tuple] = ()) -> None:
        self.columns = tuple(zip(*rows, strict=True)) if rows else ((), (), (), (), ())

    @classmethod
    def of(cls, events: Iterable[HistoryEvent]) -> "History":
        return cls([(e.item_id, e.type, e.occurred_at.timestamp(), e.quantity, e.session_id) for e in events])

    def merged(self, other: "History") -> "History":
        """Both, in time order."""
        return History(sorted([*zip(*self.columns, strict=True), *zip(*other.columns, strict=True)], key=lambda row: row[2]))

    @property
    def item_ids(self) -> tuple[str, ...]:
        return self.columns[0]

    def __len__(self) -> int:
        return len(self.columns[0])

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        item_id, kind, at, quantity, session_id = (column[index] for column in self.columns)
        return HistoryEvent(item_id, kind, datetime.fromtimestamp(at, UTC), quantity, session_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, History) and self.columns == other.columns

    __hash__ = None
