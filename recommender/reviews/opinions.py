"""Opinions in aggregate: by topic, day and dimension, from the counts that triggers keep; and the
clauses behind them as evidence.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from django.db.models import Case, F, QuerySet, Sum, TextField, Value, When
from django.db.models.functions import Concat, Substr

from recommender.experiments.intervals import wilson
from recommender.inference import opinion_model
from recommender.models import Opinion, OpinionCount, Shop
from recommender.models.opinions import GENERAL, JUDGED, Polarity

NAMES = {one.value: one.label for one in Polarity}
"""Words of the polarities."""


@dataclass(frozen=True)
class Selection:
    """Opinions of these days, inclusive, of one value of a dimension; usually of all.

    topic: None: of any topic
    """

    since: date
    until: date
    dimension: str = OpinionCount.ALL
    value: str = ""
    topic: str | None = None

    def of_topic(self, topic: str) -> "Selection":
        return replace(self, topic=topic)

    def moved(self, days: int) -> "Selection":
        """The same of days that are so much later; earlier, where negative."""
        by = timedelta(days=days)
        return replace(self, since=self.since + by, until=self.until + by)

    def counts(self, shop: Shop) -> QuerySet[OpinionCount]:
        rows = shop.opinion_counts.filter(
            dimension=self.dimension,
            value=self.value,
            day__range=(self.since, self.until),
            count__gt=0,
        )
        return rows if self.topic is None else rows.filter(topic=self.topic)

    def opinions(self, shop: Shop) -> QuerySet[Opinion]:
        """Rows of these opinions, newest first."""
        rows = shop.opinions.filter(day__range=(self.since, self.until))
        if self.dimension == OpinionCount.CATEGORY:
            rows = rows.filter(categories__contains=[self.value])
        elif self.dimension != OpinionCount.ALL:
            column = "item_id" if self.dimension == OpinionCount.ITEM else self.dimension
            rows = rows.filter(**{column: self.value})
        rows = rows if self.topic is None else rows.filter(topic=self.topic)
        return rows.order_by("-day", "-pk")


@dataclass
class Counts:
    """Numbers of opinions by polarity."""

    negative: int = 0
    neutral: int = 0
    positive: int = 0
    not_judged: int = 0

    def add(self, polarity: int, count: int) -> None:
        name = Polarity(polarity).key
        setattr(self, name, getattr(self, name) + count)

    @property
    def judged(self) -> int:
        return self.negative + self.neutral + self.positive

    def share(self, polarity: str) -> float | None:
        """Share of a polarity among the judged opinions; None without any."""
        return getattr(self, polarity) / self.judged if self.judged else None

    def interval(self, polarity: str) -> tuple[float, float] | None:
        """95 % interval of the share (Wilson); None without opinions."""
        return wilson(getattr(self, polarity) / self.judged, self.judged) if self.judged else None


@dataclass
class Total(Counts):
    """Opinions of a selection, and those of each topic, the most frequent first."""

    topics: dict[str, Counts] = field(default_factory=dict)


@dataclass(frozen=True)
class Quote:
    """A clause as evidence of an opinion."""

    opinion: Opinion
    text: str

    @property
    def polarity(self) -> str:
        return NAMES[self.opinion.polarity]


def topic_names(shop: Shop) -> dict[str, str]:
    """Names of the shop's topics by key, its own or the default ones; and of general opinions."""
    own = dict(shop.topics.values_list("key", "name"))
    default = {topic["key"]: topic["name"] for topic in opinion_model.default_topics()}
    return (own or default) | {GENERAL: "General"}


def total_of(shop: Shop, selection: Selection) -> Total:
    """Numbers by topic and polarity."""
    total = Total()
    rows = selection.counts(shop).values("topic", "polarity").annotate(n=Sum("count"))
    for row in rows.order_by():
        total.add(row["polarity"], row["n"])
        if row["polarity"] in JUDGED:
            total.topics.setdefault(row["topic"], Counts()).add(row["polarity"], row["n"])
    ordered = sorted(total.topics.items(), key=lambda pair: (-pair[1].judged, pair[0]))
    total.topics = dict(ordered)
    return total


def by_day(shop: Shop, selection: Selection) -> dict[date, Counts]:
    """Numbers of each day, with those without opinions."""
    length = (selection.until - selection.since).days + 1
    days = {selection.since + timedelta(days=i): Counts() for i in range(length)}
    rows = selection.counts(shop).values("day", "polarity").annotate(n=Sum("count"))
    for row in rows.order_by():
        days[row["day"]].add(row["polarity"], row["n"])
    return days


def by_value(
    shop: Shop,
    selection: Selection,
    dimension: str,
    topics: Collection[str],
    polarity: int,
    most: int,
) -> dict[str, Counts]:
    """The products, brands, categories or channels with the most opinions of a polarity on these
    topics, on the days of the selection.
    """
    rows = shop.opinion_counts.filter(
        dimension=dimension, day__range=(selection.since, selection.until)
    )
    of_topic = rows.filter(topic__in=list(topics))
    leading = of_topic.filter(polarity=polarity).values("value").annotate(n=Sum("count"))
    values = [r["value"] for r in leading.filter(n__gt=0).order_by("-n", "value")[:most]]
    out = {value: Counts() for value in values}
    counted = of_topic.filter(value__in=values).values("value", "polarity")
    for row in counted.annotate(n=Sum("count")).order_by():
        out[row["value"]].add(row["polarity"], row["n"])
    return out


def quotes(rows: QuerySet[Opinion], most: int | None) -> list[Quote]:
    """The first of these opinions (None: all) with the words of their clause."""
    whole = Case(
        When(review__title="", then=F("review__text")),
        default=Concat("review__title", Value("\n", TextField()), "review__text"),
    )
    chosen = rows.select_related("review").defer("review__text", "review__title")
    clause = Substr(whole, F("begin") + 1, F("end") - F("begin"))
    return [Quote(row, row.clause) for row in chosen.annotate(clause=clause)[:most]]


def best_quotes(
    shop: Shop, selection: Selection, polarity: int, most: int, newest: int = 50
) -> list[Quote]:
    """Of the newest opinions of a polarity, the most confident ones, each text once."""
    found = quotes(selection.opinions(shop).filter(polarity=polarity), newest)
    first: dict[str, Quote] = {}
    for one in sorted(found, key=lambda one: -one.opinion.confidence):
        first.setdefault(one.text.lower(), one)
    return list(first.values())[:most]
