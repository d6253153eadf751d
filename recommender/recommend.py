"""One shopper's list now: stored or live, filtered, explained; and what is shown when little or nothing is known."""

import math
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils import timezone

from recommender import stored
from recommender.catalogue import allowed, read_products
from recommender.engine import HistoryEvent, Model
from recommender.filters import Selection, select
from recommender.history import Visitor, history_of
from recommender.kept import kept_list
from recommender.models import ModelVersion, Placement, Product, RecommendationList, Shop, Shopper
from recommender.reach import UNREACHABLE, database
from recommender.reasons import Item, explain_items, tell_reasons
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
    shopper_id: int | None = None
    """The row of whose list it is; None also where they do not agree to personal lists."""
    recommendation_id: str = ""
    took_ms: int = 0


@dataclass(frozen=True)
class Ask:
    """What a list is asked for, and by whom."""

    placement: Placement | None
    """None: what goes with some products, wherever it stands."""
    limit: int
    user_id: str | None = None
    session_id: str | None = None
    item_ids: tuple[str, ...] = ()
    """The products of the page or of the basket."""
    explain: str = "top"
    filter: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    diversity: float | None = None
    """None: the placement's."""
    shown: tuple[str, ...] = ()
    """What the list has shown so far, where it is continued."""
    recommendation_id: str = ""
    elsewhere: tuple[str, ...] = ()
    """What other lists of the same page show."""

    @cached_property
    def selection(self) -> Selection:
        """What the placement and the request let through. Raises FilterError."""
        if self.placement is None:
            return select([self.filter], self.params)
        return select([self.placement.filter, self.filter], {**self.placement.filter_values, **self.params})

    @property
    def is_usual(self) -> bool:
        """A shopper's whole list as it was stored, at most with reasons."""
        return bool(
            self.user_id and self.kind == Placement.PERSONAL and self.explain != "full"
            and not (self.session_id or self.only_new or self._left_out or self.selection.filters or self.spread or self.placement.tail_percent)
        )  # fmt: skip

    @property
    def kind(self) -> str:
        return self.placement.kind if self.placement else Placement.RELATED

    @property
    def spread(self) -> float:
        """How unlike each other the products are to be, 0 to 1."""
        return self.diversity if self.diversity is not None else self.placement.diversity if self.placement else 0.0

    @property
    def reach(self) -> int:
        """How many products are looked for: what was shown is left out, and some may not be shown after all."""
        return self.limit + SPARE + len(self._left_out)

    @property
    def only_new(self) -> bool:
        return self.placement is not None and self.placement.only_new

    @cached_property
    def _left_out(self) -> frozenset[str]:
        return frozenset(self.shown + self.elsewhere)

    def unshown(self, items: list[Item]) -> list[Item]:
        """The items that neither this list nor another one of the page has shown yet."""
        return [item for item in items if item.item_id not in self._left_out] if self._left_out else items


def recommend(shop: Shop, ask: Ask) -> Listing:
    """The list of a placement for a shopper, a session, or some products.

    While the database does not answer it is made of what is kept elsewhere. Raises what Django raises where that is not enough.
    """
    begun = time.perf_counter()
    state = state_of(shop)
    listing = None
    if not database.gone:
        try:
            listing = _told(shop, state, ask) or _finish(shop, _listing(shop, state, ask), ask)
        except UNREACHABLE:
            database.note_gone()
    listing = listing or _without_database(shop, state, ask)
    listing.recommendation_id = ask.recommendation_id or f"r-{uuid.uuid4().hex}"
    listing.took_ms = math.ceil((time.perf_counter() - begun) * 1000)
    return listing


def _told(shop: Shop, state: ShopState, ask: Ask) -> Listing | None:
    """The usual request's stored list, in one question to the database."""
    version = state.champion() if ask.is_usual else None
    found = stored.told_list(shop.pk, version.pk, ask.user_id, ask.limit, ask.explain == "top") if version else None
    return Listing(found.items, version, stored=True, shopper_id=found.shopper_id) if found else None


def _listing(shop: Shop, state: ShopState, ask: Ask) -> Listing:
    kind = ask.kind
    if kind in Placement.OF_PRODUCTS:
        return _related(state, ask)
    if kind in BY_SOURCE:
        return _by_source(shop, state, ask, BY_SOURCE[kind])
    if kind in (Placement.TRENDING, Placement.NEW):
        return _for_everybody(state, ask, kind)
    return _personal(shop, state, ask)


def _without_database(shop: Shop, state: ShopState, ask: Ask) -> Listing:
    """What goes with products, as ever; for shoppers the list that was last stored, else what sold well; without reasons out of their history."""
    kind = ask.kind
    if kind in Placement.OF_PRODUCTS:
        listing = _related(state, ask)
    elif kind in (Placement.TRENDING, Placement.NEW):
        listing = _for_everybody(state, ask, kind)
    else:
        kept = kept_list(shop.pk, ask.user_id) if ask.user_id and kind == Placement.PERSONAL and not ask.only_new else None
        listing = _as_kept(state, ask, *kept) if kept else _popular(state, ask, "no_database")
    titles = state.catalogue.titles([item.item_id for item in listing.items])
    listing.items = [item for item in listing.items if item.item_id in titles][: ask.limit]
    tell_reasons(shop, listing.items, titles, "off")
    return listing


def _as_kept(state: ShopState, ask: Ask, version_id: int, items: list[Item]) -> Listing:
    shown = set(state.catalogue.among([item.item_id for item in items], ask.selection, timezone.now()))
    items = [item for item in items if item.item_id in shown]
    champion = state.champion()
    version = champion if champion and champion.pk == version_id else None
    return Listing(ask.unshown(arranged(state.model(), items, ask)), version, "no_database", stored=True)


def arranged(model: Model | None, items: list[Item], ask: Ask) -> list[Item]:
    """The list as it is wanted: products unlike each other, and from the top on a least share of places for those outside the best-selling fifth."""
    if model is None:
        return items
    if ask.spread:
        items = [items[i] for i in model.diversified([item.item_id for item in items], ask.spread)]
    if ask.placement and ask.placement.tail_percent:
        items = [items[i] for i in model.with_exposure([item.item_id for item in items], ask.placement.tail_percent / 100)]
    return items


def _personal(shop: Shop, state: ShopState, ask: Ask) -> Listing:
    visitor = Visitor.of(shop, ask.user_id, ask.session_id)
    shopper = visitor.shopper
    if not visitor.agrees:
        return _popular(state, ask, "no_consent")
    if shopper and not ask.session_id and not ask.only_new and (listing := _stored(state, shopper, ask)):
        return listing
    model, history, now = state.model(), visitor.history(), timezone.now()
    listing = _live(state, model, history, ask, now) if model else None
    if listing is None:
        listing = _without_bought(_popular(state, ask, "popular"), ask, history)
    elif len(listing.items) < ask.limit:
        known = {item.item_id for item in listing.items}
        rest = _without_bought(_popular(state, ask, "popular"), ask, history).items
        listing.items += [item for item in rest if item.item_id not in known]
        listing.fallback = "filled_up" if shopper else "session"
    elif shopper is None:
        listing.fallback = "session"
    listing.shopper_id = shopper.pk if shopper else None
    return listing


def _live(state: ShopState, model: Model, history: list[HistoryEvent], ask: Ask, now: datetime) -> Listing | None:
    """The list that the model makes of these events; None where it can make none."""
    mask = state.mask(model, ask.selection)
    found = lists_for(model, mask, [history], now, ask.reach, ask.only_new)[0]
    if not found:
        return None
    found = ask.unshown(arranged(model, found, ask))
    if ask.explain != "off":
        explain_items(model, mask, history, found[: ask.limit], now, ask.only_new)
    return Listing(found, state.champion())


def _without_bought(listing: Listing, ask: Ask, history: list[HistoryEvent]) -> Listing:
    """For placements of new products only: leave out what the shopper has."""
    if ask.only_new:
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
    items = ask.unshown(arranged(model, items, ask))
    if len(items) < ask.limit:
        return None
    if ask.explain != "off" and any(item.contributions is None for item in items[: ask.limit]):
        _explain_stored(state, model, row, items[: ask.limit + stored.SPARE])
    return Listing(items, version, stored=True, shopper_id=shopper.pk)


def _explain_stored(state: ShopState, model: Model, row: RecommendationList, items: list[Item]) -> None:
    """Say of these items of a stored list why they are in it, and keep it."""
    untold = [item for item in items if item.contributions is None]
    explain_items(model, state.mask(model), history_of(row.shopper, row.shop, None), untold, row.created_at)
    kept = {item.item_id: item.kept() for item in untold}
    row.items = [kept.get(values["item_id"], values) for values in row.items]
    row.told = stored.telling(row.shop, [Item(**values) for values in row.items])
    row.save(update_fields=["items", "told"])


def lists_for(model: Model, mask, histories: list[list[HistoryEvent]], now: datetime, k: int, only_new: bool = False) -> list[list[Item]]:
    """Lists for several shoppers of what the mask (items,) lets through, without reasons: what batch scoring and the live list share."""
    found = model.recommend(histories, now, k, mask, only_new)
    return [[Item(place.item_id, round(place.score, 6), place.source) for place in places] for places in found]


def _related(state: ShopState, ask: Ask) -> Listing:
    model = state.model()
    found = model.related(ask.item_ids, ask.reach, state.mask(model, ask.selection)) if model else []
    if not found:
        listing = _popular(state, ask, "popular")
        listing.items = [item for item in listing.items if item.item_id not in ask.item_ids]
        return listing
    items = [Item(p.item_id, round(p.score, 6), p.source, None, p.contributions, [list(pair) for pair in p.history.items()]) for p in found]
    return Listing(ask.unshown(arranged(model, items, ask)), state.champion(), score_kind="similarity")


BY_SOURCE = {Placement.CONTENT: "text", Placement.AGAIN: "again"}


def _by_source(shop: Shop, state: ShopState, ask: Ask, source: str) -> Listing:
    """What one source alone says: text of the products asked about, else of what the shopper did; then what sells best."""
    visitor, model, now = Visitor.of(shop, ask.user_id, ask.session_id), state.model(), timezone.now()
    asked = ask.item_ids if source == "text" else ()
    history = [HistoryEvent(item_id, "view", now, None, None) for item_id in asked] or visitor.history()
    ids = model.by_source(history, source, now, ask.reach + len(asked), state.mask(model, ask.selection)) if model and history else []
    ids = [item_id for item_id in ids if item_id not in asked]
    nearest = model.closest(ids, [e.item_id for e in history]) if ids and source == "text" else [None] * len(ids)
    items = [Item(item_id, None, [source], suits=own) for item_id, own in zip(ids, nearest, strict=True)]
    listing = Listing(ask.unshown(arranged(model, items, ask)), state.champion(), score_kind="none", shopper_id=visitor.named_id)
    if len(listing.items) < ask.limit:
        known = {item.item_id for item in listing.items} | set(asked)
        rest = _popular(state, ask, "filled_up" if listing.items else "popular" if visitor.agrees else "no_consent")
        listing.items += [item for item in rest.items if item.item_id not in known]
        listing.fallback = rest.fallback
    return listing


def _for_everybody(state: ShopState, ask: Ask, kind: str) -> Listing:
    """What sells best now, or what came last."""
    if kind == Placement.TRENDING:
        listing = _popular(state, ask, "popular")
        return listing if listing.fallback != "popular" else replace(listing, fallback=None)
    ids = state.catalogue.newest(ask.selection, timezone.now(), ask.reach)
    empty = "nothing_selected" if ask.selection.filters else "empty_catalogue"
    items = ask.unshown(arranged(state.model(), [Item(item_id, None, ["new"]) for item_id in ids], ask))
    return Listing(items, state.champion(), None if ids else empty, score_kind="none")


def _popular(state: ShopState, ask: Ask, kind: str) -> Listing:
    """What sells best now, then the newest; without any product, an empty list that says so."""
    now = timezone.now()
    ids = state.catalogue.among(state.bestsellers(), ask.selection, now)[: ask.reach]
    if len(ids) < ask.reach:
        ids = list(dict.fromkeys([*ids, *state.catalogue.newest(ask.selection, now, ask.reach)]))
    items = ask.unshown(arranged(state.model(), [Item(item_id, None, ["trending"]) for item_id in ids[: ask.reach]], ask))
    empty = "nothing_selected" if ask.selection.filters else "empty_catalogue"
    return Listing(items, state.champion(), kind if ids else empty, score_kind="none")


def _finish(shop: Shop, listing: Listing, ask: Ask) -> Listing:
    """Leave out what may not be shown at this very moment, name titles, put reasons into words."""
    titles = _titles(shop, [item.item_id for item in listing.items[: ask.limit + SPARE]], ask.selection)
    listing.items = [item for item in listing.items if item.item_id in titles][: ask.limit]
    tell_reasons(shop, listing.items, titles, ask.explain)
    return listing


def _titles(shop: Shop, item_ids: list[str], selection: Selection) -> dict[str, str]:
    """Titles of those that may be shown and are selected, by what the database says now."""
    if not selection.filters:
        return dict(Product.objects.filter(shop=shop, item_id__in=item_ids).showable().values_list("item_id", "title"))
    frame = read_products(shop.pk, item_ids)
    shown = frame.filter(allowed(frame, selection, timezone.now()))
    return dict(zip(shown["item_id"], shown["title"].fill_null(""), strict=True))
