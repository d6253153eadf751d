"""Event histories of shoppers and sessions, read for models."""

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from django.db import connection

from recommender.inference.history import History, settled
from recommender.infrastructure import process_caches
from recommender.infrastructure.prepared_statements import Prepared
from recommender.models import Product, Shop, Shopper
from recommender.models.events import MEANT

EVENTS_READ = 2000
SHOPPER = "SELECT * FROM recommender_shopper WHERE shop_id = %s AND user_id = %s"
OF_LINK = """
    SELECT s.* FROM recommender_sessionlink l JOIN recommender_shopper s ON s.id = l.shopper_id
    WHERE l.shop_id = %s AND l.session_id = %s"""


@dataclass(frozen=True)
class Visitor:
    """Who a request is for: a shopper, a session, both, or unknown.

    Without consent no event is read.
    """

    shop: Shop
    shopper: Shopper | None
    session_id: str | None

    @classmethod
    def of(cls, shop: Shop, user_id: str | None, session_id: str | None) -> "Visitor":
        """The visitor of a request. A session that a shopper signed in with is that shopper's."""
        if user_id:
            shoppers = Shopper.objects.raw(SHOPPER, [shop.pk, user_id])
        elif session_id:
            shoppers = Shopper.objects.raw(OF_LINK, [shop.pk, session_id])
        else:
            shoppers = ()
        return cls(shop, next(iter(shoppers), None), session_id)

    @property
    def agrees(self) -> bool:
        return self.shopper is None or self.shopper.consent_personalisation

    @property
    def named_id(self) -> int | None:
        """Primary key of the shopper; None without consent."""
        return self.shopper.pk if self.shopper and self.agrees else None

    def history(self) -> History:
        """The latest events in time order; none without consent."""
        return history_of(self.shopper, self.shop, self.session_id) if self.agrees else History()


HISTORY = f"""
    SELECT product_id, {MEANT} AS type, date_part('epoch', occurred_at) AS at, quantity, session_id
    FROM recommender_event WHERE {{whose}} AND product_id IS NOT NULL AND NOT simulated
    ORDER BY occurred_at DESC, id DESC LIMIT {{most}}"""
"""SQL of the latest events of a shopper or a session; building it by the ORM costs more than
running it.
"""
OF_SHOPPER = Prepared(
    "history_of_shopper", ("bigint", "int"), HISTORY.format(whose="shopper_id = $1", most="$2")
)
OF_SESSION = Prepared(
    "history_of_session",
    ("bigint", "text", "int"),
    HISTORY.format(whose="shop_id = $1 AND session_id = $2 AND shopper_id IS NULL", most="$3"),
)
HISTORIES = f"""
    SELECT s.id, latest.* FROM unnest(%s::bigint[]) WITH ORDINALITY AS s (id, place)
    CROSS JOIN LATERAL (SELECT row_number() OVER (), found.*
        FROM ({HISTORY.format(whose="shopper_id = s.id", most="%s")}) found) latest
    ORDER BY s.place, latest.row_number DESC"""
CACHED_NAMES = 200_000
_names: dict[int, str] = {}
"""Product ids by primary key; a pair never changes."""
process_caches.register(_names.clear)


def history_of(shopper: Shopper | None, shop: Shop, session_id: str | None) -> History:
    """The latest events of a shopper and of a session, in time order."""
    events = []
    with connection.cursor() as cursor:
        if shopper:
            OF_SHOPPER.execute(cursor, [shopper.pk, EVENTS_READ])
            events.append(cursor.fetchall())
        if session_id:
            OF_SESSION.execute(cursor, [shop.pk, session_id, EVENTS_READ])
            events.append(cursor.fetchall())
    names = _names_of({row[0] for rows in events for row in rows})
    pasts = [
        History([(names[row[0]], *row[1:]) for row in reversed(rows) if row[0] in names])
        for rows in events
    ]
    return (
        settled(pasts[0].merged(pasts[1]) if len(pasts) == 2 else pasts[0]) if pasts else History()
    )


def histories_of(shopper_ids: list[int]) -> dict[int, History]:
    """Histories of many shoppers by one query; without shoppers who have none."""
    with connection.cursor() as cursor:
        cursor.execute(HISTORIES, [shopper_ids, EVENTS_READ])
        rows = cursor.fetchall()
    names = _names_of({row[2] for row in rows})
    return {
        pk: settled(History([(names[row[2]], *row[3:]) for row in shopper_rows if row[2] in names]))
        for pk, shopper_rows in groupby(rows, itemgetter(0))
    }


def _names_of(products: set[int]) -> dict[int, str]:
    """Product ids by primary key; deleted products are left out."""
    names = {pk: name for pk in products if (name := _names.get(pk)) is not None}
    if missing := products - names.keys():
        fresh = dict(Product.objects.filter(pk__in=missing).values_list("pk", "item_id"))
        if len(_names) > CACHED_NAMES:
            _names.clear()
        _names.update(fresh)
        names |= fresh
    return names
