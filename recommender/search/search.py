"""Makes one search result: the sequence of steps that every search passes."""

import math
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import polars as pl
from django.utils import timezone

from recommender.inference import search_engine
from recommender.inference.history import History
from recommender.inference.ranking_model import Model
from recommender.inference.search_engine import (
    EligibleKeys,
    Found,
    FoundList,
    IndexReader,
    Plan,
    Signals,
)
from recommender.models import ModelVersion, Shop
from recommender.search import live_index, search_champion, wording
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
from recommender.search.search_champion import SearchServing
from recommender.search.signals import shop_signals
from recommender.serving.shop_state import ShopState, register_part, state_of
from recommender.shoppers.history import Visitor

PERSONAL_TOP = 50
"""Best products that are re-ranked for a shopper."""
PERSONAL_PLACES = 8
"""Places by which the affinity of a shopper raises a product at most, or lowers it."""
AFFINITY = "affinity"
SPARE = 30
"""Products beyond the page, because some may turn out to be ineligible."""
PAGE_CANDIDATES = 200
MOST_SELECTIONS = 32


class SearchMasks:
    """Eligible products by filter: a part of the shop's state."""

    def __init__(self, shop_id: int) -> None:
        self._eligible: dict[str, tuple[pl.Series, Any]] = {}

    def load(self) -> None:
        """Nothing: searches fill it."""

    def invalidate(self, change: Any) -> None:
        """Nothing: the mask of a changed product index is another one."""

    def eligible(self, context: "SearchContext") -> "EligibleKeys | None":
        """The products that may be shown and pass the filter; None: every product does."""
        index, selection = context.state.product_index, context.request.selection
        mask = index.mask(selection, context.now)
        cached = self._eligible.get(selection.key)
        if cached is not None and cached[0] is mask:
            return cached[1]
        keys = index.products()["pk"]
        made = None
        if not mask.all():
            made = search_engine.eligible_keys(keys.filter(mask), len(mask))
        if len(self._eligible) >= MOST_SELECTIONS:
            self._eligible.clear()
        self._eligible[selection.key] = (mask, made)
        return made


register_part("search_masks", SearchMasks)


@dataclass
class SearchContext:
    """What the steps of one search share, read when a step first uses it."""

    shop: Shop
    state: ShopState
    request: SearchRequest
    now: datetime = field(default_factory=timezone.now)

    @cached_property
    def index(self) -> IndexReader:
        return self.state.parts[live_index.PART].read()

    @cached_property
    def plan(self) -> Plan:
        words = self.state.parts[wording.PART].get(self.index)
        return search_engine.plan_of(self.index, self.request.query, words)

    @cached_property
    def visitor(self) -> Visitor:
        return Visitor.of(self.shop, self.request.user_id, self.request.session_id)

    @cached_property
    def history(self) -> History:
        """The shopper's events; none without consent, or where the request is not personal."""
        if not self.request.personal or not (self.request.user_id or self.request.session_id):
            return History()
        return self.visitor.history()

    @cached_property
    def model(self) -> Model | None:
        """The model of the ranking, for the affinity of a shopper."""
        return self.state.model()

    @cached_property
    def serving(self) -> SearchServing | None:
        """What reads queries and products; None without an encoder."""
        return self.state.parts[search_champion.PART].serving(self.state)

    @property
    def version(self) -> ModelVersion | None:
        """The search champion; without one, the ranking champion, whose encoder is used."""
        serving = self.serving
        if serving is not None and serving.version is not None:
            return serving.version
        return self.state.champion() if self.model is not None else None

    @cached_property
    def rows(self) -> pl.DataFrame:
        """All products, with the attributes that the facets read."""
        return self.state.product_index.products(attributes_of(self.request.facets))


def search(shop: Shop, request: SearchRequest) -> SearchResult:
    """The result of a query, or of a filter without one.

    Raises IndexNotReady while this host builds its first index, FilterError.
    """
    started = time.perf_counter()
    context = SearchContext(shop, state_of(shop), request)
    found = candidates(context)
    found_list = personalize(context, found) if request.sort == RELEVANCE else found.products
    hits = arrange(context, found, found_list)
    result = finish(context, found, hits)
    result.facets = count_facets(_counted(context, found), request.facets)
    result.query_id = request.query_id or f"q-{uuid.uuid4().hex}"
    result.took_ms = round((time.perf_counter() - started) * 1000, 1)
    consents = not (request.user_id or request.session_id) or context.visitor.agrees
    record(shop, request, result, consents)
    return result


def candidates(context: SearchContext) -> FoundList:
    """Eligible products that match the query by words or by meaning; without a query, all."""
    request, masks = context.request, context.state.parts["search_masks"]
    if not request.query.strip():
        return browse(context)
    wide = request.facets or request.sort != RELEVANCE or request.offset
    serving = context.serving
    return search_engine.find(
        context.index,
        context.plan,
        serving.model if serving else None,
        serving.vectors if serving else None,
        masks.eligible(context),
        MOST_RESULTS if wide else PAGE_CANDIDATES,
        partial(_signals, context) if request.sort == RELEVANCE else None,
    )


def _signals(context: SearchContext, keys: list[int]) -> Signals:
    affinity = {}
    if context.serving.model.ranker.uses(AFFINITY):
        affinity = context.__dict__["affinity"] = _affinity(context, keys)
    return shop_signals(context.state, keys, affinity, context.now)


def browse(context: SearchContext) -> FoundList:
    """Every product that passes the filter, those that sell best first."""
    index, request = context.state.product_index, context.request
    mask = index.mask(request.selection, context.now)
    keys = index.products()["pk"].filter(mask)
    ids = index.products()["item_id"].filter(mask)
    place = context.state.bestseller_places()
    frame = pl.DataFrame({"key": keys, "item_id": ids})
    rank = frame["item_id"].replace_strict(place, default=len(place), return_dtype=pl.Int64)
    ordered = frame.with_columns(rank=rank).sort("rank", "key").head(MOST_RESULTS)
    products = [
        Found(key, 1.0 / (60 + i), 0.0, None, None, None, False, True)
        for i, key in enumerate(ordered["key"].to_list())
    ]
    return FoundList(products, len(keys), is_exact=True)


def personalize(context: SearchContext, found: FoundList) -> list[Found]:
    """The products with the best ones re-ranked by the shopper's affinity to them.

    A ranker that learned the affinity has ranked by it.
    """
    if "affinity" in context.__dict__:
        return found.products
    top = found.products[:PERSONAL_TOP]
    affinity = _affinity(context, [one.key for one in top])
    if not affinity:
        return found.products
    context.__dict__["affinity"] = affinity

    places, behind = [], -math.inf
    for place, one in enumerate(top):
        target = place - PERSONAL_PLACES * (2 * affinity.get(one.key, 0.5) - 1)
        if one.matched or one.equal:
            behind = max(behind, target)
        else:  # taste does not outweigh that another product has all words
            target = max(target, behind)
        places.append((not one.equal, target, place))
    order = sorted(range(len(top)), key=places.__getitem__)
    return [top[place] for place in order] + found.products[PERSONAL_TOP:]


def _affinity(context: SearchContext, keys: list[int]) -> dict[int, float]:
    """By product its place among these by the ranking for this shopper, 0 (last) to 1 (first)."""
    model = context.model
    if model is None or not context.history.has_action:
        return {}
    ids = _ids_of(context, keys)
    known = [(key, ids[key]) for key in keys if ids.get(key) in model.rows]
    if len(known) < 2:
        return {}
    scores = model.scores(context.history, [item_id for _, item_id in known], context.now)
    order = sorted(range(len(known)), key=lambda i: scores[i])
    return {known[i][0]: place / (len(known) - 1) for place, i in enumerate(order)}


def arrange(context: SearchContext, found: FoundList, ranked: list[Found]) -> list[Hit]:
    """Hits in the order of the request, one of each group of variants."""
    products = ranked
    if context.request.sort != RELEVANCE:
        products = _sorted(context, _relevant(found))
    keys = [one.key for one in products]
    ids, groups = _ids_of(context, keys), context.state.variant_groups.get()
    hits: dict[str, Hit] = {}
    for one in products:
        item_id = ids.get(one.key)
        if item_id is None:
            continue
        group = groups.get(item_id, "")
        name = f"g{group}" if group else f"i{item_id}"
        if name in hits:
            hits[name].variants += 1
        else:
            hits[name] = Hit(item_id, one.key, one.score, _match(context, one), group=group)
            hits[name].parts = _parts(context, one)
    return list(hits.values())


def _relevant(found: FoundList) -> list[Found]:
    """The products that match all words, where any do: for orders other than relevance."""
    return [one for one in found.products if one.matched or one.equal] or found.products


def _match(context: SearchContext, one: Found) -> str:
    if not context.request.query.strip():
        return FILTER
    if one.equal:
        return CODE
    if one.matched:
        return WORDS
    return SOME_WORDS if one.lexical_rank is not None else MEANING


def _parts(context: SearchContext, one: Found) -> dict[str, float | None]:
    affinity = context.__dict__.get("affinity", {})
    return {
        "lexical": round(one.lexical, 4),
        "lexical_rank": one.lexical_rank,
        "semantic": None if one.semantic is None else round(one.semantic, 4),
        "semantic_rank": one.semantic_rank,
        "ranker": None if one.ranker is None else round(one.ranker, 4),
        "affinity": None if one.key not in affinity else round(affinity[one.key], 4),
    }


def _sorted(context: SearchContext, products: list[Found]) -> list[Found]:
    """The products by price, date or sales; those without a value last, ties by relevance."""
    keys = [one.key for one in products]
    frame = _frame_of(context, keys)
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
    """The page: what the database of this moment lets through, with highlights and reasons."""
    request, index = context.request, context.state.product_index
    page = hits[request.offset : request.offset + request.limit + SPARE]
    ids = [hit.item_id for hit in page]
    titles = index.titles_now(ids, request.selection, context.now) if ids else {}
    shown = [hit for hit in page if hit.item_id in titles][: request.limit]
    for hit in shown:
        hit.title = titles[hit.item_id]
        if request.query.strip() and request.explain != "off":
            add_reasons(context, hit)
    relaxed = [{"kind": "word_dropped", "word": word} for word in found.dropped]
    if request.query.strip() and found.products and not found.total:
        relaxed = [{"kind": "by_meaning"}]
    personal = bool(request.user_id or request.session_id) and request.personal
    return SearchResult(
        shown,
        max(found.total, 0),
        found.is_exact,
        corrected=found.corrected,
        relaxed=relaxed,
        version=context.version,
        shopper_id=context.visitor.named_id if personal else None,
        has_more=len(hits) > request.offset + len(shown) and bool(shown),
        personal="affinity" in context.__dict__,
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
    if (hit.parts["affinity"] or 0) > 0.8:
        hit.reasons.append({"kind": "personal", "text": "fits what this shopper likes"})


def _ids_of(context: SearchContext, keys: list[int]) -> dict[int, str]:
    frame = _frame_of(context, keys)
    return dict(zip(frame["pk"], frame["item_id"], strict=True))


def _frame_of(context: SearchContext, keys: list[int]) -> pl.DataFrame:
    return context.state.product_index.by_key(keys)


def _counted(context: SearchContext, found: FoundList) -> pl.DataFrame:
    """The products whose facets are counted."""
    if not context.request.facets:
        return context.rows.clear()
    if not context.request.query.strip():
        mask = context.state.product_index.mask(context.request.selection, context.now)
        return context.rows.filter(mask)
    _ = context.rows  # with the attributes
    return _frame_of(context, [one.key for one in _relevant(found)])
