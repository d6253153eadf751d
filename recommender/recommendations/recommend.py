"""One shopper's list now: stored or live, filtered, explained; and what is shown when little or
nothing is known.
"""

import math
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.utils import timezone

from recommender.inference.history import History, HistoryEvent
from recommender.inference.ranking_model import Model
from recommender.infrastructure.availability import UNREACHABLE, database
from recommender.models import Placement, RecommendationList, Shop, Shopper
from recommender.recommendations.cold_start import Newcomer, without_history
from recommender.recommendations.explanations import explain_items, tell_reasons
from recommender.recommendations.post_processing import arranged
from recommender.recommendations.precomputed import lists as precomputed_lists
from recommender.recommendations.precomputed.last_lists import kept_list
from recommender.recommendations.requests import SPARE, Ask, Listing
from recommender.serving.items import Item
from recommender.serving.shop_state import ShopState, state_of
from recommender.shoppers.history import Visitor, history_of


def recommend(shop: Shop, ask: Ask) -> Listing:
    """The list of a placement for a shopper, a session, or some products.

    While the database does not answer it is made of what is kept elsewhere. Raises what Django
    raises where that is not enough.
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
    version = version if version and ask.placement.version_id in (None, version.pk) else None
    found = (
        precomputed_lists.told_list(
            shop.pk, version.pk, ask.user_id, ask.limit, ask.explain == "top"
        )
        if version
        else None
    )
    return (
        Listing(found.items, version, stored=True, shopper_id=found.shopper_id) if found else None
    )


def _listing(shop: Shop, state: ShopState, ask: Ask) -> Listing:
    kind = ask.kind
    if kind in BY_SOURCE:
        return _by_source(shop, state, ask, BY_SOURCE[kind])
    if kind == Placement.PERSONAL:
        return _personal(shop, state, ask)
    if ask.user_id or ask.session_id:
        visitor = Visitor.of(shop, ask.user_id, ask.session_id)
        ask = replace(ask, disliked=visitor.history().disliked)
    else:
        visitor = None
    listing = (
        _related(state, ask) if kind in Placement.OF_PRODUCTS else _for_everybody(state, ask, kind)
    )
    listing.shopper_id = visitor.named_id if visitor else None
    return listing


def _without_database(shop: Shop, state: ShopState, ask: Ask) -> Listing:
    """What goes with products, as ever; for shoppers the list that was last stored, else what
    sold well; without reasons out of their history.
    """
    kind = ask.kind
    if kind in Placement.OF_PRODUCTS:
        listing = _related(state, ask)
    elif kind in (Placement.TRENDING, Placement.NEW):
        listing = _for_everybody(state, ask, kind)
    else:
        kept = (
            kept_list(shop.pk, ask.user_id)
            if ask.user_id and kind == Placement.PERSONAL and not ask.only_new
            else None
        )
        listing = (
            _as_kept(state, ask, *kept)
            if kept
            else without_history(state, ask, Newcomer(), "no_database")
        )
    titles = state.catalogue.titles([item.item_id for item in listing.items])
    listing.items = [item for item in listing.items if item.item_id in titles][: ask.limit]
    tell_reasons(shop, listing.items, titles, "off")
    return listing


def _as_kept(state: ShopState, ask: Ask, version_id: int, items: list[Item]) -> Listing:
    shown = set(
        state.catalogue.among([item.item_id for item in items], ask.selection, timezone.now())
    )
    champion = state.champion()
    version = champion if champion and champion.pk == version_id else None
    return Listing(
        arranged(state.model(), [item for item in items if item.item_id in shown], ask),
        version,
        "no_database",
        stored=True,
    )


def _personal(shop: Shop, state: ShopState, ask: Ask) -> Listing:
    visitor = Visitor.of(shop, ask.user_id, ask.session_id)
    shopper, newcomer = visitor.shopper, Newcomer.of(ask, visitor)
    if not visitor.agrees:
        return without_history(state, ask, newcomer, "no_consent")
    if (
        shopper
        and not ask.session_id
        and not ask.only_new
        and (listing := _stored(state, shopper, ask))
    ):
        return listing
    history, now = visitor.history(), timezone.now()
    ask = replace(ask, disliked=history.disliked) if history.disliked else ask
    entry = ask.context.get("entry_item_id") if not history else None
    listing = _live(state, history or (_viewed([entry], now) if entry else history), ask, now)
    if listing is None:
        listing = _without_bought(without_history(state, ask, newcomer), ask, history)
    elif len(listing.items) < ask.limit:
        _fill_up(
            listing, _without_bought(without_history(state, ask, newcomer), ask, history).items
        )
        listing.fallback = "entry" if entry else "filled_up" if shopper else "session"
    elif entry or shopper is None:
        listing.fallback = "entry" if entry else "session"
    listing.shopper_id = visitor.named_id
    return listing


def _viewed(item_ids: Sequence[str], now: datetime) -> History:
    """As if these had just been looked at."""
    return History.of(HistoryEvent(item_id, "view", now, None, None) for item_id in item_ids)


def _fill_up(listing: Listing, items: list[Item]) -> None:
    known = {item.item_id for item in listing.items}
    listing.items += [item for item in items if item.item_id not in known]


def _live(state: ShopState, history: History, ask: Ask, now: datetime) -> Listing | None:
    """The list that the model makes of these events; None where it can make none."""
    version, model = state.serving(ask.placement)
    if model is None or not history:
        return None
    mask = state.mask(model, ask.selection)
    found = lists_for(model, mask, [history], now, ask.reach, ask.only_new)[0]
    if not found:
        return None
    found = arranged(model, found, ask)
    if ask.explain != "off":
        explain_items(model, mask, history, found[: ask.limit], now, ask.only_new)
    return Listing(found, version)


def _without_bought(listing: Listing, ask: Ask, history: History) -> Listing:
    """For placements of new products only: leave out what the shopper has."""
    if ask.only_new:
        bought = history.bought()
        listing.items = [item for item in listing.items if item.item_id not in bought]
    return listing


def _stored(state: ShopState, shopper: Shopper, ask: Ask) -> Listing | None:
    """The list that the champion made, when nothing newer is known of the shopper and enough of
    it may be shown.
    """
    version, model = state.serving(ask.placement)
    row = RecommendationList.objects.filter(
        shopper=shopper, version=version, shopper_revision=shopper.revision
    ).first()
    if row is None or model is None:
        return None
    mask = state.mask(model, ask.selection)
    items = [Item(**values) for values in row.items if mask[model.rows[values["item_id"]]]]
    items = arranged(model, items, ask)
    if len(items) < ask.limit:
        return None
    if ask.explain != "off" and (
        not row.told or any(item.contributions is None for item in items[: ask.limit])
    ):
        _explain_stored(state, model, row, items[: ask.limit + precomputed_lists.SPARE])
    return Listing(items, version, stored=True, shopper_id=shopper.pk)


def _explain_stored(
    state: ShopState, model: Model, row: RecommendationList, items: list[Item]
) -> None:
    """Say of these items of a stored list why they are in it, and keep it."""
    untold = [item for item in items if item.contributions is None]
    if untold:
        explain_items(
            model,
            state.mask(model),
            history_of(row.shopper, row.shop, None),
            untold,
            row.created_at,
        )
    kept = {item.item_id: item.kept() for item in untold}
    row.items = [kept.get(values["item_id"], values) for values in row.items]
    row.told = precomputed_lists.telling(row.shop, [Item(**values) for values in row.items])
    row.save(update_fields=["items", "told"])


def lists_for(
    model: Model, mask, histories: list[History], now: datetime, k: int, only_new: bool = False
) -> list[list[Item]]:
    """Lists for several shoppers of what the mask (items,) lets through and they do not dislike,
    without reasons: what batch scoring and the live list share.
    """
    most_disliked = max((len(history.disliked) for history in histories), default=0)
    found = model.recommend(histories, now, k + most_disliked, mask, only_new)
    lists = []
    for history, places in zip(histories, found, strict=True):
        liked = (
            [place for place in places if place.item_id not in history.disliked]
            if history.disliked
            else places
        )
        lists.append(
            [Item(place.item_id, round(place.score, 6), place.source) for place in liked[:k]]
        )
    return lists


def _related(state: ShopState, ask: Ask) -> Listing:
    version, model = state.serving(ask.placement)
    found = (
        model.related(ask.item_ids, ask.reach, state.mask(model, ask.selection)) if model else []
    )
    if not found:
        listing = without_history(state, ask, Newcomer())
        listing.items = [item for item in listing.items if item.item_id not in ask.item_ids]
        return listing
    items = [
        Item(
            p.item_id,
            round(p.score, 6),
            p.source,
            None,
            p.contributions,
            [list(pair) for pair in p.history.items()],
        )
        for p in found
    ]
    return Listing(arranged(model, items, ask), version, score_kind="similarity")


BY_SOURCE = {Placement.CONTENT: "text", Placement.AGAIN: "again"}


def _by_source(shop: Shop, state: ShopState, ask: Ask, source: str) -> Listing:
    """What one source alone says: text of the products asked about, else of what the shopper
    did; then what newcomers get.
    """
    visitor, now, (version, model) = (
        Visitor.of(shop, ask.user_id, ask.session_id),
        timezone.now(),
        state.serving(ask.placement),
    )
    asked = ask.item_ids if source == "text" else ()
    own = visitor.history()
    ask = replace(ask, disliked=own.disliked) if own.disliked else ask
    history = _viewed(asked, now) if asked else own
    ids = (
        model.by_source(
            history, source, now, ask.reach + len(asked), state.mask(model, ask.selection)
        )
        if model and history
        else []
    )
    ids = [item_id for item_id in ids if item_id not in asked]
    nearest = (
        model.closest(ids, history.item_ids) if ids and source == "text" else [None] * len(ids)
    )
    items = [
        Item(item_id, None, [source], suits=own) for item_id, own in zip(ids, nearest, strict=True)
    ]
    listing = Listing(
        arranged(model, items, ask), version, score_kind="none", shopper_id=visitor.named_id
    )
    if len(listing.items) < ask.limit:
        kind = "filled_up" if listing.items else None if visitor.agrees else "no_consent"
        rest = without_history(state, ask, Newcomer.of(ask, visitor), kind)
        _fill_up(listing, [item for item in rest.items if item.item_id not in asked])
        listing.fallback = rest.fallback if rest.items else kind or rest.fallback
    return listing


def _for_everybody(state: ShopState, ask: Ask, kind: str) -> Listing:
    """What sells best now, or what came last."""
    source = Placement.POPULAR if kind == Placement.TRENDING else Placement.NEWEST
    listing = without_history(state, ask, Newcomer(), only=[source, Placement.NEWEST])
    return replace(listing, fallback=None) if listing.fallback == "popular" else listing


def _finish(shop: Shop, listing: Listing, ask: Ask) -> Listing:
    """Leave out what may not be shown at this very moment, name titles, put reasons into words."""
    ids = [item.item_id for item in listing.items[: ask.limit + SPARE]]
    titles = state_of(shop).catalogue.titles_now(ids, ask.selection, timezone.now()) if ids else {}
    listing.items = [item for item in listing.items if item.item_id in titles][: ask.limit]
    tell_reasons(shop, listing.items, titles, ask.explain)
    return listing
