"""Makes one search result: the sequence of steps that every search passes."""

import time
import uuid
from dataclasses import replace

import polars as pl

from recommender.catalog.eligibility import with_attributes
from recommender.inference import search_engine
from recommender.inference.search_engine import Found, FoundList
from recommender.models import Shop
from recommender.search import candidate_cache
from recommender.search.adjustments import apply_intents, personalize
from recommender.search.category_pages import browse, passing
from recommender.search.configurations import LIVE, Configuration
from recommender.search.context import SearchContext
from recommender.search.facets import attributes_of, count_facets
from recommender.search.query_log import record
from recommender.search.requests import (
    CODE,
    FILTER,
    MEANING,
    MOST_RESULTS,
    NEWEST,
    PRICE_DOWN,
    PRICE_UP,
    RELEVANCE,
    SOME_WORDS,
    WORDS,
    Hit,
    SearchRequest,
    SearchResult,
)
from recommender.search.signals import ranking_of
from recommender.serving.shop_state import state_of

SPARE = 30
"""Products beyond the page, because some may turn out to be ineligible."""
PAGE_CANDIDATES = 200


def search(shop: Shop, request: SearchRequest) -> SearchResult:
    """The result of a query, or of a filter without one.

    Raises IndexNotReady while this host builds its first index, FilterError.
    """
    context = SearchContext(shop, state_of(shop), request)
    result = _made(context)
    consents = not (request.user_id or request.session_id) or context.visitor.agrees
    record(shop, request, result, consents)
    return result


def preview(shop: Shop, request: SearchRequest, configuration: Configuration) -> SearchResult:
    """The result by a configuration, which is not logged and whose steps take the time that they
    need. Raises like `search`.
    """
    request = replace(request, cross_encoder=True)
    return _made(SearchContext(shop, state_of(shop), request, configuration))


def _made(context: SearchContext) -> SearchResult:
    started, request = time.perf_counter(), context.request
    found = candidates(context)
    most = request.offset + request.limit + SPARE
    hits = arrange(context, found, ranked_list(context, found), most)
    result = finish(context, found, hits)
    result.facets = count_facets(_counted(context, found), request.facets)
    result.query_id = request.query_id or f"q-{uuid.uuid4().hex}"
    result.took_ms = round((time.perf_counter() - started) * 1000, 1)
    return result


def ranked_list(context: SearchContext, found: FoundList) -> list[Found]:
    """The products with those moved that fit what the query names, or that the shopper likes."""
    if context.request.sort != RELEVANCE or not context.has_words:
        return found.products
    return personalize(context, apply_intents(context, found.products))


def candidates(context: SearchContext, wide: bool = False) -> FoundList:
    """Eligible products that match the query by words or by meaning; without words, all.

    wide: all that can be reached, not only what the page needs
    """
    request, masks = context.request, context.state.parts["search_masks"]
    if not context.has_words:
        return browse(context)
    wide = wide or request.facets or request.sort != RELEVANCE or request.offset
    serving, index = context.serving, context.index
    like = context.like
    budget = context.cross_encoder_ms
    ranks = request.sort == RELEVANCE and context.configuration.ranker and like is None
    mask, eligible = masks.eligible(context)

    def find() -> FoundList:
        return search_engine.find(
            index,
            context.plan,
            serving.model if serving else None,
            serving.vectors if serving else None,
            eligible,
            MOST_RESULTS if wide else PAGE_CANDIDATES,
            ranking_of(context.state, context.now, budget) if ranks else None,
            None if like is None else like[0],
        )

    if context.configuration != LIVE:
        return find()
    key = (context.understood.text, request.like, request.selection.key, bool(wide), ranks, budget)
    made_of = (index, index.commit, context.words, mask, serving)
    found = context.state.parts[candidate_cache.PART].get(key, made_of, find)
    context.plan = found.plan
    return found


def arrange(
    context: SearchContext, found: FoundList, ranked: list[Found], most: int | None = None
) -> list[Hit]:
    """Hits in the order of the request, one of each group of variants.

    most: hits that are enough, where no variants have to be counted; None: all
    """
    products = ranked
    if context.request.sort != RELEVANCE:
        products = _sorted(context, _relevant(found))
    keys = [one.key for one in products]
    ids, groups = context.ids_of(keys), context.state.variant_groups.get()
    hits: dict[str, Hit] = {}
    like = context.request.like
    itself = {f"i{like}", f"g{groups.get(like) or ''}"} if like else set()
    for one in products:
        item_id = ids.get(one.key)
        if item_id is None:
            continue
        group = groups.get(item_id, "")
        name = f"g{group}" if group else f"i{item_id}"
        if name in itself:
            continue
        if name in hits:
            hits[name].variants += 1
        else:
            hits[name] = Hit(item_id, one.key, one.score, group=group, found=one)
            if not groups and most is not None and len(hits) > most:
                break
    return list(hits.values())


def _relevant(found: FoundList) -> list[Found]:
    """The products that match all words, where any do: for orders other than relevance."""
    return [one for one in found.products if one.matched or one.equal] or found.products


def _match(context: SearchContext, one: Found) -> str:
    if not context.has_words:
        return FILTER
    if one.equal:
        return CODE
    if one.matched:
        return WORDS
    return SOME_WORDS if one.lexical > 0 else MEANING


def parts_of(context: SearchContext, one: Found) -> dict[str, float | None]:
    """The parts of the score of a product, by name; None: unknown."""
    affinity = context.affinity
    return {
        "lexical": round(one.lexical, 4),
        "lexical_rank": one.lexical_rank,
        "semantic": None if one.semantic is None else round(one.semantic, 4),
        "semantic_rank": one.semantic_rank,
        "ranker": None if one.ranker is None else round(one.ranker, 4),
        "cross_encoder": None if one.cross is None else round(one.cross, 4),
        "intent": context.intent_places.get(one.key, (0.0, ()))[0] or None,
        "affinity": None if one.key not in affinity else round(affinity[one.key], 4),
    }


def _sorted(context: SearchContext, products: list[Found]) -> list[Found]:
    """The products by price, date or sales; those without a value last, ties by relevance."""
    keys = [one.key for one in products]
    frame = context.frame_of(keys)
    sort = context.request.sort
    if sort in (PRICE_UP, PRICE_DOWN):
        values = dict(zip(frame["pk"], frame["price"], strict=True))
    elif sort == NEWEST:
        values = dict(zip(frame["pk"], frame["since"].dt.epoch("us"), strict=True))
    else:
        ids = dict(zip(frame["pk"], frame["item_id"], strict=True))
        place = context.state.bestseller_places()
        values = {key: place.get(item_id) for key, item_id in ids.items()}
    sign = -1 if sort in (PRICE_DOWN, NEWEST) else 1

    def order(pair: tuple[int, Found]) -> tuple:
        value = values.get(pair[1].key)
        return (value is None, 0 if value is None else sign * value, pair[0])

    return [one for _, one in sorted(enumerate(products), key=order)]


def finish(context: SearchContext, found: FoundList, hits: list[Hit]) -> SearchResult:
    """The page: hits that are eligible by the current rows of the database, with highlights and
    reasons.
    """
    request, index = context.request, context.state.product_index
    page = hits[request.offset : request.offset + request.limit + SPARE]
    ids = [hit.item_id for hit in page]
    titles = index.titles_now(ids, request.selection, context.now) if ids else {}
    shown = [hit for hit in page if hit.item_id in titles][: request.limit]
    for hit in shown:
        hit.title, hit.match = titles[hit.item_id], _match(context, hit.found)
        hit.parts = parts_of(context, hit.found)
        if context.has_words and request.explain != "off":
            add_reasons(context, hit)
    dropped = () if request.like else found.dropped
    relaxed = [{"kind": "word_dropped", "word": word} for word in dropped]
    if request.query.strip() and found.products and not found.total:
        relaxed = [{"kind": "by_meaning"}]
    personal = bool(request.user_id or request.session_id) and request.personal
    return SearchResult(
        shown,
        max(found.total, 0),
        found.is_exact,
        corrected="" if request.like else found.corrected,
        relaxed=relaxed,
        version=context.version,
        shopper_id=context.visitor.named_id if personal else None,
        has_more=len(hits) > request.offset + len(shown) and bool(shown),
        personal=bool(context.affinity),
        understood=[one.reply() for one in context.understood.intents],
        skipped=list(found.skipped),
        semantic=any(one.semantic is not None for one in found.products),
    )


def add_reasons(context: SearchContext, hit: Hit) -> None:
    """Say what of the title matches, and why else the product is here."""
    ranges = search_engine.highlights(context.index, context.plan, hit.title)
    if ranges:
        hit.highlights["title"] = ranges
    words = [hit.title[begin:end] for begin, end in ranges]
    if hit.match == CODE:
        hit.reasons.append({"kind": "code", "text": "its code is the query"})
    elif words:
        hit.reasons.append({"kind": "words", "text": f"matches {', '.join(words)}"})
    elif hit.match in (WORDS, SOME_WORDS):
        hit.reasons.append({"kind": "words", "text": "matches in its other texts"})
    if hit.match == MEANING or (hit.parts["semantic_rank"] or MOST_RESULTS) <= 10:
        hit.reasons.append({"kind": "meaning", "text": "close in meaning"})
    for text in context.intent_places.get(hit.key, (0.0, ()))[1]:
        hit.reasons.append({"kind": "intent", "text": text})
    if (hit.parts["affinity"] or 0) > 0.8:
        hit.reasons.append({"kind": "personal", "text": "fits what this shopper likes"})


def _counted(context: SearchContext, found: FoundList) -> pl.DataFrame:
    """The products whose facets are counted."""
    request = context.request
    if not request.facets:
        return pl.DataFrame()
    if context.has_words:
        counted = context.frame_of([one.key for one in _relevant(found)])
    else:
        counted = passing(context)
    # Not kept in the index: anybody may ask for any attribute.
    return with_attributes(counted, attributes_of(request.facets))
