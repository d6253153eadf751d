"""Placements: exposure, click rate, attributed orders and revenue."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Count, Min
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from recommender.analytics.attribution import (
    LOYAL_DAYS,
    Attribution,
    Loyalty,
    attributed_results,
    coverage,
    loyalty,
)
from recommender.console.pages import need, open_shop, page, part
from recommender.experiments.intervals import difference
from recommender.models import Placement, Shop

PERIODS = (7, 28, 90)
USUAL_DAYS = 28
FEWEST = 100
"""Minimum number of lists for a rate."""
FEWEST_OF_A_POINT = 10
"""Minimum number of lists for a point of the chart."""
TRAFFIC = {"real": "Real traffic", "simulated": "Simulated traffic"}
LINES = ("champion", "challenger", "popularity", "knn", "textonly")
"""Colors of the chart's lines."""


@dataclass(frozen=True)
class Row:
    """One row of the table: a placement and its results; `results` is None without exposures."""

    key: str
    placement: Placement | None
    results: Attribution | None
    products: int
    """Distinct exposed products in percent of all eligible ones."""

    @property
    def fallback(self) -> float:
        return 100 * self.results.fallback / self.results.lists

    @property
    def click_rate(self) -> float:
        return 100 * self.results.click_rate

    @property
    def conversion(self) -> float:
        return 100 * self.results.conversion

    @property
    def too_few(self) -> bool:
        return self.results.effective < FEWEST

    @property
    def interval(self) -> str:
        """95 % interval of the click rate, in percent."""
        return " to ".join(f"{100 * bound:.1f}" for bound in self.results.click_interval)


@dataclass(frozen=True)
class Period:
    """Period and traffic kind of the page. Simulated lists are never added to real ones."""

    days: int
    since: date
    until: date
    simulated: bool
    both: bool
    """Whether there are lists of both kinds."""

    @property
    def traffic(self) -> str:
        return "simulated" if self.simulated else "real"

    @property
    def query(self) -> str:
        return f"?days={self.days}" + (f"&traffic={self.traffic}" if self.both else "")


def placements(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_placement")
    period = _period(request, shop)
    rows = _rows(shop, period)
    context = {
        "rows": rows,
        "period": period,
        "periods": PERIODS,
        "traffic": TRAFFIC if period.both else {},
        "sentence": _sentence(shop, rows, period.days),
        "stands_out": _stands_out(rows),
        "fewest": FEWEST,
        "more": any(row.results for row in rows),
    }
    return page(request, shop, "placements/placements", "Placements", **context)


def more(request: HttpRequest, shop: str) -> HttpResponse:
    """The lower half of the page, loaded afterwards: the chart, and the loyalty table."""
    shop = open_shop(request, shop)
    need(request, "recommender.view_placement")
    period = _period(request, shop)
    return part(
        request, "placements/_more", chart=_chart(shop, period), loyal=_loyal_rows(shop, period)
    )


def _period(request: HttpRequest, shop: Shop) -> Period:
    """Period from the query string. Default traffic: the kind with more lists."""
    days_text = request.GET.get("days", "")
    days = next((period for period in PERIODS if days_text == str(period)), USUAL_DAYS)
    until = timezone.localdate(timezone=shop.zone)
    since = until - timedelta(days=days - 1)
    kinds = [kind for kind in (True, False) if shop.served.filter(simulated=kind).exists()]
    both = len(kinds) == 2
    if not both:
        simulated = kinds == [True]
    elif request.GET.get("traffic") in TRAFFIC:
        simulated = request.GET["traffic"] == "simulated"
    else:
        lately = shop.served.filter(created_at__gte=datetime.combine(since, time.min, shop.zone))
        counts = dict(lately.order_by().values_list("simulated").annotate(n=Count("pk")))
        simulated = counts.get(True, 0) > counts.get(False, 0)
    return Period(days, since, until, simulated, both)


def _loyal_rows(shop: Shop, period: Period) -> list[dict]:
    """Rows of the loyalty table. Lists count once they are old enough for a return."""
    first = shop.served.filter(simulated=period.simulated).aggregate(first=Min("created_at"))[
        "first"
    ]
    if first is None or timezone.now() - first < timedelta(days=min(LOYAL_DAYS)):
        return []
    return _loyal(
        loyalty(shop, period.until - timedelta(days=365), period.until, simulated=period.simulated)
    )


def _rows(shop: Shop, period: Period) -> list[Row]:
    selection = shop, period.since, period.until, ("placement",), period.simulated
    results = {e.placement: e for e in attributed_results(*selection)}
    shown, showable = coverage(*selection), max(shop.products.showable().count(), 1)
    known = {p.key: p for p in shop.placements.all()}
    rows = [
        Row(
            key,
            known.get(key),
            results.get(key),
            round(100 * shown.get((key, None, None), 0) / showable),
        )
        for key in known.keys() | results.keys()
    ]
    return sorted(rows, key=lambda row: (-(row.results.revenue if row.results else -1), row.key))


def _sentence(shop: Shop, rows: list[Row], days: int) -> str:
    if not rows:
        return "A placement is a spot in the shop that asks for products."
    shown_rows = [row for row in rows if row.results]
    if not shown_rows:
        return f"{len(rows)} placements; none served a list in the last {days} days."
    best, silent = shown_rows[0], len(rows) - len(shown_rows)
    first = (
        f"{_name(best)} earns most: {shop.currency} {best.results.revenue:,.0f} in {days} days."
        if best.results.revenue
        else "No purchase yet."
    )
    rest = f" {silent} of {len(rows)} placements had no call." if silent else ""
    return first + rest


def _stands_out(rows: list[Row]) -> str:
    """The placement whose click rate is significantly above that of the others together, with
    Bonferroni correction.
    """
    measured = [row for row in rows if row.results and not row.too_few]
    if len(measured) < 2:
        return ""
    level, best, surest = 1 - 0.05 / len(measured), None, 0.0
    for row in measured:
        others = [other.results for other in measured if other is not row]
        lists = sum(other.lists for other in others)
        draws = lists**2 / sum(
            other.lists**2 / other.effective for other in others
        )  # Kish's size of all of them
        rate = sum(other.clicked for other in others) / lists
        low, _ = difference((row.results.click_rate, row.results.effective), (rate, draws), level)
        if low > surest:
            surest, best = low, (row, rate)
    if best is None:
        return "No placement is clicked more often than the others by more than chance."
    row, rate = best
    times = f", {row.results.click_rate / rate:.1f} times as often" if rate else ""
    return (
        f"{_name(row)} is clicked more often than the other placements: {row.click_rate:.1f} % "
        f"of its lists against {100 * rate:.1f} %{times}."
    )


def _name(row: Row) -> str:
    return row.placement.name if row.placement else row.key or "Related products, by address"


def _chart(shop: Shop, period: Period) -> dict | None:
    """Chart data: click rate of the busiest placements by day, or by week with many days. None
    until two of them have enough lists.
    """
    since, until = period.since, period.until
    step = 1 if until - since < timedelta(days=USUAL_DAYS) else 7
    lists: Counter[tuple[str, int]] = Counter()
    clicked: Counter[tuple[str, int]] = Counter()
    for e in attributed_results(shop, since, until, ("placement", "day"), period.simulated):
        at = e.placement, (e.day - since).days // step
        lists[at] += e.lists
        clicked[at] += e.clicked
    if len({when for (_, when), number in lists.items() if number >= FEWEST_OF_A_POINT}) < 2:
        return None
    totals: Counter[str] = Counter()
    for (key, _), number in lists.items():
        totals[key] += number
    names = dict(shop.placements.values_list("key", "name"))
    starts = range((until - since).days // step + 1)
    series = [
        {
            "label": names.get(key, key or "items/related"),
            "role": role,
            "data": [_percent(clicked[key, i], lists[key, i]) for i in starts],
        }
        for (key, _), role in zip(totals.most_common(len(LINES)), LINES, strict=False)
    ]
    days = [since + timedelta(days=step * i) for i in starts]
    labels = [f"{day.day} {day:%b}" for day in days]
    unit = "day" if step == 1 else "week"
    return {
        "caption": f"Click rate by {unit}",
        "alt": f"Click rate of each placement by {unit}",
        "labels": labels,
        "series": series,
        "y": "lists with a click, %",
        "zero": True,
    }


def _percent(part: float, whole: float) -> float | None:
    """Rate in percent; None (a gap in the line) with too few lists."""
    return round(100 * part / whole, 2) if whole >= FEWEST_OF_A_POINT else None


def _loyal(entries: list[Loyalty]) -> list[dict]:
    """Repurchase and return rates per placement and of the whole shop: (percent, base) after each
    of LOYAL_DAYS.
    """
    rows: dict[tuple, dict] = {}
    for entry in entries:
        row = rows.setdefault(
            (entry.anywhere, entry.placement),
            {"anywhere": entry.anywhere, "placement": entry.placement, "bought": {}, "came": {}},
        )
        row["bought"][entry.days], row["came"][entry.days] = (
            _share(entry.again, entry.buyers),
            _share(entry.returned, entry.shoppers),
        )
    parts = [
        row | {name: [row[name].get(days) for days in LOYAL_DAYS] for name in ("bought", "came")}
        for row in rows.values()
    ]
    return parts if len(parts) > 1 else []


def _share(part: int, whole: int) -> tuple[int, int] | None:
    return (round(100 * part / whole), whole) if whole else None
