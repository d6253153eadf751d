"""The places of a list, and why each product has its own: contributions, own products, words."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from recommender.engine import Model
from recommender.models import Product, Shop
from recommender.past import History
from recommender.serving import state_of

REASONS_SHOWN = 3
NO_REASON = frozenset({"shopper"})
NAMING = ("bought_next", "bought_together", "similar")
"""Kinds of reasons that name a product of the shopper's own, beside that of texts."""


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
    examples: dict[str, str] | None = None
    """By kind of reason, the own product of which it is most true; None where it was not kept."""
    bought: bool | None = None
    """Has the shopper bought it (and not returned it)? None where it was not kept."""
    suits: str | None = None
    """The own product whose text is nearest; None where that is the product itself."""
    title: str = ""
    reasons: list[dict[str, Any]] = field(default_factory=list)
    words: list[tuple[str, float]] = field(default_factory=list)
    """Words that make it like that product, with their shares; only where everything is told."""
    odds: Any = None
    """How it came to its place, where places are drawn."""

    def example_of(self, kind: str) -> str | None:
        """The own product that a reason of this kind names; None where it names none."""
        if kind == "text":
            return self.suits
        if self.examples is None:  # of a list that was stored before examples were kept by kind
            return next((item_id for item_id, _ in self.history if item_id != self.item_id), None) if kind in NAMING else None
        return self.examples.get(kind)

    @property
    def is_bought(self) -> bool:
        return self.bought if self.bought is not None else "again" in self.source

    def kept(self) -> dict[str, Any]:
        """What of it is stored."""
        return {
            "item_id": self.item_id, "score": self.score, "source": self.source, "base": self.base, "contributions": self.contributions,
            "history": self.history, "suits": self.suits, "examples": self.examples, "bought": self.bought,
        }  # fmt: skip


def explain_items(model: Model, mask, history: History, items: list[Item], now: datetime, only_new: bool = False) -> None:
    """Say of these items of the shopper's list why they are in it, as of `now`; `mask` (items,) is what the list was chosen from."""
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


def row_of(item: Item, score_kind: str = "rank", explained: bool = True) -> dict[str, Any]:
    """A place of a list as a reply tells of it, but for its position."""
    because = dict(zip(("item_id", "share"), item.history[0], strict=True)) if explained and item.history else None
    return {
        "item_id": item.item_id, "score": item.score, "score_kind": score_kind, "source": item.source, "rule": None,
        "explored": bool(item.odds and not item.odds.best), "reasons": item.reasons, "because": because,
    }  # fmt: skip


def kept_row(item: Item) -> dict[str, Any]:
    """A place of a list as a served list keeps it."""
    kept = {"item_id": item.item_id, "source": item.source, "reason": item.reasons[0]["kind"] if item.reasons else None}
    return kept | item.odds.kept() if item.odds else kept


def put_into_words(shop: Shop, items: list[Item], titles: dict[str, str]) -> None:
    """Give the items their reasons; titles that are not at hand are asked for."""
    causes = {cause for item in items for cause in map(item.example_of, (*NAMING, "text")) if cause} - titles.keys()
    named = titles | (dict(Product.objects.filter(shop=shop, item_id__in=causes).values_list("item_id", "title")) if causes else {})
    for item in items:
        item.reasons = reasons_of(item, named)


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
    "arrived": "New in the shop",
    "interests": "Suits what you said you like",
    "openers": "What others began with",
}


UNNAMED = "Fits what is known of you"
"""What a kind of reason says that this table does not know, such as one of a later model."""
ONLY = {"trending": "popularity", "again": "again", "text": "text", "new": "arrived", "interests": "interests", "openers": "openers"}
"""Where one source alone made the list, its reason."""


def _only_reason(item: Item, titles: dict[str, str]) -> list[dict[str, Any]]:
    kind = ONLY.get(item.source[0]) if len(item.source) == 1 else None
    if kind is None:
        return []
    text = WORDS[kind].format(because=titles.get(item.suits or "", item.suits) or "what you chose")
    return [{"kind": kind, "share": 1.0, "text": text} | ({"item_id": item.suits} if item.suits else {})]


def reasons_of(item: Item, titles: dict[str, str], most: int = REASONS_SHOWN) -> list[dict[str, Any]]:
    """The largest contributions in words; `share` is a contribution's size in the sum of all sizes."""
    if not item.contributions:
        return _only_reason(item, titles)
    total = sum(abs(value) for value in item.contributions.values()) or 1.0
    told = {kind: value for kind, value in item.contributions.items() if kind not in NO_REASON and abs(value) / total >= 0.01}
    largest = sorted(told.items(), key=lambda pair: -abs(pair[1]))[:most]
    reasons = []
    for kind, value in largest:
        example = item.example_of(kind) if value > 0 else None
        words = WORDS.get("first_time" if kind == "again" and not item.is_bought else kind, UNNAMED)
        text = words.format(because=titles.get(example or "", example) or "what you chose")
        reason = {"kind": kind, "share": round(abs(value) / total, 4), "against": value < 0, "text": text}
        reasons.append(reason | ({"item_id": example} if example else {}))
    return reasons
