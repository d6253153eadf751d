"""Search quality: what shoppers search for, and what comes of it."""

from datetime import timedelta

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from recommender.analytics import search_analytics as analytics
from recommender.console.pages import need, open_shop, page
from recommender.ingest.parsing import is_number

PERIODS = (7, 28, 90)
USUAL_DAYS = 28
SHOWN = 50
KINDS = {
    "top": ("Most frequent", analytics.TOP),
    "none": ("Without a result", analytics.WITHOUT_RESULT),
    "unclicked": ("Without a click", analytics.WITHOUT_CLICK),
}


def search_home(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_searchquery")
    asked = request.GET.get("days", "")
    days = int(asked) if is_number(asked) and int(asked) in PERIODS else USUAL_DAYS
    kind = request.GET.get("kind", "top")
    kind = kind if kind in KINDS else "top"
    since = timezone.now() - timedelta(days=days)
    total = analytics.summary(shop, since)
    positions = analytics.click_positions(shop, since)
    return page(
        request,
        shop,
        "search/analytics",
        "Search quality",
        sentence=_sentence(total, days),
        days=days,
        periods=PERIODS,
        kind=kind,
        kinds={key: title for key, (title, _) in KINDS.items()},
        figures=_figures(total, shop.currency),
        rows=analytics.queries(shop, since, KINDS[kind][1], SHOWN),
        instead=analytics.reformulations(shop, since, 20),
        chart={
            "caption": "Positions of first clicks",
            "alt": "Searches by the position of their first click",
            "x": "position of the first click",
            "y": "searches",
            "zero": True,
            "series": [
                {
                    "role": "champion",
                    "label": "searches",
                    "data": [{"x": at, "y": count} for at, count in positions],
                }
            ],
        }
        if positions
        else None,
    )


def _sentence(total: analytics.SearchSummary, days: int) -> str:
    if not total.searches:
        return f"There are no searches in the last {days} days."
    text = f"{total.searches:,.0f} searches in {days} days for {total.queries:,} queries"
    if total.without_result:
        text += f"; {total.share(total.without_result):.1f} % found nothing"
    return f"{text}."


def _figures(total: analytics.SearchSummary, currency: str) -> list[tuple[str, str, str]]:
    """(name, value, meaning) of the figures of a period."""
    if not total.searches:
        return []
    return [
        ("Without a result", f"{total.share(total.without_result):.1f} %", "no product matches"),
        (
            "Without a click",
            f"{total.share(total.without_click):.1f} %",
            "something was found, nothing was clicked",
        ),
        (
            "First click",
            "–" if total.position is None else f"{total.position:.1f}",
            "mean position of the first click",
        ),
        ("Conversion", f"{total.share(total.bought):.2f} %", "searches with a purchase"),
        ("Revenue", f"{total.revenue:,.0f} {currency}", "purchases that cite a search"),
        ("Corrected", f"{total.share(total.corrected):.1f} %", "a typing mistake was corrected"),
        ("Relaxed", f"{total.share(total.relaxed):.1f} %", "not all words could match"),
    ]
