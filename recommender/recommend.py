"""One shopper's list now: stored or live, filtered, explained; and what is shown when little or nothing is known."""

import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from recommender.catalogue import allowed, read_products
from recommender.engine import HistoryEvent, Model
from recommender.filters import EVERYTHING, Selection, select
from recommender.history import history_of
from recommender.models import ModelVersion, Placement, Product, RecommendationList, Shop, Shopper
from recommender.reasons import Item, explain_items, reasons_of, tell_words
from recommender.serving import ShopState, state_of

SPARE = 30


@dataclass
class Listing:
    """A finished list, with which fallback it was, if any."""

    items: list[Item]
    version: ModelVersion | None = None
    fallback: str | None = None
    stored: bool = False
    score_kind: str = "rank"
    recommendation_id: str = ""
    took_ms: int = 0


@dataclass(frozen=True)
class Ask:
    """What a list is asked for, and by whom."""

    placement: Placement
    limit: int
    user_id: str | None = None
    session_id: str | None = None
    item_ids: tuple[str, ...] = ()
    """The products of the page or of the basket."""
    explain: str = "top"
    selection: Selection = EVERYTHING
    """What may stand in it; the placement's own filter is part of it."""


def selection_of(placement: Placement, text: str = "", params: Mapping[str, Any] | None = None) -> Selection:
    """What the placement and a request let through. Raises FilterError."""
    return select([placement.filter, text], {**placement.filter_values, **(params or {})})


def recommend(shop: Shop, ask: Ask) -> Listing:
    """The list of a placement for a shopper, a session, or some products."""
    begun = time.perf_counter()
    state = state_of(shop)
    if ask.placement.kind != Placement.PERSONAL and ask.item_ids:
        listing = _related(state, ask.item_ids, ask.limit, ask.selection)
    else:
        listing = _personal(shop, state, ask)
    return _finish(shop, listing, ask.limit, ask.explain, ask.selection, begun)


def exposed(model: Model | None, items: list[Item], placement: Placement) -> list[Item]:
    """The list in an order in which the placement's least share of the places, from the top on, goes to products outside the best-selling fifth."""
    if not placement.tail_percent or model is None:
        return items
    return [items[i] for i in model.with_exposure([item.item_id for item in items], placement.tail_percent / 100)]


def related(shop: Shop, item_ids: Sequence[str], limit: int, explain: str = "top", selection: Selection = EVERYTHING) -> Listing:
    """Products that go with these."""
    begun = time.perf_counter()
    return _finish(shop, _related(state_of(shop), item_ids, limit, selection), limit, explain, selection, begun)


def _personal(shop: Shop, state: ShopState, ask: Ask) -> Listing:
    placement, limit, session_id = ask.placement, ask.limit, ask.session_id
    shopper = shop.shoppers.filter(user_id=ask.user_id).first() if ask.user_id else None
    if shopper and not shopper.consent_personalisation:
        return _popular(state, ask.selection, limit, "no_consent")
    if shopper and not session_id and not placement.only_new and (listing := _stored(state, shopper, ask)):
        return listing
    model, history, now = state.model(), history_of(shopper, shop, session_id), timezone.now()
    if model is None:
        return _without_bought(_popular(state, ask.selection, limit, "popular"), placement, history)
    mask = state.mask(model, ask.selection)
    found = exposed(model, lists_for(model, mask, [history], now, limit + SPARE, placement.only_new)[0], placement)
    if not found:
        return _without_bought(_popular(state, ask.selection, limit, "popular"), placement, history)
    if ask.explain != "off":
        explain_items(model, mask, history, found[:limit], now, placement.only_new)
    kind = None if shopper else "session"
    if len(found) < limit:
        known = {item.item_id for item in found}
        rest = _without_bought(_popular(state, ask.selection, limit, "popular"), placement, history).items
        found, kind = found + [i for i in rest if i.item_id not in known], kind or "filled_up"
    return Listing(found, state.champion(), kind)


def _without_bought(listing: Listing, placement: Placement, history: list[HistoryEvent]) -> Listing:
    """For placements of new products only: leave out what the shopper has."""
    if placement.only_new:
        bought = {e.item_id for e in history if e.type == "purchase"}
        listing.items = [item for item in listing.items if item.item_id not in bought]
    return listing


def _stored(state: ShopState, shopper: Shopper, ask: Ask) -> Listing | None:
    """The list that the champion made, when nothing newer is known of the shopper and enough of it may be shown."""
    model, version = state.model(), state.champion()
    row = RecommendationList.objects.filter(shopper=shopper, version=version, shopper_revision=shopper.revision).first()
    if row is None or model is None:
        return None
    mask = state.mask(model, ask.selection)
    items = [Item(**values) for values in row.items if mask[model.rows[values["item_id"]]]]
    if len(items) < ask.limit:
        return None
    items = exposed(model, items, ask.placement)
    if ask.explain != "off" and (untold := [item for item in items[: ask.limit] if item.contributions is None]):
        explain_items(model, state.mask(model), history_of(shopper, shopper.shop, None), untold, row.created_at)
        told = {item.item_id: item.kept() for item in untold}
        row.items = [told.get(values["item_id"], values) for values in row.items]
        row.save(update_fields=["items"])
    return Listing(items, version, stored=True)


def lists_for(model: Model, mask, histories: list[list[HistoryEvent]], now: datetime, k: int, only_new: bool = False) -> list[list[Item]]:
    """Lists for several shoppers of what the mask (items,) lets through, without reasons: what batch scoring and the live list share."""
    found = model.recommend(histories, now, k, mask, only_new)
    return [[Item(place.item_id, round(place.score, 6), place.source) for place in places] for places in found]


def _related(state: ShopState, item_ids: Sequence[str], limit: int, selection: Selection) -> Listing:
    model = state.model()
    found = model.related(item_ids, limit + SPARE, state.mask(model, selection)) if model else []
    if not found:
        listing = _popular(state, selection, limit, "popular")
        listing.items = [item for item in listing.items if item.item_id not in item_ids]
        return listing
    items = [Item(p.item_id, round(p.score, 6), p.source, None, p.contributions, [list(pair) for pair in p.history.items()]) for p in found]
    return Listing(items, state.champion(), score_kind="similarity")


def _popular(state: ShopState, selection: Selection, limit: int, kind: str) -> Listing:
    """What sells best now, then the newest; without any product, an empty list that says so."""
    most, now = limit + SPARE, timezone.now()
    ids = state.catalogue.among(state.bestsellers(), selection, now)[:most]
    if len(ids) < most:
        ids = list(dict.fromkeys([*ids, *state.catalogue.newest(selection, now, most)]))[:most]
    items = [Item(item_id, None, ["trending"]) for item_id in ids]
    empty = "nothing_selected" if selection.filters else "empty_catalogue"
    return Listing(items, state.champion(), kind if items else empty, score_kind="none")


def _finish(shop: Shop, listing: Listing, limit: int, explain: str, selection: Selection, begun: float) -> Listing:
    """Leave out what may not be shown at this very moment, name titles, put reasons into words."""
    titles = _titles(shop, [item.item_id for item in listing.items[: limit + SPARE]], selection)
    listing.items = [item for item in listing.items if item.item_id in titles][:limit]
    causes = {cause for item in listing.items for cause in (item.companion, item.suits) if cause}
    named = titles | dict(Product.objects.filter(shop=shop, item_id__in=causes - titles.keys()).values_list("item_id", "title"))
    for item in listing.items:
        item.title = titles[item.item_id]
        item.reasons = [] if explain == "off" else reasons_of(item, named)
    if explain == "full" and listing.version:
        tell_words(shop, listing.items)
    listing.recommendation_id = f"r-{uuid.uuid4().hex}"
    listing.took_ms = math.ceil((time.perf_counter() - begun) * 1000)
    return listing


def _titles(shop: Shop, item_ids: list[str], selection: Selection) -> dict[str, str]:
    """Titles of those that may be shown and are selected, by what the database says now."""
    if not selection.filters:
        return dict(Product.objects.filter(shop=shop, item_id__in=item_ids).showable().values_list("item_id", "title"))
    frame = read_products(shop.pk, item_ids)
    shown = frame.filter(allowed(frame, selection, timezone.now()))
    return dict(zip(shown["item_id"], shown["title"].fill_null(""), strict=True))
