"""A shopper's events as models see them."""

from collections import defaultdict

from recommender.engine import HistoryEvent
from recommender.models import Event, Shop, Shopper

EVENTS_READ = 2000


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
