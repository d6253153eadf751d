"""A shopper's events as models see them."""

from collections import defaultdict
from dataclasses import dataclass

from django.db import connection

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


HISTORY = """
    SELECT p.item_id, e.type, e.occurred_at, e.quantity, e.session_id
    FROM recommender_event e JOIN recommender_product p ON p.id = e.product_id
    WHERE {whose} AND NOT e.simulated ORDER BY e.occurred_at DESC, e.id DESC LIMIT %s"""
"""The latest events of one shopper or session; the ORM takes longer to write this than the database to answer."""


def history_of(shopper: Shopper | None, shop: Shop, session_id: str | None) -> list[HistoryEvent]:
    """The latest events of a shopper and of a session, in time order."""
    events: list[HistoryEvent] = []
    with connection.cursor() as cursor:
        if shopper:
            cursor.execute(HISTORY.format(whose="e.shopper_id = %s"), [shopper.pk, EVENTS_READ])
            events += [HistoryEvent(*row) for row in reversed(cursor.fetchall())]
        if session_id:
            cursor.execute(HISTORY.format(whose="e.shop_id = %s AND e.session_id = %s AND e.shopper_id IS NULL"), [shop.pk, session_id, EVENTS_READ])
            events += [HistoryEvent(*row) for row in reversed(cursor.fetchall())]
    return sorted(events, key=lambda e: e.occurred_at) if shopper and session_id else events


def histories_of(shopper_ids: list[int]) -> dict[int, list[HistoryEvent]]:
    """The same for many shoppers at once."""
    histories: dict[int, list[HistoryEvent]] = defaultdict(list)
    events = Event.objects.filter(shopper__in=shopper_ids).exclude(product=None).filter(simulated=False)
    for row in events.in_order().values_list("shopper_id", "product__item_id", "type", "occurred_at", "quantity", "session_id"):
        histories[row[0]].append(HistoryEvent(*row[1:]))
    return {pk: events[-EVENTS_READ:] for pk, events in histories.items()}
