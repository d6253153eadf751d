"""Why a product is at its place in a search result, or is not in it."""

from dataclasses import dataclass, field
from functools import partial

from django.utils import timezone

from recommender.catalog.filter_language import EVERYTHING
from recommender.inference import search_engine
from recommender.models import Product, Shop
from recommender.search.configurations import LIVE, Configuration
from recommender.search.context import SearchContext
from recommender.search.requests import MOST_RESULTS, Hit, SearchRequest
from recommender.search.search import arrange, candidates, parts_of, ranked_list
from recommender.search.signals import shop_signals
from recommender.serving.shop_state import state_of


@dataclass(frozen=True)
class Why:
    """Why a product is where it is.

    place: in the result, from 1; None where it is not in it
    words: (part of the query, whether the product has it)
    contributions: (group of features, contribution to the ranker's score), largest first
    """

    item_id: str
    title: str
    sentence: str
    place: int | None = None
    hit: Hit | None = None
    words: list[tuple[str, bool]] = field(default_factory=list)
    contributions: list[tuple[str, float]] = field(default_factory=list)


def why(shop: Shop, query: str, product: Product, configuration: Configuration = LIVE) -> Why:
    """Why this product is at its place for a query, or not in its result. Raises IndexNotReady."""
    request = SearchRequest(
        query, MOST_RESULTS, facets=(), personal=False, simulated=True, cross_encoder=True
    )
    context = SearchContext(shop, state_of(shop), request, configuration)
    index, now = context.state.product_index, timezone.now()
    words = search_engine.words_of(context.index, context.plan, product.pk)
    about = Why(product.item_id, product.title, "", words=words)
    if product.item_id not in index.eligible_among([product.item_id], EVERYTHING, now):
        return _without_place(
            about,
            "It may not be shown now: it is hidden, not published, sold out, or out of its dates.",
        )
    found = candidates(context, wide=True)
    hits = arrange(context, found, ranked_list(context, found))
    place = next((i for i, hit in enumerate(hits, 1) if hit.item_id == product.item_id), None)
    if place is None:
        return _without_place(about, _lost(context, product, hits, words))
    hit = hits[place - 1]
    hit.parts = parts_of(context, hit.found)
    about = Why(
        product.item_id,
        product.title,
        f"It is at place {place} of {len(hits)}: {_how(hit)}.",
        place,
        hit,
        words,
        _contributions(context, hit.key),
    )
    return about


def _without_place(about: Why, sentence: str) -> Why:
    return Why(about.item_id, about.title, sentence, words=about.words)


def _lost(context: SearchContext, product: Product, hits: list[Hit], words: list) -> str:
    group = context.state.variant_groups.get().get(product.item_id)
    other = next((hit for hit in hits if group and hit.group == group), None)
    if other is not None:
        return f"Another variant of it is shown: {other.item_id}, which matches better."
    missing = [word for word, has in words if not has]
    cosine = None
    if (serving := context.serving) is not None:
        cosine = search_engine.closeness(serving.model, serving.vectors, context.plan, product.pk)
    text = "It is not among the products that words or meaning find."
    if missing:
        text += f" It has none of: {', '.join(missing)}."
    if cosine is not None:
        text += f" Its meaning is {cosine:.2f} close to the query."
    return text


def _how(hit: Hit) -> str:
    parts = hit.parts
    by = []
    if parts.get("lexical_rank"):
        by.append(f"{_nth(parts['lexical_rank'])} by words")
    if parts.get("semantic_rank"):
        by.append(f"{_nth(parts['semantic_rank'])} by meaning")
    if parts.get("ranker") is not None:
        by.append(f"the ranker gives it {parts['ranker']:.2f}")
    if parts.get("cross_encoder") is not None:
        by.append(f"the cross-encoder adds {parts['cross_encoder']:+.2f}")
    if parts.get("intent"):
        by.append(f"moved by {parts['intent']:+.0f} places, for what the query names")
    return ", ".join(by) or "it passes the filter"


def _nth(number: float) -> str:
    number = int(number)
    ends = {1: "st", 2: "nd", 3: "rd"}
    end = "th" if 10 < number % 100 < 14 else ends.get(number % 10, "th")
    return f"{number}{end}"


def _contributions(context: SearchContext, key: int) -> list[tuple[str, float]]:
    serving = context.serving
    if serving is None or not context.configuration.ranker:
        return []
    _, eligible = context.state.parts["search_masks"].eligible(context)
    return search_engine.contributions(
        context.index,
        context.plan,
        serving.model,
        serving.vectors,
        key,
        partial(shop_signals, context.state, now=context.now),
        eligible,
    )
