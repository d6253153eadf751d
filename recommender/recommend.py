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
    history: list[list] = field(default_factory=list)
    """The shopper's own products behind it, [id, share] each, the largest share first."""
    suits: str | None = None
    """The own product whose text is nearest; None where that is the product itself."""
    title: str = ""
    reasons: list[dict[str, Any]] = field(default_factory=list)
    words: list[tuple[str, float]] = field(default_factory=list)
    """Words that make it like that product, with their shares; only where everything is told."""

    @property
    def companion(self) -> str | None:
        """The own product behind it most, other than itself, which a shopper may have bought before."""
        return next((item_id for item_id, _ in self.history if item_id != self.item_id), None)

    def kept(self) -> dict[str, Any]:
        """What of it is stored."""
        return {name: value for name, value in vars(self).items() if name not in ("title", "reasons", "words")}


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


def explain_items(model: Model, state: ShopState, history: list[HistoryEvent], items: list[Item], now: datetime, only_new: bool = False) -> None:
    """Say of these items of the shopper's list why they are in it, as of `now`."""
    ids = [item.item_id for item in items]
    told = model.explain(history, ids, now, state.showable_mask(model), only_new)
    nearest = model.closest(ids, list(dict.fromkeys(e.item_id for e in history)))
    for item, place, suits in zip(items, told, nearest, strict=True):
        item.suits = suits
        item.score, item.base = round(place.score, 6), round(place.base, 6)
        item.contributions = {kind: round(value, 6) for kind, value in place.contributions.items()}
        item.history = [[item_id, round(share, 4)] for item_id, share in place.history.items()]


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
        _tell_words(shop, listing.items)
    listing.recommendation_id = f"r-{uuid.uuid4().hex}"
    listing.took_ms = math.ceil((time.perf_counter() - begun) * 1000)
    return listing


def _tell_words(shop: Shop, items: list[Item]) -> None:
    """Where a text is among the reasons, the words of it that matched."""
    asked = [item for item in items if item.suits and any(r["kind"] == "text" and not r["against"] for r in item.reasons)]
    model = state_of(shop).model()
    if not asked or model is None:
        return
    wanted = {item_id for item in asked for item_id in (item.item_id, item.suits)}
    rows = Product.objects.filter(shop=shop, item_id__in=wanted).values_list("item_id", "title", "brand", "categories", "description")
    texts = {row[0]: row[1:] for row in rows}
    asked = [item for item in asked if item.item_id in texts and item.suits in texts]
    for item, words in zip(asked, model.matched_words([(texts[i.item_id], texts[i.suits]) for i in asked]), strict=True):
        item.words = words


WORDS = {
    "again": "You have bought this before",
    "first_time": "You have not bought this before",
    "bought_next": "Often bought after {because}",
    "bought_together": "Often bought together with {because}",
    "similar": "Shoppers who took {because} took this too",
    "text": "Its description suits {because}",
    "popularity": "Sells well now",
    "price": "Near what you usually spend",
    "taste": "From a brand or category you like",
    "new": "New or little known yet",
}


def reasons_of(item: Item, titles: dict[str, str], most: int = REASONS_SHOWN) -> list[dict[str, Any]]:
    """The largest contributions in words; `share` is a contribution's size in the sum of all sizes."""
    if not item.contributions:
        return [{"kind": "popularity", "share": 1.0, "text": WORDS["popularity"]}] if item.source == ["trending"] else []
    total = sum(abs(value) for value in item.contributions.values()) or 1.0
    told = {kind: value for kind, value in item.contributions.items() if kind not in NO_REASON and abs(value) / total >= 0.01}
    largest = sorted(told.items(), key=lambda pair: -abs(pair[1]))[:most]
    reasons = []
    for kind, value in largest:
        behind = (item.suits if value > 0 else None) if kind == "text" else item.companion
        because = titles.get(behind or "", behind)
        history = kind in ("bought_next", "bought_together", "similar", "text") and bool(because)
        words = WORDS["first_time" if kind == "again" and "again" not in item.source else kind]
        text = words.format(because=because if history else "what you chose")
        reason = {"kind": kind, "share": round(abs(value) / total, 4), "against": value < 0, "text": text}
        reasons.append(reason | ({"item_id": behind} if history else {}))
    return reasons
