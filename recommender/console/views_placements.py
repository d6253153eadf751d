"""Placements: which earn?"""

import math
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from recommender.analytics import LOYAL_DAYS, Earned, Loyal, covered, earned, loyalty
from recommender.console.pages import need, open_shop, page, part
from recommender.models import Placement, Shop

PERIODS = (7, 28, 90)
USUAL_DAYS = 28
LINES = ("champion", "challenger", "popularity", "knn", "textonly")
"""Colours of the chart's lines."""


@dataclass(frozen=True)
class Row:
    """A placement and what its lists brought; `found` None where none went out."""

    key: str
    placement: Placement | None
    found: Earned | None
    products: int
    """Different products shown, in percent of all that may be shown."""

    @property
    def fallback(self) -> float:
        return 100 * self.found.fallback / self.found.lists

    @property
    def click_rate(self) -> float:
        return 100 * self.found.click_rate

    @property
    def conversion(self) -> float:
        return 100 * self.found.conversion

    @property
    def give_or_take(self) -> float:
        """Half a 95 % interval of the click rate, in points (normal approximation)."""
        rate = self.found.click_rate
        return 196 * math.sqrt(rate * (1 - rate) / self.found.lists)


def placements(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_placement")
    days, since, until = _period(request, shop)
    rows = _rows(shop, since, until)
    context = {
        "rows": rows, "days": days, "periods": PERIODS, "sentence": _sentence(shop, rows, days),
        "simulated": any(row.found and row.found.simulated for row in rows), "more": any(row.found for row in rows),
    }  # fmt: skip
    return page(request, shop, "placements", "Placements", **context)


def more(request: HttpRequest, shop: str) -> HttpResponse:
    """The lower half of the page, which is loaded after it: the chart, and who comes again."""
    shop = open_shop(request, shop)
    need(request, "recommender.view_placement")
    _, since, until = _period(request, shop)
    return part(request, "placements_more", chart=_chart(shop, since, until), loyal=_loyal_rows(shop, until))


def _period(request: HttpRequest, shop: Shop) -> tuple[int, date, date]:
    """(days, first, last)"""
    asked = request.GET.get("days", "")
    days = next((period for period in PERIODS if asked == str(period)), USUAL_DAYS)
    until = timezone.localdate(timezone=shop.zone)
    return days, until - timedelta(days=days - 1), until


def _loyal_rows(shop: Shop, until: date) -> list[dict]:
    """Nothing is counted before a list is old enough that its shoppers could have come again."""
    first = shop.served.aggregate(first=Min("created_at"))["first"]
    if first is None or timezone.now() - first < timedelta(days=min(LOYAL_DAYS)):
        return []
    return _loyal(loyalty(shop, until - timedelta(days=365), until))


def _rows(shop: Shop, since: date, until: date) -> list[Row]:
    found = {e.placement: e for e in earned(shop, since, until, ("placement",))}
    shown, showable = covered(shop, since, until), max(shop.products.showable().count(), 1)
    known = {p.key: p for p in shop.placements.all()}
    rows = [Row(key, known.get(key), found.get(key), round(100 * shown.get((key, None, None), 0) / showable)) for key in known.keys() | found.keys()]
    return sorted(rows, key=lambda row: (-(row.found.revenue if row.found else -1), row.key))


def _sentence(shop: Shop, rows: list[Row], days: int) -> str:
    if not rows:
        return "A placement is a spot in the shop that asks for products."
    asked = [row for row in rows if row.found]
    if not asked:
        return f"{len(rows)} placements; none was asked for a list in the last {days} days."
    best, silent = asked[0], len(rows) - len(asked)
    first = f"{_name(best)} earns most: {shop.currency} {best.found.revenue:,.0f} in {days} days." if best.found.revenue else "No purchase yet."
    rest = f" {silent} of {len(rows)} placements had no call." if silent else ""
    return first + rest


def _name(row: Row) -> str:
    return row.placement.name if row.placement else row.key or "Related products, by address"


def _chart(shop: Shop, since: date, until: date) -> dict | None:
    """The click rate of the busiest placements by day, or by week where there are many days; None before two of them have lists."""
    step = 1 if until - since < timedelta(days=USUAL_DAYS) else 7
    lists: Counter[tuple[str, int]] = Counter()
    clicked: Counter[tuple[str, int]] = Counter()
    for e in earned(shop, since, until, ("placement", "day")):
        at = e.placement, (e.day - since).days // step
        lists[at] += e.lists
        clicked[at] += e.clicked
    if len({when for _, when in lists}) < 2:
        return None
    totals: Counter[str] = Counter()
    for (key, _), number in lists.items():
        totals[key] += number
    starts = range((until - since).days // step + 1)
    series = [
        {"label": key or "items/related", "role": role, "data": [_percent(clicked[key, i], lists[key, i]) for i in starts]}
        for (key, _), role in zip(totals.most_common(len(LINES)), LINES, strict=False)
    ]
    days = [since + timedelta(days=step * i) for i in starts]
    labels = [f"{day.day} {day:%b}" for day in days]
    return {"labels": labels, "series": series, "y": "lists with a click, %", "zero": True, "step": "day" if step == 1 else "week"}


def _percent(part: float, whole: float) -> float | None:
    return round(100 * part / whole, 2) if whole else None


def _loyal(found: list[Loyal]) -> list[dict]:
    """Who bought again and who came back, per placement, beside the whole shop; (share in percent, of how many) after each of LOYAL_DAYS."""
    rows: dict[tuple, dict] = {}
    for told in found:
        row = rows.setdefault((told.anywhere, told.placement), {"anywhere": told.anywhere, "placement": told.placement, "bought": {}, "came": {}})
        row["bought"][told.days], row["came"][told.days] = _share(told.again, told.buyers), _share(told.returned, told.shoppers)
    parts = [row | {name: [row[name].get(days) for days in LOYAL_DAYS] for name in ("bought", "came")} for row in rows.values()]
    return parts if len(parts) > 1 else []


def _share(part: int, whole: int) -> tuple[int, int] | None:
    return (round(100 * part / whole), whole) if whole else None
