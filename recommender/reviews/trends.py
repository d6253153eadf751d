"""Trends of opinions by day, with the usual range of the weekday and the days that surged."""

from dataclasses import dataclass
from datetime import date, timedelta

from recommender.inference.surges import usual_band
from recommender.models import Alert, Shop
from recommender.reviews.opinions import Counts, Selection, by_day

HISTORY = timedelta(days=56)
FEWEST_DAYS = 14
"""Days since the first opinion from which on a usual range is known."""


@dataclass(frozen=True)
class TrendDay:
    """A day: its opinions, and the range in which 95 % of the weekday's negative ones are."""

    day: date
    counts: Counts
    low: float
    high: float
    surges: bool


@dataclass(frozen=True)
class Trend:
    """is_known: the days before say what is usual."""

    days: list[TrendDay]
    is_known: bool

    @property
    def has_opinions(self) -> bool:
        return any(day.counts.judged for day in self.days)


def trend_of(shop: Shop, selection: Selection) -> Trend:
    """The days of a selection; the usual range is that of these days and of HISTORY before."""
    longer = Selection(
        selection.since - HISTORY,
        selection.until,
        selection.dimension,
        selection.value,
        selection.topic,
    )
    days = by_day(shop, longer)
    began = next((day for day, counts in days.items() if counts.judged), selection.since)
    days = {day: counts for day, counts in days.items() if day >= min(began, selection.since)}
    first = min(days)
    band = usual_band([counts.negative for counts in days.values()], first.weekday())
    surged = surge_days(shop, selection)
    out = [
        TrendDay(day, counts, low, high, day in surged)
        for (day, counts), (low, _, high) in zip(days.items(), band, strict=True)
        if day >= selection.since
    ]
    return Trend(out, (selection.until - began).days >= FEWEST_DAYS)


def surge_days(shop: Shop, selection: Selection) -> set[date]:
    """Days on which an alert reported a surge of this selection's series."""
    alerts = shop.alerts.filter(
        kind=Alert.SURGE,
        details__dimension=selection.dimension,
        details__value=selection.value,
    )
    if selection.topic is not None:
        alerts = alerts.filter(details__topic=selection.topic)
    days = {
        date.fromisoformat(day) for (days,) in alerts.values_list("details__days") for day in days
    }
    return {day for day in days if selection.since <= day <= selection.until}
