"""A shopper's event history as parallel columns, oldest first; event objects on access."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, compress, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.data.snapshot import Events

ITEM_ID, TYPE, AT, QUANTITY, SESSION_ID = range(5)
"""Columns of a history."""
IMPRESSION = "impression"
Settle = Callable[[list[str], list[float]], tuple[list[bool], bool]]
"""(event types, quantities) of one product -> (which events count, whether it is disliked)."""


@dataclass(frozen=True)
class HistoryEvent:
    """One event of a shopper."""

    item_id: str
    type: str
    occurred_at: datetime
    quantity: float | None
    session_id: str | None


class History(Sequence[HistoryEvent]):
    """Events of one shopper in time order.

    rows: (item_id, type, seconds since 1970, quantity, session_id)
    disliked: products that the shopper does not want to see
    """

    def __init__(self, rows: Sequence[tuple] = (), disliked: frozenset[str] = frozenset()) -> None:
        self.columns = tuple(zip(*rows, strict=True)) if rows else ((), (), (), (), ())
        self.disliked = disliked

    @property
    def has_action(self) -> bool:
        """True where the shopper did more than to see products."""
        return any(kind != IMPRESSION for kind in self.columns[TYPE])

    @classmethod
    def of(cls, events: Iterable[HistoryEvent]) -> "History":
        return cls(
            [
                (e.item_id, e.type, e.occurred_at.timestamp(), e.quantity, e.session_id)
                for e in events
            ]
        )

    def merged(self, other: "History") -> "History":
        """Merge two histories in time order."""
        rows = [*zip(*self.columns, strict=True), *zip(*other.columns, strict=True)]
        return History(sorted(rows, key=lambda row: row[AT]))

    def settled(self, settle: Settle, undoing: Collection[str]) -> "History":
        """The history without events that later ones reverse (returns, removals from the cart,
        dislikes), with `disliked` set. settle: decides per product which events remain and whether
        it is disliked; undoing: event types that reverse earlier ones.
        """
        pairs = zip(self.columns[ITEM_ID], self.columns[TYPE], strict=True)
        positions: dict[str, list[int]] = {
            item_id: [] for item_id, kind in pairs if kind in undoing
        }
        if not positions:
            return self
        for at, item_id in enumerate(self.columns[ITEM_ID]):
            if item_id in positions:
                positions[item_id].append(at)
        counts, disliked = [True] * len(self), set()
        for item_id, at_positions in positions.items():
            types = [self.columns[TYPE][at] for at in at_positions]
            quantities = [self.columns[QUANTITY][at] for at in at_positions]
            quantities = [1.0 if quantity is None else quantity for quantity in quantities]
            own_counts, is_disliked = settle(types, quantities)
            for at, count in zip(at_positions, own_counts, strict=True):
                counts[at] = count
            disliked |= {item_id} if is_disliked else set()
        rows = list(compress(zip(*self.columns, strict=True), counts))
        return History(rows, frozenset(disliked))

    def bought(self) -> set[str]:
        """Products that the shopper bought and did not return."""
        pairs = zip(self.columns[ITEM_ID], self.columns[TYPE], strict=True)
        return {item_id for item_id, kind in pairs if kind == "purchase"}

    def basket(self) -> tuple[str, ...]:
        """Products put into the basket and neither removed nor bought since, the latest last."""
        basket: dict[str, None] = {}
        for item_id, kind in zip(self.columns[ITEM_ID], self.columns[TYPE], strict=True):
            if kind in ("add_to_cart", "purchase"):
                basket.pop(item_id, None)
            if kind == "add_to_cart":
                basket[item_id] = None
        return tuple(basket)

    @property
    def item_ids(self) -> tuple[str, ...]:
        return self.columns[ITEM_ID]

    def __len__(self) -> int:
        return len(self.columns[ITEM_ID])

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        item_id, kind, at, quantity, session_id = (column[index] for column in self.columns)
        return HistoryEvent(item_id, kind, datetime.fromtimestamp(at, UTC), quantity, session_id)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return False
        return self.columns == other.columns and self.disliked == other.disliked

    __hash__ = None


def settled(history: History) -> History:
    """The history of events that still count, with `disliked` set; without returns, removals from
    the cart and dislikes, and what they reverse (rules: `training.data.interactions.settle`).
    """
    from training.data.interactions import UNDOING, settle

    return history.settled(settle, UNDOING)


def events_of(shoppers: Sequence[Sequence[HistoryEvent]], rows: Mapping[str, int]) -> "Events":
    """Events as training counts them: shoppers by position, products by `rows`; others left out."""
    import numpy as np

    from training.data.snapshot import TYPE_CODE, Events

    histories = [h if isinstance(h, History) else History.of(h) for h in shoppers]
    item_ids, types, at, quantities, sessions = (
        list(chain.from_iterable(history.columns[i] for history in histories)) for i in range(5)
    )
    n, session_numbers = len(item_ids), {None: -1}
    for session in dict.fromkeys(sessions):
        session_numbers.setdefault(session, len(session_numbers))
    lengths = [len(history) for history in histories]
    events = Events(
        user=np.repeat(np.arange(len(histories), dtype=np.int32), lengths),
        item=np.fromiter(map(rows.get, item_ids, repeat(-1)), np.int32, n),
        type=np.fromiter(map(TYPE_CODE.__getitem__, types), np.int8, n),
        time=np.array(at, dtype=np.float64).astype(np.int64),
        quantity=np.array([1.0 if q is None else q for q in quantities], dtype=np.float32),
        session=np.fromiter(map(session_numbers.__getitem__, sessions), np.int64, n),
    )
    return events.take(events.item >= 0)
