"""One shopper's list now: stored or live, filtered, explained; and what is shown when little or nothing is known."""

import math
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from recommender.engine import HistoryEvent, Model
from recommender.models import Event, ModelVersion, Placement, Product, RecommendationList, Shop, Shopper
from recommender.serving import ShopState, state_of

EVENTS_READ = 2000
SPARE = 30
EXPLAINED = 24
REASONS_SHOWN = 3
NO_REASON = frozenset({"shopper"})


@dataclass
class Item:
    """One place of a list."""

    item_id: str
    score: float | None
    source: list[str]
    base: float | None = None
    contributions: dict[str, float] | None = None
    because: str | None = None
    because_share: float = 0.0
    companion: str | None = None
    title: str = ""
    reasons: list[dict[str, Any]] = field(default_factory=list)


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


def related(shop: Shop, item_ids: list[str], limit: int, explain: str = "top") -> Listing:
    """Products that go with these."""
    begun = time.perf_counter()
    return _finish(shop, _related(state_of(shop), item_ids, limit), limit, explain, begun)


def _personal(shop: Shop, state: ShopState, placement: Placement, user_id: str | None, session_id: str | None, limit: int, explain: str) -> Listing:
    shopper = shop.shoppers.filter(user_id=user_id).first() if user_id else None
    if shopper and not shopper.consent_personalisation:
        return _popular(state, None, limit, "no_consent")
    if shopper and not session_id and not placement.only_new and (listing := _stored(state, shopper, limit, explain)):
        return listing
    model, history = state.model(), history_of(shopper, shop, session_id)
    if model is None:
        return _without_bought(_popular(state, None, limit, "popular"), placement, history)
    found = list_for(model, state, history, timezone.now(), limit + SPARE, placement.only_new, limit if explain != "off" else 0)
    if not found:
        return _without_bought(_popular(state, model, limit, "popular"), placement, history)
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


def _stored(state: ShopState, shopper: Shopper, limit: int, explain: str) -> Listing | None:
    """The list that the champion made, when nothing newer is known of the shopper."""
    version = state.champion()
    row = RecommendationList.objects.filter(shopper=shopper, version=version, shopper_revision=shopper.revision).first()
    if row is None or len(row.items) < limit or (explain != "off" and limit > EXPLAINED):
        return None
    hidden = state.unshowable()
    items = [Item(**values) for values in row.items if values["item_id"] not in hidden]
    return Listing(items, version, stored=True) if len(items) >= limit else None


def history_of(shopper: Shopper | None, shop: Shop, session_id: str | None) -> list[HistoryEvent]:
    """The latest events of a shopper and of a session, in time order."""
    events = []
    if shopper:
        events += _read(Event.objects.filter(shopper=shopper))
    if session_id:
        events += _read(Event.objects.filter(shop=shop, session_id=session_id, shopper=None))
    return sorted((HistoryEvent(*row[1:]) for row in events), key=lambda e: e.occurred_at)


def histories_of(shopper_ids: list[int]) -> dict[int, list[HistoryEvent]]:
    """The same for many shoppers at once."""
    histories: dict[int, list[HistoryEvent]] = defaultdict(list)
    events = Event.objects.filter(shopper__in=shopper_ids).exclude(product=None).filter(simulated=False)
    for row in events.in_order().values_list(*_FIELDS):
        histories[row[0]].append(HistoryEvent(*row[1:]))
    return {pk: events[-EVENTS_READ:] for pk, events in histories.items()}


_FIELDS = ("shopper_id", "product__item_id", "type", "occurred_at", "quantity", "session_id")


def _read(events) -> list[tuple]:
    latest = events.exclude(product=None).filter(simulated=False).order_by("-occurred_at", "-id").values_list(*_FIELDS)
    return list(latest[:EVENTS_READ])[::-1]


def list_for(model: Model, state: ShopState, history: list[HistoryEvent], now: datetime, k: int, only_new: bool, explain: int) -> list[Item]:
    """One shopper's list, live; empty when nothing of the history counts."""
    return lists_for(model, state, [history], now, k, only_new, explain)[0]


def lists_for(
    model: Model, state: ShopState, histories: list[list[HistoryEvent]], now: datetime, k: int, only_new: bool, explain: int
) -> list[list[Item]]:
    """Lists for several shoppers: what batch scoring and the live list share."""
    found = model.recommend(histories, now, k, state.showable_mask(model), only_new, explain)
    return [[_item(model, r) for r in places] for places in found]


def _item(model: Model, r) -> Item:
    because, companion = (None if row is None else model.item_ids[row] for row in (r.because, r.companion))
    contributions = r.contributions and {name: round(value, 6) for name, value in r.contributions.items()}
    return Item(model.item_ids[r.item], round(r.score, 6), r.source, round(r.base, 6), contributions, because, round(r.because_share, 4), companion)


def _related(state: ShopState, item_ids: list[str], limit: int) -> Listing:
    model = state.model()
    found = model.related(item_ids, limit + SPARE, state.showable_mask(model)) if model else []
    if not found:
        listing = _popular(state, model, limit, "popular")
        listing.items = [item for item in listing.items if item.item_id not in item_ids]
        return listing
    return Listing([_item(model, r) for r in found], state.champion(), score_kind="similarity")


def _popular(state: ShopState, model: Model | None, limit: int, kind: str) -> Listing:
    """What sells best now; without any product, an empty list that says so."""
    hidden = state.unshowable()
    ids = [i for i in state.popular_items() if i not in hidden]
    if model is not None and not ids:
        ids = [model.item_ids[r.item] for r in model.popular(limit, state.showable_mask(model))]
    items = [Item(item_id, None, ["trending"]) for item_id in ids[: limit + SPARE]]
    return Listing(items, state.champion(), kind if items else "empty_catalogue", score_kind="none")


def _finish(shop: Shop, listing: Listing, limit: int, explain: str, begun: float) -> Listing:
    """Leave out what may not be shown at this very moment, name titles, put reasons into words."""
    wanted = [item.item_id for item in listing.items[: limit + SPARE]]
    titles = dict(Product.objects.filter(shop=shop, item_id__in=wanted).showable().values_list("item_id", "title"))
    listing.items = [item for item in listing.items if item.item_id in titles][:limit]
    causes = {item.companion for item in listing.items if item.companion}
    named = titles | dict(Product.objects.filter(shop=shop, item_id__in=causes - titles.keys()).values_list("item_id", "title"))
    for item in listing.items:
        item.title = titles[item.item_id]
        item.reasons = [] if explain == "off" else reasons_of(item, named)
    listing.recommendation_id = f"r-{uuid.uuid4().hex}"
    listing.took_ms = math.ceil((time.perf_counter() - begun) * 1000)
    return listing


WORDS = {
    "again": "You have bought this before",
    "first_time": "You have not bought this before",
    "bought_next": "Often bought after {because}",
    "bought_together": "Often bought together with {because}",
    "similar": "Shoppers who took {because} took this too",
    "text": "Reads like {because}",
    "popularity": "Sells well now",
    "price": "Near what you usually spend",
    "taste": "From a brand or category you like",
    "new": "New in the shop",
}


def reasons_of(item: Item, titles: dict[str, str], most: int = REASONS_SHOWN) -> list[dict[str, Any]]:
    """The largest contributions in words; `share` is a contribution's size in the sum of all sizes."""
    if not item.contributions:
        return [{"kind": "popularity", "share": 1.0, "text": WORDS["popularity"]}] if item.source == ["trending"] else []
    total = sum(abs(value) for value in item.contributions.values()) or 1.0
    told = {kind: value for kind, value in item.contributions.items() if kind not in NO_REASON and abs(value) / total >= 0.01}
    largest = sorted(told.items(), key=lambda pair: -abs(pair[1]))[:most]
    because = titles.get(item.companion or "", item.companion)
    reasons = []
    for kind, value in largest:
        history = kind in ("bought_next", "bought_together", "similar", "text") and bool(because)
        words = WORDS["first_time" if kind == "again" and "again" not in item.source else kind]
        text = words.format(because=because if history else "what you chose")
        reason = {"kind": kind, "share": round(abs(value) / total, 4), "against": value < 0, "text": text}
        reasons.append(reason | ({"item_id": item.companion} if history else {}))
    return reasons
