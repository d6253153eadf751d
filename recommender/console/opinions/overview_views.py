"""Opinions: what people say by topic, polarity and day, and about which products."""

from collections.abc import Collection
from typing import Any

from django.http import HttpRequest, HttpResponse

from recommender.console.opinions.selections import (
    DIMENSIONS,
    PERIODS,
    Shown,
    counted,
    product_link,
    shown_of,
    titles_of,
)
from recommender.console.pages import need, open_shop, page
from recommender.experiments.intervals import difference
from recommender.models import OpinionCount, Shop
from recommender.models.opinions import Polarity
from recommender.reviews import judging, opinions, trends
from recommender.reviews.opinions import Counts

MOST_LEADERS = 10
VIEW = "recommender.view_opinion"


def overview(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, VIEW)
    shown = shown_of(request, shop)
    total = opinions.total_of(shop, shown.selection)
    before = opinions.total_of(shop, shown.before)
    names = opinions.topic_names(shop)
    return page(
        request,
        shop,
        "opinions/overview",
        "Opinions",
        shown=shown,
        periods=[(days, shown.query(days=days)) for days in PERIODS],
        dimensions=DIMENSIONS,
        sentence=_sentence(shop, shown, total, names),
        rows=[
            _row(shown, topic, counts, before.topics.get(topic, Counts()), names)
            for topic, counts in total.topics.items()
        ],
        total=total,
        topic=names.get(shown.selection.topic, shown.selection.topic),
        without_topic=shown.query(topic=None),
        without_value=shown.query(by=None, value=None),
        chart=trend_chart(shop, shown),
        leaders=_leaders(shop, shown, total.topics) if not shown.dimension else [],
        pending=shop.reviews.pending().count(),
        has_judge=shop.champion(judging.OPINION) is not None,
        reading=shown.query(polarity="negative"),
        unjudged=shown.query(polarity="not_judged", topic=None),
    )


def _sentence(shop: Shop, shown: Shown, total: opinions.Total, names: dict[str, str]) -> str:
    if not total.judged:
        return f"There are no judged opinions in the last {shown.days} days."
    negative = [(c.negative, topic) for topic, c in total.topics.items() if topic]
    worst = max(negative, default=(0, ""))
    text = (
        f"{counted(total.judged, 'opinion')} in {shown.days} days, "
        f"{total.share('negative'):.0%} negative"
    )
    if worst[0]:
        text += f", most of them on {names.get(worst[1], worst[1]).lower()}"
    return f"{text}."


def _row(
    shown: Shown, topic: str, counts: Counts, before: Counts, names: dict[str, str]
) -> dict[str, Any]:
    """A row of the heat map."""
    low, high = counts.interval("negative")
    return {
        "topic": topic,
        "name": names.get(topic, topic),
        "query": shown.query(topic=topic),
        "cells": [
            {
                "polarity": name,
                "count": getattr(counts, name),
                "shade": round(100 * counts.share(name)),
                "query": shown.query(topic=topic, polarity=name),
            }
            for name in ("negative", "neutral", "positive")
        ],
        "share": counts.share("negative"),
        "low": low,
        "high": high,
        "change": _change(counts, before),
    }


def _change(now: Counts, before: Counts) -> dict[str, Any] | None:
    """The change of the negative share against the days before, where it is beyond chance."""
    if not before.judged:
        return None
    pair = ((one.share("negative"), one.judged) for one in (now, before))
    low, high = difference(*pair)
    points = 100 * (now.share("negative") - before.share("negative"))
    return {"points": points, "clear": low > 0 or high < 0, "worse": points > 0}


def trend_chart(shop: Shop, shown: Shown) -> dict[str, Any] | None:
    """Opinions by day, with the usual range of negative ones; None without opinions."""
    trend = trends.trend_of(shop, shown.selection)
    if not trend.has_opinions:
        return None
    negative = {
        "role": "challenger",
        "label": "negative",
        "data": [day.counts.negative for day in trend.days],
        "low": [day.low for day in trend.days] if trend.is_known else None,
        "high": [day.high for day in trend.days] if trend.is_known else None,
    }
    positive = {
        "role": "knn",
        "label": "positive",
        "data": [day.counts.positive for day in trend.days],
    }
    surges = [day for day in trend.days if day.surges]
    note = "Band: the usual number of negative opinions of the weekday, 95 %." * trend.is_known
    if surges:
        note += " Surges: " + ", ".join(
            f"{day.day:%-d %B} ({day.counts.negative})" for day in surges
        )
        note += "."
    return {
        "caption": "Opinions by day",
        "alt": f"Negative and positive opinions by day, with {len(surges)} surges",
        "labels": [f"{day.day:%-d %b}" for day in trend.days],
        "y": "opinions",
        "zero": True,
        "series": [negative, positive]
        + [
            {
                "role": "textonly",
                "label": "surge",
                "data": [day.counts.negative if day.surges else None for day in trend.days],
                "points": True,
            }
        ]
        * bool(surges),
        "note": note,
    }


def _leaders(shop: Shop, shown: Shown, topics: Collection[str]) -> list[dict[str, Any]]:
    """The products, categories, brands and channels with the most negative opinions."""
    tables = []
    for dimension in (OpinionCount.ITEM, OpinionCount.CATEGORY, OpinionCount.CHANNEL):
        found = opinions.by_value(
            shop, shown.selection, dimension, topics, Polarity.NEGATIVE, MOST_LEADERS
        )
        titles = titles_of(shop, found) if dimension == OpinionCount.ITEM else {}
        rows = [
            {
                "name": titles.get(value, value),
                "counts": counts,
                "share": counts.share("negative"),
                "item_id": value if dimension == OpinionCount.ITEM else "",
                "link": product_link(shop, value),
                "query": shown.query(by=dimension, value=value),
            }
            for value, counts in found.items()
        ]
        if rows:
            tables.append({"title": TITLES[dimension], "rows": rows})
    return tables


TITLES = {
    OpinionCount.ITEM: "Products with the most complaints",
    OpinionCount.CATEGORY: "Categories with the most complaints",
    OpinionCount.CHANNEL: "Channels with the most complaints",
}
