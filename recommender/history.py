"""A shopper's events as models see them."""

from collections import defaultdict
from dataclasses import dataclass

from recommender.engine import HistoryEvent
from recommender.models import Event, Shop, Shopper

EVENTS_READ = 2000


@dataclass(frozen=True)
class Visitor:
    """Who asks: a shopper, a session, both, or nobody known. Without consent nothing of them is looked at."""

    shop: Shop
    shopper: Shopper | None
    session_id: str | None

    @classmethod
    def of(cls, shop: Shop, user_id: str | None, session_id: str | None) -> "Visitor":
        return cls(shop, Shopper.objects.of(shop).filter(user_id=user_id).first() if user_id else None, session_id)

    @property
    def agrees(self) -> bool:
        return self.shopper is None or self.shopper.consent_personalisation

    @property
    def named_id(self) -> int | None:
        """The shopper's row, where they agree to be one."""
        return self.shopper.pk if self.shopper and self.agrees else None

    def history(self) -> list[HistoryEvent]:
        """Their latest events in time order; none without consent."""
        return history_of(self.shopper, self.shop, self.session_id) if self.agrees else []


def history_of(shopper: Shopper | None, shop: Shop, session_id: str | None) -> list[HistoryEvent]:
    """The latest events of a shopper and of a session, in time order."""
    events = []
    if shopper:
        events += _read(Event.objects.filter(shopper=shopper))
    if session_id:
        events += _read(Event.objects.filter(shop=shop, session_id=session_id, shopper=None))
    return sorted((HistoryEvent(*row[1:]) for row in events), key=lambda e: e.occurred_at)


def histories_of(shopper_ids: list[int]) -> dict[int, list[HistoryEvent]]:
    """The same for many shoppers at once."""
    histories: dict[int, list[HistoryEvent]] = defaultdict(list)
    events = Event.objects.filter(shopper__in=shopper_ids).exclude(product=None).filter(simulated=False)
    for row in events.in_order().values_list(*_FIELDS):
        histories[row[0]].append(HistoryEvent(*row[1:]))
    return {pk: events[-EVENTS_READ:] for pk, events in histories.items()}


_FIELDS = ("shopper_id", "product__item_id", "type", "occurred_at", "quantity", "session_id")


def _read(events) -> list[tuple]:
    latest = events.exclude(product=None).filter(simulated=False).order_by("-occurred_at", "-id").values_list(*_FIELDS)
    return list(latest[:EVENTS_READ])[::-1]
