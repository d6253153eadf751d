"""The selection of opinions that a page of the console shows, from its query string."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from recommender.ingest.parsing import is_number
from recommender.models import OpinionCount, Shop
from recommender.models.opinions import LONGEST_TOPIC, Polarity
from recommender.reviews.opinions import Selection

PERIODS = (7, 28, 90, 365)
USUAL_DAYS = 28
DIMENSIONS = {
    OpinionCount.ITEM: "Product id",
    OpinionCount.BRAND: "Brand",
    OpinionCount.CATEGORY: "Category",
    OpinionCount.CHANNEL: "Channel",
}
POLARITIES = {one.key: one.value for one in Polarity}


@dataclass(frozen=True)
class Shown:
    """A selection with what the page's links and form need.

    polarity: word of the chosen polarity; empty: any
    """

    selection: Selection
    days: int
    polarity: str = ""

    @property
    def dimension(self) -> str:
        return "" if self.selection.dimension == OpinionCount.ALL else self.selection.dimension

    @property
    def value(self) -> str:
        return self.selection.value

    def query(self, **changes: str | int | None) -> str:
        """The query string of these fields with some changed; None takes one away."""
        fields = {
            "days": self.days,
            "by": self.dimension,
            "value": self.value,
            "topic": self.selection.topic,
            "polarity": self.polarity,
        }
        chosen = fields | changes
        return urlencode(
            {k: v for k, v in chosen.items() if v is not None and v != ""}
            | ({"topic": ""} if chosen["topic"] == "" else {})
        )

    @property
    def before(self) -> Selection:
        """The same of as many days before."""
        return self.selection.moved(-self.days)


def shown_of(request: HttpRequest, shop: Shop) -> Shown:
    """The selection of a request; what it does not know is left out."""
    text = request.GET.get("days", "")
    days = int(text) if is_number(text) and int(text) in PERIODS else USUAL_DAYS
    until = timezone.localdate(timezone=shop.zone)
    since = until - timedelta(days=days - 1)
    dimension = request.GET.get("by", "")
    value = request.GET.get("value", "").replace("\x00", "").strip()[:256]
    topic = request.GET.get("topic")
    topic = topic[:LONGEST_TOPIC].replace("\x00", "") if topic is not None else None
    place = (dimension, value) if dimension in DIMENSIONS and value else (OpinionCount.ALL, "")
    polarity = request.GET.get("polarity", "")
    return Shown(
        Selection(since, until, *place, topic), days, polarity if polarity in POLARITIES else ""
    )


def titles_of(shop: Shop, item_ids: Iterable[str]) -> dict[str, str]:
    """Titles of the products of these ids; unknown ones are left out."""
    return dict(shop.products.filter(item_id__in=list(item_ids)).values_list("item_id", "title"))


def counted(number: int, noun: str) -> str:
    """A number with its noun: 1 opinion, 1,200 opinions."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def product_link(shop: Shop, item_id: str) -> str:
    """Address of what people say about a product."""
    return reverse("admin:opinions_product", args=[shop.key], query={"item": item_id})
