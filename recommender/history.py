"""A shopper's events as models see them."""

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from django.db import connection

from recommender.models import Shop, Shopper
from recommender.past import History

EVENTS_READ = 2000
SHOPPER = "SELECT * FROM recommender_shopper WHERE shop_id = %s AND user_id = %s"


@dataclass(frozen=True)
class Visitor:
    """Who asks: a shopper, a session, both, or nobody known. Without consent nothing of them is looked at."""

    shop: Shop
    shopper: Shopper | None
    session_id: str | None

    @classmethod
    def of(cls, shop: Shop, user_id: str | None, session_id: str | None) -> "Visitor":
        found = Shopper.objects.raw(SHOPPER, [shop.pk, user_id]) if user_id else ()
        return cls(shop, next(iter(found), None), session_id)

    @property
    def agrees(self) -> bool:
        return self.shopper is None or self.shopper.consent_personalisation

    @property
    def named_id(self) -> int | None:
        """The shopper's row, where they agree to be one."""
        return self.shopper.pk if self.shopper and self.agrees else None

    def history(self) -> History:
        """Their latest events in time order; none without consent."""
        return history_of(self.shopper, self.shop, self.session_id) if self.agrees else History()


HISTORY = """
    SELECT p.item_id, e.type, extract(epoch FROM e.occurred_at)::float8, e.quantity, e.session_id
    FROM recommender_event e JOIN recommender_product p ON p.id = e.product_id
    WHERE {whose} AND NOT e.simulated ORDER BY e.occurred_at DESC, e.id DESC LIMIT %s"""
"""The latest events of one shopper or session; the ORM takes longer to write this than the database to answer."""
HISTORIES = """
    SELECT e.shopper_id, p.item_id, e.type, extract(epoch FROM e.occurred_at)::float8, e.quantity, e.session_id
    FROM recommender_event e JOIN recommender_product p ON p.id = e.product_id
    WHERE e.shopper_id = ANY(%s) AND NOT e.simulated ORDER BY e.shopper_id, e.occurred_at, e.id"""


def history_of(shopper: Shopper | None, shop: Shop, session_id: str | None) -> History:
    """The latest events of a shopper and of a session, in time order."""
    found = []
    with connection.cursor() as cursor:
        if shopper:
            cursor.execute(HISTORY.format(whose="e.shopper_id = %s"), [shopper.pk, EVENTS_READ])
            found.append(History(cursor.fetchall()[::-1]))
        if session_id:
            cursor.execute(HISTORY.format(whose="e.shop_id = %s AND e.session_id = %s AND e.shopper_id IS NULL"), [shop.pk, session_id, EVENTS_READ])
            found.append(History(cursor.fetchall()[::-1]))
    return found[0].merged(found[1]) if len(found) == 2 else found[0] if found else History()


def histories_of(shopper_ids: list[int]) -> dict[int, History]:
    """The same for many shoppers at once; without those of whom there are no events."""
    with connection.cursor() as cursor:
        cursor.execute(HISTORIES, [shopper_ids])
        rows = cursor.fetchall()
    return {pk: History([row[1:] for row in own][-EVENTS_READ:]) for pk, own in groupby(rows, itemgetter(0))}
