"""What shoppers did, as models see it: columns in time order, read as events only where
somebody looks at one.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, compress, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.data.snapshot import Events


@dataclass(frozen=True)
class HistoryEvent:
    """One event of a shopper."""

    item_id: str
    type: str
    occurred_at: datetime
    quantity: float | None
    session_id: str | None


class History(Sequence[HistoryEvent]):
    """Events of one shopper in time order, from rows of (item_id, type, seconds since 1970,
    quantity, session_id).
    """

    def __init__(self, rows: Sequence[tuple] = (), disliked: frozenset[str] = frozenset()) -> None:
        self.columns = tuple(zip(*rows, strict=True)) if rows else ((), (), (), (), ())
        self.disliked = disliked
        """Products that the shopper does not want to see."""

    @classmethod
    def of(cls, events: Iterable[HistoryEvent]) -> "History":
        return cls(
            [
                (e.item_id, e.type, e.occurred_at.timestamp(), e.quantity, e.session_id)
                for e in events
            ]
        )

    def merged(self, other: "History") -> "History":
        """Both, in time order."""
        return History(
            sorted(
                [*zip(*self.columns, strict=True), *zip(*other.columns, strict=True)],
                key=lambda row: row[2],
            )
        )

    def settled(
        self,
        settle: Callable[[list[str], list[float]], tuple[list[bool], bool]],
        undoing: Collection[str],
    ) -> "History":
        """The events that count in the end, and the disliked products: `settle` decides for
        each product that has an event of a kind in `undoing`.
        """
        of_item: dict[str, list[int]] = {
            item_id: []
            for item_id, kind in zip(self.columns[0], self.columns[1], strict=True)
            if kind in undoing
        }
        if not of_item:
            return self
        for at, item_id in enumerate(self.columns[0]):
            if item_id in of_item:
                of_item[item_id].append(at)
        kinds = self.columns[1]
        quantities = self.columns[3]
        counts = [True] * len(self)
        disliked = set()
        for item_id, places in of_item.items():
            own, is_disliked = settle(
                [kinds[at] for at in places],
                [1.0 if quantities[at] is None else quantities[at] for at in places],
            )
            for at, there in zip(places, own, strict=True):
                counts[at] = there
            disliked |= {item_id} if is_disliked else set()
        return History(list(compress(zip(*self.columns, strict=True), counts)), frozenset(disliked))

    def bought(self) -> set[str]:
        """Products that the shopper bought and did not return."""
        return {
            item_id
            for item_id, kind in zip(self.columns[0], self.columns[1], strict=True)
            if kind == "purchase"
        }

    def basket(self) -> tuple[str, ...]:
        """Products that lie in the shopper's basket: put there and neither removed nor bought
        since; the latest last.
        """
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
        return (
            isinstance(other, History)
            and self.columns == other.columns
            and self.disliked == other.disliked
        )

    __hash__ = None


Past = Sequence[HistoryEvent]
"""A shopper's events in time order."""


def settled(history: History) -> History:
    """The events that count in the end, and what the shopper dislikes: returns, removals and
    dislikes take others back.
    """
    from training.data.interactions import UNDOING, settle

    return history.settled(settle, UNDOING)


def events_of(pasts: list[Past], known: Mapping[str, int]) -> "Events":
    """Events as training counts them: shoppers by their place, products by `known` rows; others
    are left out.
    """
    import numpy as np

    from training.data.snapshot import TYPE_CODE, Events

    pasts = [past if isinstance(past, History) else History.of(past) for past in pasts]
    item_ids, kinds, at, quantities, sessions = (
        list(chain.from_iterable(past.columns[i] for past in pasts)) for i in range(5)
    )
    n, numbers = len(item_ids), {None: -1}
    for session in dict.fromkeys(sessions):
        numbers.setdefault(session, len(numbers))
    events = Events(
        user=np.repeat(np.arange(len(pasts), dtype=np.int32), [len(past) for past in pasts]),
        item=np.fromiter(map(known.get, item_ids, repeat(-1)), np.int32, n),
        type=np.fromiter(map(TYPE_CODE.__getitem__, kinds), np.int8, n),
        time=np.array(at, dtype=np.float64).astype(np.int64),
        quantity=np.array(
            [1.0 if quantity is None else quantity for quantity in quantities], dtype=np.float32
        ),
        session=np.fromiter(map(numbers.__getitem__, sessions), np.int64, n),
    )
    return events.take(events.item >= 0)
