"""Simulated traffic for purchases that were imported: the lists that shoppers might have seen before they bought, and what they might have clicked.

All of it goes through REST and is marked as simulated: it is in charts, never in a snapshot or in a shopper's history.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from django.db.models import Max

from recommender.models import Event, Shop

Send = Callable[[str, dict], dict]
"""send(path below /api/v1, body) -> the reply's JSON."""

PLACEMENTS = {"home_top": 0.5, "discover": 0.2, "product_page": 0.3}
SEEN_BEFORE, CLICKED_BEFORE = timedelta(minutes=20), timedelta(minutes=15)
CLICKS_WHAT_IS_BOUGHT, CLICKS_ELSE = 0.6, 0.03
TOGETHER = 100


@dataclass(frozen=True)
class Basket:
    """What a shopper bought at one time, and the last product that they bought before."""

    key: str
    user_id: str
    at: datetime
    item_ids: frozenset[str]
    before: str | None


def baskets(shop: Shop, days: int) -> list[Basket]:
    """The baskets of known shoppers in the last `days` that have purchases, but those replayed already; the oldest first."""
    bought = Event.objects.filter(shop=shop, type="purchase", simulated=False, shopper__isnull=False, product__isnull=False)
    last = bought.aggregate(last=Max("occurred_at"))["last"]
    if last is None:
        return []
    lines = bought.filter(occurred_at__gt=last - timedelta(days=2 * days)).order_by("shopper_id", "occurred_at", "id")
    rows = lines.values_list("shopper__user_id", "session_id", "occurred_at", "product__item_id")
    found = [basket for _, own in groupby(rows, key=lambda row: row[0]) for basket in _of_shopper(list(own), last - timedelta(days=days))]
    known = set(Event.objects.filter(shop=shop, simulated=True, type="impression").values_list("event_id", flat=True))
    return sorted((b for b in found if _event_id(b, "seen") not in known), key=lambda b: b.at)


def _of_shopper(rows: list[tuple], since: datetime) -> Iterator[Basket]:
    before = None
    for _, group in groupby(rows, key=lambda row: row[1] or row[2].date()):
        lines = list(group)
        user_id, _, at, last = lines[0][0], lines[0][1], lines[0][2], lines[-1][3]
        if at > since:
            digest = hashlib.blake2b(f"{user_id} {at.isoformat()}".encode(), digest_size=12).hexdigest()
            yield Basket(digest, user_id, at, frozenset(line[3] for line in lines), before)
        before = last


def replay(todo: list[Basket], placements: set[str], send: Send, seed: int = 7) -> Iterator[int]:
    """Ask for each basket's list and tell what was seen and clicked; yields how many baskets are done."""
    events: list[dict] = []
    for done, basket in enumerate(todo, 1):
        chance = random.Random(f"{seed} {basket.key}")
        if ask := _ask(basket, placements, chance):
            events += _events(basket, send("recommendations", ask), chance)
        if events and (done % TOGETHER == 0 or done == len(todo)):
            send("events", {"events": events})
            events = []
        yield done


def _ask(basket: Basket, placements: set[str], chance: random.Random) -> dict | None:
    """A placement by chance; a product page shows what goes with the product that was bought last."""
    known = [key for key in PLACEMENTS if key in placements and (key != "product_page" or basket.before)]
    if not known:
        return None
    key = chance.choices(known, [PLACEMENTS[k] for k in known])[0]
    context = {"context": {"item_ids": [basket.before]}} if key == "product_page" else {}
    return {"placement": key, "user_id": basket.user_id, "simulated": True, **context}


def _events(basket: Basket, reply: dict, chance: random.Random) -> list[dict]:
    """The list is seen; what is bought soon after is clicked oftener than the rest, and the first places oftener than the last."""
    if not reply["items"]:
        return []
    common = {
        "user_id": basket.user_id, "recommendation_id": reply["recommendation_id"], "placement": reply["placement"], "simulated": True,
    }  # fmt: skip
    places = [{"item_id": item["item_id"], "position": item["position"]} for item in reply["items"]]
    seen = {**common, "event_id": _event_id(basket, "seen"), "type": "impression", "occurred_at": _iso(basket.at - SEEN_BEFORE), "items": places}
    clicks = []
    for place in places:
        wanted = CLICKS_WHAT_IS_BOUGHT if place["item_id"] in basket.item_ids else CLICKS_ELSE / place["position"] ** 0.5
        if chance.random() < wanted:
            when = basket.at - CLICKED_BEFORE + timedelta(seconds=20 * place["position"])
            event_id = _event_id(basket, f"click-{place['position']}")
            clicks.append({**common, "event_id": event_id, "type": "click", "occurred_at": _iso(when), "items": [place]})
    return [seen, *clicks]


def _event_id(basket: Basket, what: str) -> str:
    return f"replay-{basket.key}-{what}"


def _iso(moment: datetime) -> str:
    return moment.isoformat()
