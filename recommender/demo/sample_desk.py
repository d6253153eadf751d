"""Service desk of the sample shop: invented policies and help pages of the demo shop."""

from recommender.models import Article, Shop
from recommender.support.authoring import save_article
from recommender.support.defaults import settings_of

POLICIES = {
    "return_days": "30",
    "refund_days": "5",
    "delivery_days": "2 to 4",
    "delivery_cost": "£3.95",
    "free_delivery_from": "£40",
    "delivery_area": "the United Kingdom and the European Union",
    "payment_methods": "card, PayPal or bank transfer",
    "warranty": "two years",
}
ARTICLES = (
    (
        "returning",
        "How to send something back",
        "Pack the item in its box, print the label from your account, and hand the parcel in at "
        "any post office. Sending back is free within the United Kingdom.\n\n"
        "Candles that were lit and personalised items cannot be sent back.",
    ),
    (
        "gift-wrap",
        "Gift wrapping",
        "We wrap any item in recycled paper for £2. Choose gift wrapping in the basket. You can "
        "add a card with a message of up to 200 letters.",
    ),
    (
        "wholesale",
        "Buying for a business",
        "Shops and cafés can order in boxes from twelve pieces. Prices for businesses are shown "
        "after we have checked your VAT number, usually within a working day.",
    ),
    (
        "damaged",
        "Something arrived broken",
        "Keep the packaging and take a photo of the damage. A colleague then sends a replacement "
        "or pays the money back, as you prefer.",
    ),
    (
        "care",
        "Care of enamel and tin",
        "Wash enamel and tin by hand with mild soap and dry them at once. They do not like the "
        "dishwasher or the microwave.",
    ),
)


def open_desk(shop: Shop) -> None:
    """Fill the service desk of the sample shop, where nobody has."""
    settings = settings_of(shop)
    if shop.articles.exists() or any(settings.policies.values()):
        return
    settings.policies = {**settings.policies, **POLICIES}
    settings.save(update_fields=["policies"])
    for article_id, title, text in ARTICLES:
        save_article(Article(shop=shop, article_id=article_id), title, text)
