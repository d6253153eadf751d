"""Reading list: reviews with their clauses highlighted, newest first; and its export."""

import csv
from collections.abc import Iterator
from datetime import date
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.html import format_html, format_html_join

from recommender.console.opinions.overview_views import VIEW
from recommender.console.opinions.selections import (
    DIMENSIONS,
    PERIODS,
    POLARITIES,
    Shown,
    counted,
    product_link,
    shown_of,
    titles_of,
)
from recommender.console.pages import need, open_shop, page
from recommender.models import Opinion, Review, Shop
from recommender.models.opinions import Polarity
from recommender.reviews import opinions

PAGE = 20
LARGEST_EXPORT = 100_000
LONGEST_SHOWN = 4000
"""Characters of a review that the page shows."""
CHIPS = {-1: "bad", 0: "plain", 1: "good", 2: "caution"}
WHY_NOT = {"unsure": "the judge is unsure", "language": "the judge does not know the language"}


def reading(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, VIEW)
    shown = shown_of(request, shop)
    names = opinions.topic_names(shop)
    reviews, last = _reviews(shop, shown, request.GET.get("after", ""))
    total = opinions.total_of(shop, shown.selection)
    count = getattr(total, shown.polarity) if shown.polarity else total.judged + total.not_judged
    return page(
        request,
        shop,
        "opinions/reading",
        "Read opinions",
        sentence=_sentence(count, shown),
        shown=shown,
        periods=[(days, shown.query(days=days)) for days in PERIODS],
        dimensions=DIMENSIONS,
        topic=names.get(shown.selection.topic, shown.selection.topic),
        without_topic=shown.query(topic=None),
        without_value=shown.query(by=None, value=None),
        polarities=[(name, shown.query(polarity=name)) for name in ("", *POLARITIES)],
        topics=[(None, "All topics", shown.query(topic=None))]
        + [(key, name, shown.query(topic=key)) for key, name in names.items()],
        texts=texts_of(shop, reviews, names),
        more=shown.query(after=last) if last else "",
    )


def _sentence(count: int, shown: Shown) -> str:
    words = shown.polarity.replace("_", " ")
    if not words:
        return f"{counted(count, 'opinion')} in {shown.days} days."
    noun = "clause" if words == "not judged" else "opinion"
    return f"{counted(count, f'{words} {noun}')} in {shown.days} days."


def _reviews(shop: Shop, shown: Shown, after: str) -> tuple[list[Review], str]:
    """(reviews with such opinions, newest first; where the next page begins, or empty)."""
    rows = shown.selection.opinions(shop)
    if shown.polarity:
        rows = rows.filter(polarity=POLARITIES[shown.polarity])
    if (place := _place(after)) is not None:
        day, pk = place
        rows = rows.filter(day__lte=day).exclude(day=day, pk__gte=pk)
    found: dict[int, None] = {}
    last = ""
    for review_id, at, pk in rows.values_list("review_id", "day", "pk")[: 20 * PAGE]:
        if len(found) == PAGE and review_id not in found:
            return _in_order(shop, found), last
        found[review_id] = None
        last = f"{at.isoformat()}_{pk}"
    return _in_order(shop, found), ""


def _place(after: str) -> tuple[date, int] | None:
    """(day, primary key) of the opinion where a page ended, as its link says; None for another
    text.
    """
    day, _, pk = after.partition("_")
    try:
        return date.fromisoformat(day), int(pk) if pk.isascii() and len(pk) < 19 else 0
    except ValueError:
        return None


def _in_order(shop: Shop, pks: dict[int, None]) -> list[Review]:
    reviews = shop.reviews.in_bulk(list(pks))
    return [reviews[pk] for pk in pks if pk in reviews]


def texts_of(shop: Shop, reviews: list[Review], names: dict[str, str]) -> list[dict[str, Any]]:
    """Reviews with their opinions highlighted."""
    rows = Opinion.objects.filter(review__in=reviews).order_by("review", "begin", "topic")
    by_review = {pk: list(found) for pk, found in groupby(rows, lambda row: row.review_id)}
    titles = titles_of(shop, {review.item_id for review in reviews})
    return [
        {
            "review": review,
            "title": titles.get(review.item_id, review.item_id),
            "link": product_link(shop, review.item_id),
            "when": review.created_at or review.received_at,
            "said": _highlighted(review.whole[:LONGEST_SHOWN], by_review.get(review.pk, []), names),
            "chips": [
                (CHIPS[row.polarity], words_of(row, names)) for row in by_review.get(review.pk, [])
            ],
            "contradicts": _contradicts(review, by_review.get(review.pk, [])),
        }
        for review in reviews
    ]


def _highlighted(text: str, rows: list[Opinion], names: dict[str, str]) -> str:
    """The text as HTML; clauses with opinions are marked, with the opinions as their title."""
    parts, at = [], 0
    for (begin, end), of_clause in groupby(rows, lambda row: (row.begin, row.end)):
        if begin < at or begin >= len(text):
            continue
        found = list(of_clause)
        kind = Polarity(found[0].polarity).key
        title = "; ".join(words_of(row, names) for row in found)
        marked = format_html(
            '<mark class="v-said-{}" title="{}">{}</mark>', kind, title, text[begin:end]
        )
        parts += [text[at:begin], marked]
        at = end
    return format_html_join("", "{}", ((part,) for part in [*parts, text[at:]]))


def words_of(row: Opinion, names: dict[str, str]) -> str:
    """An opinion in words, such as: Delivery, negative (92 %)."""
    if row.polarity == Polarity.NOT_JUDGED:
        return f"not judged: {WHY_NOT.get(row.why_not, row.why_not)}"
    sure = "labeled" if row.labeled else f"{row.confidence:.0%}"
    return f"{names.get(row.topic, row.topic)}, {Polarity(row.polarity).label} ({sure})"


def _contradicts(review: Review, rows: list[Opinion]) -> bool:
    """True where a rating of five is best or worst and all that is judged says the contrary."""
    said = {row.polarity for row in rows} - {Polarity.NOT_JUDGED, Polarity.NEUTRAL}
    if review.rating is None or len(said) != 1 or not 1 <= review.rating <= 5:
        return False
    return (review.rating >= 4) == (said == {Polarity.NEGATIVE}) and not 2 < review.rating < 4


class _Line:
    """A file-like object whose write returns the line."""

    def write(self, text: str) -> str:
        return text


def export(request: HttpRequest, shop: str) -> StreamingHttpResponse:
    """The opinions of a selection as CSV, newest first, at most LARGEST_EXPORT."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    shown = shown_of(request, shop)
    rows = shown.selection.opinions(shop)
    if shown.polarity:
        rows = rows.filter(polarity=POLARITIES[shown.polarity])
    reply = StreamingHttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    reply["Content-Disposition"] = f'attachment; filename="opinions-{shop.key}.csv"'
    return reply


def _lines(rows) -> Iterator[str]:
    writer = csv.writer(_Line())
    columns = ("day", "review_id", "item_id", "brand", "channel", "topic", "polarity")
    yield writer.writerow([*columns, "confidence", "why_not", "labeled", "clause"])
    for quote in opinions.quotes(rows, LARGEST_EXPORT):
        row = quote.opinion
        cells = [row.day, row.review.review_id, row.item_id, row.brand, row.channel, row.topic]
        cells += [quote.polarity, round(row.confidence, 4), row.why_not, row.labeled, quote.text]
        yield writer.writerow([_plain(cell) for cell in cells])


def _plain(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    is_formula = isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{cell}" if is_formula else cell
