"""What people say about a product; and two products, or two periods, side by side."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from recommender.console.opinions.overview_views import VIEW, trend_chart
from recommender.console.opinions.selections import (
    PERIODS,
    Shown,
    counted,
    shown_of,
    titles_of,
)
from recommender.console.pages import need, open_shop, page
from recommender.experiments.intervals import difference
from recommender.models import OpinionCount, Shop
from recommender.models.opinions import Polarity
from recommender.reviews import opinions
from recommender.reviews.opinions import Counts, Selection

QUOTES = 5


def product(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, VIEW)
    item_id = request.GET.get("item", "").replace("\x00", "").strip()[:256]
    shown = shown_of(request, shop)
    selection = Selection(shown.selection.since, shown.selection.until, OpinionCount.ITEM, item_id)
    shown = Shown(selection, shown.days)
    total = opinions.total_of(shop, selection)
    everything = opinions.total_of(shop, Selection(selection.since, selection.until))
    names = opinions.topic_names(shop)
    title = titles_of(shop, [item_id]).get(item_id, item_id)
    return page(
        request,
        shop,
        "opinions/product",
        "What people say",
        shown=shown,
        item_id=item_id,
        periods=PERIODS,
        sentence=_sentence(item_id, title, total, shown.days),
        total=total,
        rows=[
            {
                "name": names.get(topic, topic),
                "counts": counts,
                "share": counts.share("negative"),
                "low": counts.interval("negative")[0],
                "high": counts.interval("negative")[1],
                "all": everything.topics.get(topic, Counts()).share("negative"),
            }
            for topic, counts in total.topics.items()
        ],
        sides=[
            ("Top praise", _quotes(shop, selection, Polarity.POSITIVE, names)),
            ("Top complaints", _quotes(shop, selection, Polarity.NEGATIVE, names)),
        ]
        if total.judged
        else [],
        chart=trend_chart(shop, shown) if item_id else None,
    )


def _sentence(item_id: str, title: str, total: opinions.Total, days: int) -> str:
    if not item_id:
        return "Choose a product by its id."
    if not total.judged:
        return f"There are no judged opinions on {title} in the last {days} days."
    return (
        f"{title}: {counted(total.judged, 'opinion')} in {days} days, "
        f"{total.share('negative'):.0%} negative."
    )


def _quotes(
    shop: Shop, selection: Selection, polarity: int, names: dict[str, str]
) -> list[dict[str, Any]]:
    """Quotes of a polarity, of the topics with the most opinions first."""
    found = opinions.best_quotes(shop, selection, polarity, QUOTES)
    return [
        {
            "text": one.text,
            "opinion": one.opinion,
            "name": names.get(one.opinion.topic, one.opinion.topic),
        }
        for one in found
    ]


@dataclass(frozen=True)
class Side:
    """One side of a comparison."""

    letter: str
    item_id: str
    since: date
    until: date

    @property
    def selection(self) -> Selection:
        if self.item_id:
            return Selection(self.since, self.until, OpinionCount.ITEM, self.item_id)
        return Selection(self.since, self.until)


def compare(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, VIEW)
    today = timezone.localdate(timezone=shop.zone)
    problem, sides = "", []
    by_product = request.GET.get("item_A") or request.GET.get("item_B")
    for letter, end in (("A", today if by_product else today - timedelta(days=28)), ("B", today)):
        try:
            sides.append(_side(request, letter, end))
        except ValueError as error:
            problem = str(error)
            sides.append(Side(letter, "", end - timedelta(days=27), end))
    names = opinions.topic_names(shop)
    totals = [opinions.total_of(shop, side.selection) for side in sides]
    topics = list(dict.fromkeys(topic for total in totals for topic in total.topics))
    rows = [
        _row(names.get(topic, topic), [total.topics.get(topic, Counts()) for total in totals])
        for topic in topics
    ]
    clear = [row for row in rows if row["between"] and row["between"]["clear"]]
    return page(
        request,
        shop,
        "opinions/compare",
        "Compare opinions",
        sides=sides,
        rows=[] if problem else rows,
        problem=problem,
        sentence=f"{len(clear)} of {len(rows)} topics have a clear difference between A and B."
        if rows
        else "There are no opinions to compare.",
    )


def _side(request: HttpRequest, letter: str, end: date) -> Side:
    """The side of a query string. Raises ValueError in words."""
    days = {}
    for name, usual in (("from", end - timedelta(days=27)), ("to", end)):
        text = request.GET.get(f"{name}_{letter}", "")
        try:
            days[name] = date.fromisoformat(text) if text else usual
        except ValueError:
            raise ValueError(f"{letter}: “{text[:40]}” is not a day such as 2026-08-20.") from None
    if days["from"] > days["to"] or (days["to"] - days["from"]).days > 1100:
        raise ValueError(
            f"{letter}: the first day must be before the last one, within three years."
        )
    item_id = request.GET.get(f"item_{letter}", "").replace("\x00", "").strip()[:256]
    return Side(letter, item_id, days["from"], days["to"])


def _row(name: str, sides: list[Counts]) -> dict[str, Any]:
    between = None
    if all(side.judged for side in sides):
        first, second = ((side.share("negative"), side.judged) for side in sides)
        low, high = (100 * bound for bound in difference(second, first))
        between = {
            "points": 100 * (second[0] - first[0]),
            "low": low,
            "high": high,
            "clear": low > 0 or high < 0,
        }
    return {
        "name": name,
        "sides": [(side, side.share("negative")) for side in sides],
        "between": between,
    }
