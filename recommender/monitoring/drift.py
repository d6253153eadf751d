"""Drift: missing events, shifts of event types and scores, falling click rates.

Shares are compared by the population stability index, of which 0.25 is commonly taken for a major
shift (Siddiqi 2006, Credit Risk Scorecards); click rates by a two-proportion z-test together with
the size of the fall.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Exists, F, OuterRef, Sum
from django.utils import timezone

from recommender.models import Alert, Event, RecommendationList, ServedList, Shop

MAJOR = 0.25
LATELY, BEFORE = timedelta(days=7), timedelta(days=28)
FEWEST_EVENTS, FEWEST_LISTS, BUSY_A_DAY = 500, 500, 100
SILENT = timedelta(days=1)
FALL, SURE = 0.3, 4.0
BINS = 10


@dataclass(frozen=True)
class Finding:
    """One checked subject; `message` says what is wrong, for merchandisers; None where nothing
    is.
    """

    kind: str
    subject: str
    message: str | None


def stability(before: dict[str, float], now: dict[str, float]) -> float:
    """The population stability index of two sets of counts; 0 for equal shares."""
    names = before.keys() | now.keys()

    def share(counts, name):
        return (counts.get(name, 0) + 0.5) / (sum(counts.values()) + 0.5 * len(names))

    return sum(
        (share(now, n) - share(before, n)) * math.log(share(now, n) / share(before, n))
        for n in names
    )


def findings(shop: Shop) -> Iterator[Finding]:
    yield from _events(shop)
    yield from _scores(shop)
    yield from _clicks(shop)


def _events(shop: Shop) -> Iterator[Finding]:
    now = timezone.now()
    real = Event.objects.of(shop).filter(simulated=False)
    lately = dict(
        real.filter(received_at__gte=now - LATELY).values_list("type").annotate(Count("id"))
    )
    earlier = real.filter(received_at__gte=now - LATELY - BEFORE, received_at__lt=now - LATELY)
    before = dict(earlier.values_list("type").annotate(Count("id")))
    busy = sum(lately.values()) + sum(before.values()) >= BUSY_A_DAY * (LATELY + BEFORE).days
    last = (
        real.filter(received_at__gte=now - LATELY - BEFORE)
        .order_by("-received_at")
        .values_list("received_at", flat=True)
        .first()
    )
    silent = busy and last is not None and last < now - SILENT
    words = (
        f"The last event arrived on {last:%-d %B at %H:%M} UTC. Is the shop still sending them?"
        if silent
        else None
    )
    yield Finding(Alert.SILENCE, "", words)
    if min(sum(lately.values()), sum(before.values())) >= FEWEST_EVENTS:
        shifted = stability(before, lately) > MAJOR
        yield Finding(Alert.INPUT, "", _shift(before, lately) if shifted else None)


def _shift(before: dict[str, int], now: dict[str, int]) -> str:
    """The event type whose share moved most, in words."""

    def share(counts, name):
        return counts.get(name, 0) / max(1, sum(counts.values()))

    name = max(before.keys() | now.keys(), key=lambda n: abs(share(now, n) - share(before, n)))
    return (
        f"“{name}” makes up {share(now, name):.0%} of this week’s events, "
        f"{share(before, name):.0%} in the four weeks before."
    )


def _scores(shop: Shop) -> Iterator[Finding]:
    """Distribution of the best scores of precomputed lists, in deciles of the version's first
    ones.
    """
    version = shop.champion()
    if version is None:
        return
    rows = RecommendationList.objects.filter(version=version).values_list(
        "items__0__score", flat=True
    )[:20_000]
    tops = [score for score in rows if score is not None]
    if len(tops) < FEWEST_LISTS:
        return
    if not version.score_shape:
        ordered = sorted(tops)
        cuts = [ordered[len(ordered) * i // BINS] for i in range(1, BINS)]
        version.score_shape = {"cuts": cuts, "counts": _binned(tops, cuts)}
        version.save(update_fields=["score_shape"])
    moved = stability(version.score_shape["counts"], _binned(tops, version.score_shape["cuts"]))
    words = (
        (
            f"Scores of {version} have another distribution than at its promotion. A new "
            "training may be due."
        )
        if moved > MAJOR
        else None
    )
    yield Finding(Alert.SCORES, str(version), words)


def _binned(values: list[float], cuts: list[float]) -> dict[str, int]:
    counts = {str(i): 0 for i in range(len(cuts) + 1)}
    for value in values:
        counts[str(sum(value >= cut for cut in cuts))] += 1
    return counts


def _clicks(shop: Shop) -> Iterator[Finding]:
    now = timezone.now()
    rates = {}
    for name, since, until in (
        ("now", now - LATELY, now),
        ("before", now - LATELY - BEFORE, now - LATELY),
    ):
        lists = (
            ServedList.objects.of(shop)
            .filter(simulated=False, created_at__gte=since, created_at__lt=until)
            .exclude(placement="")
        )
        clicked = Event.objects.filter(
            shop=shop, recommendation_id=OuterRef("recommendation_id"), type="click"
        )
        counts = (
            lists.annotate(clicked=Exists(clicked))
            .values("placement", "clicked")
            .annotate(n=Sum(F("weight")))
        )
        for row in counts:
            rates.setdefault(row["placement"], {}).setdefault(name, {})[row["clicked"]] = row["n"]
    for placement, both in rates.items():
        if min(sum(both.get(name, {}).values()) for name in ("now", "before")) >= FEWEST_LISTS:
            yield Finding(Alert.CLICKS, placement, _fall(both["before"], both["now"]))


def _fall(before: dict[bool, float], now: dict[bool, float]) -> str | None:
    n, m = sum(before.values()), sum(now.values())
    p, q = before.get(True, 0) / n, now.get(True, 0) / m
    pooled = (before.get(True, 0) + now.get(True, 0)) / (n + m)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    if not error or (p - q) / error < SURE or q > p * (1 - FALL):
        return None
    return f"{q:.1%} of this week’s lists were clicked, {p:.1%} in the four weeks before."
