"""One shopper's list now: stored or live, filtered, explained; and what is shown when little or nothing is known."""

import math
import time
import uuid
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from recommender.engine import HistoryEvent, Model
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


def recommend(
    shop: Shop,
    placement: Placement,
    user_id: str | None,
    session_id: str | None,
    limit: int,
    explain: str = "top",
    context_items: list[str] | None = None,
) -> Listing:
    """The list of a placement for a shopper, a session, or some products."""
    begun = time.perf_counter()
    state = state_of(shop)
    if placement.kind != Placement.PERSONAL and context_items:
        listing = _related(state, context_items, limit)
    else:
        listing = _personal(shop, state, placement, user_id, session_id, limit, explain)
    return _finish(shop, listing, limit, explain, begun)


def exposed(model: Model | None, items: list[Item], placement: Placement) -> list[Item]:
    """The list in an order in which the placement's least share of the places, from the top on, goes to products outside the best-selling fifth."""
    if not placement.tail_percent or model is None:
        return items
    return [items[i] for i in model.with_exposure([item.item_id for item in items], placement.tail_percent / 100)]


def related(shop: Shop, item_ids: list[str], limit: int, explain: str = "top") -> Listing:
    """Products that go with these."""
    begun = time.perf_counter()
    return _finish(shop, _related(state_of(shop), item_ids, limit), limit, explain, begun)


def _personal(shop: Shop, state: ShopState, placement: Placement, user_id: str | None, session_id: str | None, limit: int, explain: str) -> Listing:
    shopper = shop.shoppers.filter(user_id=user_id).first() if user_id else None
    if shopper and not shopper.consent_personalisation:
        return _popular(state, None, limit, "no_consent")
    if shopper and not session_id and not placement.only_new and (listing := _stored(state, shopper, placement, limit, explain)):
        return listing
    model, history, now = state.model(), history_of(shopper, shop, session_id), timezone.now()
    if model is None:
        return _without_bought(_popular(state, None, limit, "popular"), placement, history)
    found = exposed(model, lists_for(model, state, [history], now, limit + SPARE, placement.only_new)[0], placement)
    if not found:
        return _without_bought(_popular(state, model, limit, "popular"), placement, history)
    if explain != "off":
        explain_items(model, state, history, found[:limit], now, placement.only_new)
    kind = None if shopper else "session"
    if len(found) < limit:
        known = {item.item_id for item in found}
        rest = _without_bought(_popular(state, model, limit, "popular"), placement, history).items
        found, kind = found + [i for i in rest if i.item_id not in known], kind or "filled_up"
    return Listing(found, state.champion(), kind)


def _without_bought(listing: Listing, placement: Placement, history: list[HistoryEvent]) -> Listing:
    """For placements of new products only: leave out what the shopper has."""
    if placement.only_new:
        bought = {e.item_id for e in history if e.type == "purchase"}
        listing.items = [item for item in listing.items if item.item_id not in bought]
    return listing


def _stored(state: ShopState, shopper: Shopper, placement: Placement, limit: int, explain: str) -> Listing | None:
    """The list that the champion made, when nothing newer is known of the shopper."""
    version = state.champion()
    row = RecommendationList.objects.filter(shopper=shopper, version=version, shopper_revision=shopper.revision).first()
    hidden = state.unshowable()
    items = [Item(**values) for values in row.items if values["item_id"] not in hidden] if row else []
    if len(items) < limit:
        return None
    items = exposed(state.model(), items, placement)
    if explain != "off" and (untold := [item for item in items[:limit] if item.contributions is None]):
        explain_items(state.model(), state, history_of(shopper, shopper.shop, None), untold, row.created_at)
        told = {item.item_id: item.kept() for item in untold}
        row.items = [told.get(values["item_id"], values) for values in row.items]
        row.save(update_fields=["items"])
    return Listing(items, version, stored=True)


def lists_for(model: Model, state: ShopState, histories: list[list[HistoryEvent]], now: datetime, k: int, only_new: bool = False) -> list[list[Item]]:
    """Lists for several shoppers, without reasons: what batch scoring and the live list share."""
    found = model.recommend(histories, now, k, state.showable_mask(model), only_new)
    return [[Item(place.item_id, round(place.score, 6), place.source) for place in places] for places in found]


def _related(state: ShopState, item_ids: list[str], limit: int) -> Listing:
    model = state.model()
    found = model.related(item_ids, limit + SPARE, state.showable_mask(model)) if model else []
    if not found:
        listing = _popular(state, model, limit, "popular")
        listing.items = [item for item in listing.items if item.item_id not in item_ids]
        return listing
    items = [Item(p.item_id, round(p.score, 6), p.source, None, p.contributions, [list(pair) for pair in p.history.items()]) for p in found]
    return Listing(items, state.champion(), score_kind="similarity")


def _popular(state: ShopState, model: Model | None, limit: int, kind: str) -> Listing:
    """What sells best now; without any product, an empty list that says so."""
    hidden = state.unshowable()
    ids = [i for i in state.popular_items() if i not in hidden]
    if model is not None and not ids:
        ids = [place.item_id for place in model.popular(limit, state.showable_mask(model))]
    items = [Item(item_id, None, ["trending"]) for item_id in ids[: limit + SPARE]]
    return Listing(items, state.champion(), kind if items else "empty_catalogue", score_kind="none")


def _finish(shop: Shop, listing: Listing, limit: int, explain: str, begun: float) -> Listing:
    """Leave out what may not be shown at this very moment, name titles, put reasons into words."""
    wanted = [item.item_id for item in listing.items[: limit + SPARE]]
    titles = dict(Product.objects.filter(shop=shop, item_id__in=wanted).showable().values_list("item_id", "title"))
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
