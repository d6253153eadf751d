"""Surges of opinions become alerts, by the rules of the shop.

Of each rule, every topic of each value of its dimension is a series. Yesterday and today so far are
tested against the days before (`training.opinions.surges` has the statistics and their sources).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from recommender.inference.surges import FoundSurge, surges_of
from recommender.models import Alert, OpinionCount, Shop, SurgeRule
from recommender.models.opinions import JUDGED, Polarity
from recommender.monitoring.alerts import raise_alert
from recommender.reviews.opinions import Selection, best_quotes, topic_names

HISTORY = 56
"""Days before a tested day."""
QUIET = timedelta(days=7)
"""Days without another surge after which an alert closes by itself."""
MOST_SERIES, MOST_IN_PREVIEW = 20_000, 1_000
"""Series of a rule, those with the most opinions; fewer in a preview, which tests many days."""
QUOTES = 5
PREVIEW_DAYS = 90
USUAL_RULES = (
    ("Complaints on a topic", OpinionCount.ALL),
    ("Complaints about a product", OpinionCount.ITEM),
)
"""Rules that a shop starts with."""


@dataclass(frozen=True)
class SurgeFound:
    """A surge of a rule's series on a day."""

    day: date
    topic: str
    value: str
    numbers: FoundSurge


@dataclass(frozen=True)
class _Series:
    """Opinions of a rule by day, from the first day with any. keys: (topic, value); counts, totals:
    per key, of each day.
    """

    first: date
    keys: list[tuple[str, str]]
    counts: list[list[int]]
    totals: list[list[int]]

    def until(self, day: date) -> "tuple[list[list[int]], list[list[int]], int]":
        """(counts, totals, weekday of the first day) of the days that end on this one."""
        end = max(0, (day - self.first).days + 1)
        begin = max(0, end - HISTORY - 1)
        first = self.first + timedelta(days=begin)
        return (
            [row[begin:end] for row in self.counts],
            [row[begin:end] for row in self.totals],
            first.weekday(),
        )


def watch(shop: Shop) -> int:
    """Test yesterday and today by all active rules; returns the number of alerts opened."""
    make_usual_rules(shop)
    today = timezone.localdate(timezone=shop.zone)
    opened = 0
    for rule in shop.surge_rules.filter(active=True):
        for found in surges_between(rule, today - timedelta(days=1), today):
            opened += _raise(rule, found)
    _close_quiet(shop, today)
    return opened


def make_usual_rules(shop: Shop) -> None:
    """Create the rules that a shop starts with, once: a shop without rules has deleted them."""
    if shop.opinions.exists() and not shop.has_surge_rules:
        for name, dimension in USUAL_RULES:
            SurgeRule.objects.get_or_create(shop=shop, name=name, defaults={"dimension": dimension})
        shop.has_surge_rules = True
        shop.save(update_fields=["has_surge_rules"])


def surges_between(
    rule: SurgeRule, since: date, until: date, most: int = MOST_SERIES
) -> Iterator[SurgeFound]:
    """The surges of a rule on these days, inclusive, in the order of days."""
    series = _series_of(rule, since - timedelta(days=HISTORY), until, most)
    day = max(since, series.first)
    while day <= until:
        counts, totals, weekday = series.until(day)
        for found in surges_of(counts, totals, weekday, rule.rate, rule.fewest):
            topic, value = series.keys[found.series]
            yield SurgeFound(day, topic, value, found)
        day += timedelta(days=1)


def preview(rule: SurgeRule, days: int = PREVIEW_DAYS) -> list[SurgeFound]:
    """What a rule, saved or not, would have raised in the last days, newest first."""
    until = timezone.localdate(timezone=rule.shop.zone)
    since = until - timedelta(days=days - 1)
    return list(surges_between(rule, since, until, MOST_IN_PREVIEW))[::-1]


def _series_of(rule: SurgeRule, since: date, until: date, most: int) -> _Series:
    rows = OpinionCount.objects.filter(
        shop=rule.shop, dimension=rule.dimension, day__range=(since, until), count__gt=0
    ).filter(polarity__in=JUDGED)
    if rule.topics:
        rows = rows.filter(topic__in=rule.topics)
    length = (until - since).days + 1
    counts: dict[tuple[str, str], list[int]] = {}
    totals: dict[tuple[str, str], list[int]] = {}
    fields = ("topic", "value", "day", "polarity", "count")
    for topic, value, day, polarity, count in rows.values_list(*fields).iterator(50_000):
        key, at = (topic, value), (day - since).days
        if key not in totals:
            totals[key], counts[key] = [0] * length, [0] * length
        totals[key][at] += count
        if polarity == rule.polarity:
            counts[key][at] += count
    keys = [key for key in counts if any(counts[key])]
    if len(keys) > most:
        keys = sorted(keys, key=lambda key: -sum(counts[key]))[:most]
    keys.sort()
    began = next((i for i, day in enumerate(zip(*totals.values(), strict=True)) if any(day)), 0)
    return _Series(
        since + timedelta(days=began),
        keys,
        [counts[key][began:] for key in keys],
        [totals[key][began:] for key in keys],
    )


def _raise(rule: SurgeRule, found: SurgeFound) -> bool:
    """Open an alert of a surge, or add the day to the one that is open; False where it was known,
    or where the series is muted.
    """
    shop, day = rule.shop, found.day.isoformat()
    subject = subject_of(shop, found.topic, found.value)
    known = shop.alerts.filter(kind=Alert.SURGE, subject=subject)
    if known.filter(details__days__contains=[day]).exists():
        return False
    details = _details(rule, found)
    current = known.filter(until=None).first()
    if current is not None:
        current.details = details | {"days": [*current.details["days"], day]}
        current.message = message_of(rule, found)
        current.save(update_fields=["details", "message"])
        return False
    if known.filter(muted_until__gt=timezone.now()).exists():
        return False
    return bool(
        raise_alert(shop, Alert.SURGE, subject, message_of(rule, found), details, rule.mail)
    )


def subject_of(shop: Shop, topic: str, value: str) -> str:
    """The series in words: the topic, and the value of the rule's dimension."""
    name = topic_names(shop).get(topic, topic)
    return f"{name}: {value}" if value else name


def message_of(rule: SurgeRule, found: SurgeFound) -> str:
    numbers, what = found.numbers, rule.get_polarity_display()
    return (
        f"{numbers.count:,} {what} on {found.day:%-d %B}, {numbers.expected:.1f} are usual on a "
        f"{found.day:%A}; {numbers.share:.0%} of the opinions, usually {numbers.usual_share:.0%} "
        f"(rule “{rule.name}”, q = {numbers.q:.2g})."
    )


def _details(rule: SurgeRule, found: SurgeFound) -> dict[str, Any]:
    selection = Selection(found.day, found.day, rule.dimension, found.value, found.topic)
    evidence = best_quotes(rule.shop, selection, rule.polarity, QUOTES)
    return {
        "rule": rule.name,
        "topic": found.topic,
        "dimension": rule.dimension,
        "value": found.value,
        "polarity": Polarity(rule.polarity).label,
        "days": [found.day.isoformat()],
        "count": found.numbers.count,
        "expected": round(found.numbers.expected, 2),
        "share": round(found.numbers.share, 4),
        "usual_share": round(found.numbers.usual_share, 4),
        "q": found.numbers.q,
        "quotes": [
            {"text": quote.text, "review_id": quote.opinion.review.review_id} for quote in evidence
        ],
    }


def _close_quiet(shop: Shop, today: date) -> None:
    """Close alerts whose last surge is QUIET days old."""
    for alert in shop.alerts.open().filter(kind=Alert.SURGE):
        days: Sequence[str] = alert.details.get("days", [])
        if not days or date.fromisoformat(days[-1]) <= today - QUIET:
            alert.close(None)
