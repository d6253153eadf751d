"""Traffic simulation: visits around imported purchases that see a list and sometimes click.

All of it goes through REST and is marked as simulated: it is in charts, never in a snapshot or a
shopper's history. Click rates are known: `CLICKED`, times `UPLIFT` of the placement, times the
day's factor; they do not depend on the quality of a list.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

from django.db.models import Max

from recommender.models import Event, Shop

Send = Callable[[str, dict], dict]
"""send(path below /api/v1, body) -> the reply's JSON."""

PLACEMENTS = {"home_top": 0.5, "discover": 0.2, "product_page": 0.3}
"""Share of visits that see a list of each placement."""
SEEN = 0.25
"""Share of baskets whose visit saw a list."""
BROWSING = 20
"""Visits without purchase per visit with one."""
CLICKED = 0.035
"""Click rate of lists, of visits without purchase."""
BUYS = 6.0
"""Factor of the click rate for visits with a purchase."""
AGAIN = 0.15
"""Probability of one more click on the same list, after each."""
UPLIFT = {"product_page": 1.5}
"""Factor of the click rate by placement; the page Placements should find it."""
WEEKDAYS = (1.05, 0.95, 0.95, 1.0, 0.9, 0.85, 1.3)
"""Visits from Monday to Sunday, relative to the mean day."""
WEEKEND_CLICKS = 1.15
NOISE = 0.1
"""Standard deviation of the logarithm of a day's click rate."""
WANTS = 0.7
"""Probability that a buyer's click goes to a product of their basket, if it is in the list."""
TOGETHER = 100
BEFORE = timedelta(minutes=20)
"""Time between a list and the basket of its visit."""


@dataclass(frozen=True)
class Visit:
    """One visit: shopper, time, purchases (none: browsing), and the product bought last before."""

    key: str
    user_id: str
    at: datetime
    item_ids: frozenset[str]
    before: str | None


def visits(shop: Shop, days: int, seed: int = 7) -> list[Visit]:
    """Visits of known shoppers in the last `days`, the oldest first; without those replayed
    already.
    """
    bought = Event.objects.filter(
        shop=shop, type="purchase", simulated=False, shopper__isnull=False, product__isnull=False
    )
    last = bought.aggregate(last=Max("occurred_at"))["last"]
    if last is None:
        return []
    since = last - timedelta(days=days)
    lines = bought.filter(occurred_at__gt=since - timedelta(days=days)).order_by(
        "shopper_id", "occurred_at", "id"
    )
    rows = lines.values_list("shopper__user_id", "session_id", "occurred_at", "product__item_id")
    baskets = [
        basket
        for _, session_rows in groupby(rows, key=lambda row: row[0])
        for basket in _of_shopper(list(session_rows), since)
    ]
    seen = [
        basket for basket in baskets if random.Random(f"{seed} seen {basket.key}").random() < SEEN
    ]
    all_visits = [
        *seen,
        *(visit for basket in seen for visit in _browsing(basket, baskets, since, last, seed)),
    ]
    known = set(
        Event.objects.filter(shop=shop, simulated=True, type="impression").values_list(
            "event_id", flat=True
        )
    )
    return sorted(
        (visit for visit in all_visits if _event_id(visit, "seen") not in known),
        key=lambda visit: (visit.at, visit.key),
    )


def _of_shopper(rows: list[tuple], since: datetime) -> Iterator[Visit]:
    before = None
    for _, group in groupby(rows, key=lambda row: row[1] or row[2].date()):
        lines = list(group)
        user_id, _, at, last = lines[0][0], lines[0][1], lines[0][2], lines[-1][3]
        if at > since:
            digest = hashlib.blake2b(
                f"{user_id} {at.isoformat()}".encode(), digest_size=12
            ).hexdigest()
            yield Visit(digest, user_id, at - BEFORE, frozenset(line[3] for line in lines), before)
        before = last


def _browsing(
    basket: Visit, baskets: list[Visit], since: datetime, last: datetime, seed: int
) -> Iterator[Visit]:
    """Visits without purchase in the basket's week, each of a random shopper."""
    monday = basket.at.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(
        days=basket.at.weekday()
    )
    for number in range(BROWSING):
        chance = random.Random(f"{seed} {basket.key} {number}")
        day = chance.choices(range(7), WEEKDAYS)[0]
        at = monday + timedelta(days=day, minutes=chance.triangular(7 * 60, 23 * 60, 20 * 60))
        who = chance.choice(baskets)
        if since < at < last:
            yield Visit(f"{basket.key}-{number}", who.user_id, at, frozenset(), who.before)


def replay(todo: list[Visit], placements: set[str], send: Send, seed: int = 7) -> Iterator[int]:
    """Request each visit's list and send its impressions and clicks; yields the number of visits
    done.
    """
    events: list[dict] = []
    for done, visit in enumerate(todo, 1):
        chance = random.Random(f"{seed} {visit.key}")
        if ask := _ask(visit, placements, chance):
            events += _events(visit, send("recommendations", ask), chance, seed)
        if events and (done % TOGETHER == 0 or done == len(todo)):
            send("events", {"events": events})
            events = []
        yield done


def _ask(visit: Visit, placements: set[str], chance: random.Random) -> dict | None:
    """Request the list of a random placement; a product page asks for products related to the last
    one.
    """
    known = [
        key for key in PLACEMENTS if key in placements and (key != "product_page" or visit.before)
    ]
    if not known:
        return None
    key = chance.choices(known, [PLACEMENTS[k] for k in known])[0]
    context = {"context": {"item_ids": [visit.before]}} if key == "product_page" else {}
    return {
        "placement": key,
        "user_id": visit.user_id,
        "simulated": True,
        "explain": "off",
        **context,
    }


def click_rate(placement: str, day: date, buys: bool, seed: int) -> float:
    """Click probability of a simulated list."""
    noise = random.Random(f"{seed} {day}").lognormvariate(0, NOISE)
    return (
        CLICKED
        * UPLIFT.get(placement, 1.0)
        * (WEEKEND_CLICKS if day.weekday() > 4 else 1.0)
        * noise
        * (BUYS if buys else 1.0)
    )


def _events(visit: Visit, reply: dict, chance: random.Random, seed: int) -> list[dict]:
    """Impressions and clicks of a list; first places are clicked more often than last ones."""
    if not reply["items"]:
        return []
    common = {
        "user_id": visit.user_id,
        "recommendation_id": reply["recommendation_id"],
        "placement": reply["placement"],
        "simulated": True,
    }
    left = [{"item_id": item["item_id"], "position": item["position"]} for item in reply["items"]]
    sent = [
        {
            **common,
            "event_id": _event_id(visit, "seen"),
            "type": "impression",
            "occurred_at": visit.at.isoformat(),
            "items": list(left),
        }
    ]
    again = click_rate(reply["placement"], visit.at.date(), bool(visit.item_ids), seed)
    while left and chance.random() < again:
        wanted = [place for place in left if place["item_id"] in visit.item_ids]
        among = wanted if wanted and chance.random() < WANTS else left
        place = chance.choices(among, [1 / p["position"] for p in among])[0]
        left.remove(place)
        when = visit.at + timedelta(seconds=20 * len(sent))
        event_id = _event_id(visit, f"click-{place['position']}")
        sent.append(
            {
                **common,
                "event_id": event_id,
                "type": "click",
                "occurred_at": when.isoformat(),
                "items": [place],
            }
        )
        again = AGAIN
    return sent


def _event_id(visit: Visit, what: str) -> str:
    return f"replay-{visit.key}-{what}"
