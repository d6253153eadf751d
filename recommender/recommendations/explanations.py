"""Explanations of recommended products: score contributions by kind of reason, the history items
behind them, matching words, and the text for shoppers.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recommender.catalog.product_fields import TEXT_FIELDS
from recommender.inference.history import History
from recommender.inference.ranking_model import Model
from recommender.models import Product, Shop
from recommender.serving.items import Item
from recommender.serving.shop_state import state_of

MOST_REASONS = 3
LEAST_SHARE = 0.01
"""Smaller contributions are no reason."""


@dataclass(frozen=True)
class ReasonKind:
    """How a kind of reason reads: a sentence for shoppers, a chip and an icon for the console."""

    sentence: str
    """{because} is the shopper's own product; empty: the kind is never given as a reason."""
    chip: str
    icon: str = "info"

    @property
    def names_a_product(self) -> bool:
        return "{because}" in self.sentence


KINDS = {
    "again": ReasonKind("You have bought this before", "Bought again", "event_repeat"),
    "first_time": ReasonKind("You have not bought this before", "Not bought before"),
    "bought_next": ReasonKind("Often bought after {because}", "Bought next", "history"),
    "bought_together": ReasonKind(
        "Often bought together with {because}", "Bought together", "join_left"
    ),
    "similar": ReasonKind("Shoppers who took {because} took this too", "Similar shoppers", "group"),
    "text": ReasonKind("Its description suits {because}", "Text", "text_fields"),
    "popularity": ReasonKind("Sells well now", "Sells well", "trending_up"),
    "price": ReasonKind("Near what you usually spend", "Price", "sell"),
    "taste": ReasonKind("From a brand or category you like", "Brand and category", "favorite"),
    "new": ReasonKind("New or little known yet", "New or seldom sold", "new_releases"),
    "shopper": ReasonKind("", "The shopper's habits", "person"),
    "arrived": ReasonKind("New in the shop", "New in the shop", "fiber_new"),
    "interests": ReasonKind("Suits what you said you like", "Stated interests", "interests"),
    "openers": ReasonKind("What others began with", "Bought first by others", "flag"),
}
"""Every kind of reason: those of the ranker, and those of lists that one source made alone."""
UNKNOWN_KIND = ReasonKind("Fits what is known of you", "Other")
"""A kind that is not in the table, such as one of a later model."""


@dataclass(frozen=True)
class SourceWords:
    """Console name of a candidate source, and its kind of reason where it makes a list alone."""

    chip: str
    alone: str | None = None


SOURCES = {
    "again": SourceWords("Bought again", "again"),
    "next": SourceWords("Bought next"),
    "together": SourceWords("Bought together"),
    "similar": SourceWords("Similar shoppers"),
    "ease": SourceWords("Similar tastes"),
    "sequence": SourceWords("What comes next"),
    "text": SourceWords("Text", "text"),
    "trending": SourceWords("Sells well", "popularity"),
    "new": SourceWords("New arrivals", "arrived"),
    "interests": SourceWords("Stated interests", "interests"),
    "openers": SourceWords("Bought first by others", "openers"),
}
"""Every candidate source: those of the ranking model, then those of cold start."""


def kind_of(name: str) -> ReasonKind:
    return KINDS.get(name, UNKNOWN_KIND)


def source_chip(name: str) -> str:
    """Console name of a candidate source; of an unknown source its key."""
    words = SOURCES.get(name)
    return words.chip if words else name


def explain_items(
    model: Model, mask, history: History, items: list[Item], now: datetime, only_new: bool = False
) -> None:
    """Add score, contributions and own products to items of the shopper's list, as of `now`.

    mask: (items,) bool, the products from which the list was chosen.
    """
    ids = [item.item_id for item in items]
    explained = model.explain(history, ids, now, mask, only_new)
    nearest, bought = model.closest(ids, list(dict.fromkeys(history.item_ids))), history.bought()
    for item, ranked, suits in zip(items, explained, nearest, strict=True):
        item.suits, item.examples, item.bought = suits, ranked.examples, item.item_id in bought
        item.score, item.base = round(ranked.score, 6), round(ranked.base, 6)
        item.contributions = {kind: round(value, 6) for kind, value in ranked.contributions.items()}
        item.history = [[item_id, round(share, 4)] for item_id, share in ranked.history.items()]


def add_reasons(shop: Shop, items: list[Item], titles: dict[str, str], explain: str) -> None:
    """Put the reasons of the items into words; `explain` is off, top or full.

    titles: titles by item_id that are at hand; others are read where a reason names them.
    """
    if explain == "off":
        return
    put_into_words(shop, items, titles)
    if explain == "full":
        _add_matched_words(shop, items)


def put_into_words(shop: Shop, items: list[Item], titles: dict[str, str]) -> None:
    """Render the reasons of the items as text for shoppers; reads titles that are missing in
    `titles`.
    """
    naming = [name for name, kind in KINDS.items() if kind.names_a_product]
    examples = {example for item in items for example in map(item.example_of, naming) if example}
    missing = examples - titles.keys()
    if missing:
        products = Product.objects.filter(shop=shop, item_id__in=missing)
        titles = titles | dict(products.values_list("item_id", "title"))
    for item in items:
        item.reasons = reasons_of(item, titles)


def _add_matched_words(shop: Shop, items: list[Item]) -> None:
    """Where text is among the reasons, set the words of it that matched."""
    by_text = [
        item
        for item in items
        if item.suits and any(r["kind"] == "text" and not r["against"] for r in item.reasons)
    ]
    model = state_of(shop).model()
    if not by_text or model is None:
        return
    wanted = {item_id for item in by_text for item_id in (item.item_id, item.suits)}
    products = Product.objects.filter(shop=shop, item_id__in=wanted)
    rows = products.values_list("item_id", *TEXT_FIELDS)
    texts = {item_id: text for item_id, *text in rows}
    by_text = [item for item in by_text if item.item_id in texts and item.suits in texts]
    pairs = [(texts[item.item_id], texts[item.suits]) for item in by_text]
    for item, words in zip(by_text, model.matched_words(pairs), strict=True):
        item.words = words


def reasons_of(
    item: Item, titles: dict[str, str], most: int = MOST_REASONS
) -> list[dict[str, Any]]:
    """The largest contributions in words; `share` is a contribution's part in the sum of all sizes.

    A reason that names a product names the one from the source of this reason (`Item.examples`).
    """
    if not item.contributions:
        return _reason_of_one_source(item, titles)
    total = sum(abs(value) for value in item.contributions.values()) or 1.0
    large = {
        name: value
        for name, value in item.contributions.items()
        if kind_of(name).sentence and abs(value) / total >= LEAST_SHARE
    }
    largest = sorted(large.items(), key=lambda pair: -abs(pair[1]))[:most]
    reasons = []
    for name, value in largest:
        example = item.example_of(name) if value > 0 else None
        kind = KINDS["first_time"] if name == "again" and not item.is_bought else kind_of(name)
        reason = {
            "kind": name,
            "share": round(abs(value) / total, 4),
            "against": value < 0,
            "text": kind.sentence.format(because=_title(example, titles)),
        }
        reasons.append(reason | ({"item_id": example} if example else {}))
    return reasons


def _reason_of_one_source(item: Item, titles: dict[str, str]) -> list[dict[str, Any]]:
    words = SOURCES.get(item.source[0]) if len(item.source) == 1 else None
    if words is None or words.alone is None:
        return []
    text = KINDS[words.alone].sentence.format(because=_title(item.suits, titles))
    reason = {"kind": words.alone, "share": 1.0, "text": text}
    return [reason | ({"item_id": item.suits} if item.suits else {})]


def _title(item_id: str | None, titles: dict[str, str]) -> str:
    return titles.get(item_id or "", item_id) or "what you chose"
