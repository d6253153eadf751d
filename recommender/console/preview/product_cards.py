"""Product cards. A product without an image gets a drawn placeholder."""

import zlib
from dataclasses import dataclass, field

from recommender.models import Product
from recommender.recommendations.explanations import kind_of
from recommender.serving.items import Item

HISTORY_SHOWN = 5


@dataclass
class Card:
    item_id: str
    title: str
    price: str
    image: str
    tint: int
    initials: str
    position: int = 0
    reasons: list[dict] = field(default_factory=list)
    explanation: dict | None = None


def initials_of(title: str) -> str:
    """Initials of the first two words; the first character of a Chinese title."""
    words = [w for w in title.replace("-", " ").split() if w[0].isalnum()]
    if not words:
        return "·"
    if "\u4e00" <= words[0][0] <= "\u9fff":
        return words[0][0]
    return "".join(w[0] for w in words[:2]).upper()


def card_of(product: Product, currency: str) -> Card:
    seed = (product.categories or [product.brand or product.item_id])[0]
    paid = product.price_in_force
    price = "" if paid is None else f"{currency} {paid:,.2f}"
    image = product.images[0] if product.images and product.images[0].startswith("https://") else ""
    return Card(
        product.item_id,
        product.title,
        price,
        image,
        zlib.crc32(seed.encode()) % 6,
        initials_of(product.title),
    )


def cards_of(shop, items: list[Item]) -> list[Card]:
    """Product cards of a list in its order, with reasons and all score contributions."""
    behind = {item_id for item in items for item_id, _ in item.history[:HISTORY_SHOWN]} | {
        i.suits for i in items if i.words
    }
    products = {
        p.item_id: p for p in shop.products.filter(item_id__in=behind | {i.item_id for i in items})
    }
    titles = {item_id: p.title or item_id for item_id, p in products.items()}
    cards = []
    for position, item in enumerate(items, 1):
        card = card_of(products[item.item_id], shop.currency)
        card.position = position
        card.reasons = [
            {**r, "percent": round(100 * r["share"]), "icon": kind_of(r["kind"]).icon}
            for r in item.reasons
        ]
        card.explanation = _explanation(item, titles)
        cards.append(card)
    return cards


def _explanation(item: Item, titles: dict[str, str]) -> dict | None:
    if not item.contributions or item.base is None or item.score is None or not item.base:
        return None
    parts = [
        (kind_of(kind).chip, value)
        for kind, value in sorted(item.contributions.items(), key=lambda p: -abs(p[1]))
        if value
    ]
    history = [
        (titles.get(item_id, item_id), round(100 * share))
        for item_id, share in item.history[:HISTORY_SHOWN]
    ]
    words = [(word, round(100 * share)) for word, share in item.words]
    return {
        "base": item.base,
        "parts": parts,
        "score": item.score,
        "history": history,
        "words": words,
        "suits": titles.get(item.suits or ""),
    }
