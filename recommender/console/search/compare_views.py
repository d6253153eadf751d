"""Two configurations of search side by side, and why a product is at its place or is not."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse

from recommender.console.pages import need, open_shop, page
from recommender.console.search.configurations import choices_of, chosen
from recommender.inference import search_metrics
from recommender.inference.search_index import IndexNotReady
from recommender.models import Product, Shop
from recommender.search.configurations import Configuration
from recommender.search.evaluation import hits_of
from recommender.search.requests import Hit
from recommender.search.why import Why, why

SHOWN, COMPARED = 20, 100
ROW = 44
"""Height of a row in pixels, which the lines between moved hits need."""
MATCHES_SOUGHT = 12


@dataclass(frozen=True)
class Line:
    """A line between the places of one product in both lists."""

    top: float
    bottom: float
    kind: str


def compare(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_searchquery")
    query = _text(request, "q")
    choices = choices_of(shop)
    first, second = chosen(request, choices, "a", "live"), chosen(request, choices, "b", "words")
    context = {"query": query, "choices": choices, "a": first, "b": second, "wanted": ""}
    if not query:
        sentence = "Type a query to see what two configurations find for it."
        return _page(request, shop, context | {"sentence": sentence})
    try:
        lists = [hits_of(shop, query, choices[key][1], COMPARED) for key in (first, second)]
        wanted = _text(request, "why")
        explanation = _why(shop, query, choices[first][1], wanted) if wanted else None
    except IndexNotReady as error:
        return _page(request, shop, context | {"sentence": f"{error}. Try again in a moment."})
    ids = [[hit.item_id for hit in hits] for hits in lists]
    context |= {
        "sentence": _sentence(ids),
        "columns": [hits[:SHOWN] for hits in lists],
        "lines": _lines([one[:SHOWN] for one in ids]),
        "height": ROW * max(len(hits[:SHOWN]) for hits in lists),
        "row": ROW,
        "here": urlencode({"q": query, "a": first, "b": second}),
        "wanted": wanted,
        "why": explanation,
    }
    return _page(request, shop, context)


def _page(request: HttpRequest, shop: Shop, context: dict) -> HttpResponse:
    return page(request, shop, "search/compare", "Search side by side", **context)


def _text(request: HttpRequest, name: str) -> str:
    return request.GET.get(name, "").replace("\x00", "").strip()[:256]


def _sentence(ids: list[list[str]]) -> str:
    if not any(ids):
        return "Neither of them finds anything."
    shared = search_metrics.overlap(*ids, 10)
    return (
        f"{100 * shared:.0f} % of the first 10 are the same, and their rank-biased overlap is "
        f"{search_metrics.rbo(*ids):.2f}."
    )


def _lines(ids: list[list[str]]) -> list[Line]:
    places = {item_id: place for place, item_id in enumerate(ids[1])}
    lines = []
    for place, item_id in enumerate(ids[0]):
        if item_id in places:
            other = places[item_id]
            kind = "same" if other == place else "up" if other < place else "down"
            lines.append(Line((place + 0.5) * ROW, (other + 0.5) * ROW, kind))
    return lines


def _why(shop: Shop, query: str, configuration: Configuration, wanted: str) -> dict:
    product = shop.products.filter(item_id=wanted).first()
    if product is None:
        titled: list[Product] = list(
            shop.products.filter(title__icontains=wanted).order_by("item_id")[:MATCHES_SOUGHT]
        )
        if len(titled) != 1:
            found = "Several products have" if titled else "No product has"
            return {"sentence": f"{found} the id or title “{wanted}”.", "matches": titled}
        product = titled[0]
    about: Why = why(shop, query, product, configuration)
    return {"about": about, "sentence": about.sentence, "parts": _parts(about.hit)}


def _parts(hit: Hit | None) -> list[tuple[str, str]]:
    if hit is None:
        return []
    names = {
        "lexical": "Score by words (BM25)",
        "lexical_rank": "Rank by words",
        "semantic": "Closeness in meaning (cosine)",
        "semantic_rank": "Rank by meaning",
        "ranker": "Score of the ranker",
        "cross_encoder": "What the cross-encoder adds",
        "intent": "Places moved for what the query names",
    }
    return [
        (title, f"{value:g}")
        for name, title in names.items()
        if (value := hit.parts.get(name)) is not None
    ]
