"""The places of a list, and why each product has its own: contributions, own products, words."""

from datetime import datetime
from typing import Any

from recommender.inference.history import History
from recommender.inference.ranking_model import Model
from recommender.models import Product, Shop
from recommender.serving.items import NAMING, Item
from recommender.serving.shop_state import state_of

REASONS_SHOWN = 3
NO_REASON = frozenset({"shopper"})


def explain_items(
    model: Model, mask, history: History, items: list[Item], now: datetime, only_new: bool = False
) -> None:
    """Say of these items of the shopper's list why they are in it, as of `now`; `mask` (items,)
    is what the list was chosen from.
    """
    ids = [item.item_id for item in items]
    told = model.explain(history, ids, now, mask, only_new)
    nearest, bought = model.closest(ids, list(dict.fromkeys(history.item_ids))), history.bought()
    for item, place, suits in zip(items, told, nearest, strict=True):
        item.suits, item.examples, item.bought = suits, place.examples, item.item_id in bought
        item.score, item.base = round(place.score, 6), round(place.base, 6)
        item.contributions = {kind: round(value, 6) for kind, value in place.contributions.items()}
        item.history = [[item_id, round(share, 4)] for item_id, share in place.history.items()]


def tell_reasons(shop: Shop, items: list[Item], titles: dict[str, str], explain: str) -> None:
    """Name the items and put into words why they stand where they do; `titles` of all of them."""
    for item in items:
        item.title = titles[item.item_id]
    if explain == "off":
        return
    put_into_words(shop, items, titles)
    if explain == "full":
        _tell_words(shop, items)


def put_into_words(shop: Shop, items: list[Item], titles: dict[str, str]) -> None:
    """Give the items their reasons; titles that are not at hand are asked for."""
    causes = {
        cause for item in items for cause in map(item.example_of, (*NAMING, "text")) if cause
    } - titles.keys()
    named = titles | (
        dict(Product.objects.filter(shop=shop, item_id__in=causes).values_list("item_id", "title"))
        if causes
        else {}
    )
    for item in items:
        item.reasons = reasons_of(item, named)


def _tell_words(shop: Shop, items: list[Item]) -> None:
    """Where a text is among the reasons, the words of it that matched."""
    asked = [
        item
        for item in items
        if item.suits and any(r["kind"] == "text" and not r["against"] for r in item.reasons)
    ]
    model = state_of(shop).model()
    if not asked or model is None:
        return
    wanted = {item_id for item in asked for item_id in (item.item_id, item.suits)}
    rows = Product.objects.filter(shop=shop, item_id__in=wanted).values_list(
        "item_id", "title", "brand", "categories", "description"
    )
    texts = {row[0]: row[1:] for row in rows}
    asked = [item for item in asked if item.item_id in texts and item.suits in texts]
    for item, words in zip(
        asked, model.matched_words([(texts[i.item_id], texts[i.suits]) for i in asked]), strict=True
    ):
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
    "arrived": "New in the shop",
    "interests": "Suits what you said you like",
    "openers": "What others began with",
}
UNNAMED = "Fits what is known of you"
"""What a kind of reason says that this table does not know, such as one of a later model."""
ONLY = {
    "trending": "popularity",
    "again": "again",
    "text": "text",
    "new": "arrived",
    "interests": "interests",
    "openers": "openers",
}
"""Where one source alone made the list, its reason."""


def _only_reason(item: Item, titles: dict[str, str]) -> list[dict[str, Any]]:
    kind = ONLY.get(item.source[0]) if len(item.source) == 1 else None
    if kind is None:
        return []
    text = WORDS[kind].format(because=titles.get(item.suits or "", item.suits) or "what you chose")
    return [
        {"kind": kind, "share": 1.0, "text": text} | ({"item_id": item.suits} if item.suits else {})
    ]


def reasons_of(
    item: Item, titles: dict[str, str], most: int = REASONS_SHOWN
) -> list[dict[str, Any]]:
    """The largest contributions in words; `share` is a contribution's size in the sum of all
    sizes.
    """
    if not item.contributions:
        return _only_reason(item, titles)
    total = sum(abs(value) for value in item.contributions.values()) or 1.0
    told = {
        kind: value
        for kind, value in item.contributions.items()
        if kind not in NO_REASON and abs(value) / total >= 0.01
    }
    largest = sorted(told.items(), key=lambda pair: -abs(pair[1]))[:most]
    reasons = []
    for kind, value in largest:
        example = item.example_of(kind) if value > 0 else None
        words = WORDS.get("first_time" if kind == "again" and not item.is_bought else kind, UNNAMED)
        text = words.format(because=titles.get(example or "", example) or "what you chose")
        reason = {
            "kind": kind,
            "share": round(abs(value) / total, 4),
            "against": value < 0,
            "text": text,
        }
        reasons.append(reason | ({"item_id": example} if example else {}))
    return reasons
