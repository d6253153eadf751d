"""What shoppers did, as models see it: columns in time order, read as events only where somebody looks at one."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import compress


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

    def __init__(self, rows: Sequence[tuple] = (), disliked: frozenset[str] = frozenset()) -> None:
        self.columns = tuple(zip(*rows, strict=True)) if rows else ((), (), (), (), ())
        self.disliked = disliked
        """Products that the shopper does not want to see."""

    @classmethod
    def of(cls, events: Iterable[HistoryEvent]) -> "History":
        return cls([(e.item_id, e.type, e.occurred_at.timestamp(), e.quantity, e.session_id) for e in events])

    def merged(self, other: "History") -> "History":
        """Both, in time order."""
        return History(sorted([*zip(*self.columns, strict=True), *zip(*other.columns, strict=True)], key=lambda row: row[2]))

    def settled(self, settle: Callable[[list[str], list[float]], tuple[list[bool], bool]], undoing: Collection[str]) -> "History":
        """The events that count in the end, and the disliked products: `settle` decides for each product that has an event of a kind in `undoing`."""
        of_item: dict[str, list[int]] = {item_id: [] for item_id, kind in zip(self.columns[0], self.columns[1], strict=True) if kind in undoing}
        if not of_item:
            return self
        for at, item_id in enumerate(self.columns[0]):
            if item_id in of_item:
                of_item[item_id].append(at)
        kinds, quantities, counts, disliked = self.columns[1], self.columns[3], [True] * len(self), set()
        for item_id, places in of_item.items():
            own, is_disliked = settle([kinds[at] for at in places], [1.0 if quantities[at] is None else quantities[at] for at in places])
            for at, there in zip(places, own, strict=True):
                counts[at] = there
            disliked |= {item_id} if is_disliked else set()
        return History(list(compress(zip(*self.columns, strict=True), counts)), frozenset(disliked))

    def bought(self) -> set[str]:
        """Products that the shopper bought and did not return."""
        return {item_id for item_id, kind in zip(self.columns[0], self.columns[1], strict=True) if kind == "purchase"}

    def basket(self) -> tuple[str, ...]:
        """Products that lie in the shopper's basket: put there and neither removed nor bought since; the latest last."""
        lying: dict[str, None] = {}
        for item_id, kind in zip(self.columns[0], self.columns[1], strict=True):
            if kind in ("add_to_cart", "purchase"):
                lying.pop(item_id, None)
            if kind == "add_to_cart":
                lying[item_id] = None
        return tuple(lying)

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
        return isinstance(other, History) and self.columns == other.columns and self.disliked == other.disliked

    __hash__ = None
