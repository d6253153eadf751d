"""The service desk of the stocked shop: policies, articles, and their passages."""

from recommender.models import Article, Shop
from recommender.support.defaults import settings_of
from recommender.support.passages import update_passages

ARTICLES = {
    "returns": (
        "Returns",
        "Send items back in their original box. Print the return label from your account.\n\n"
        "Earrings and underwear cannot be returned for reasons of hygiene.",
    ),
    "gift-wrap": (
        "Gift wrapping",
        "We wrap presents in recycled paper for 3 euros an item. Choose gift wrapping in the "
        "basket, and write a card if you like.",
    ),
    "store": (
        "Our store",
        "Our store in London opens from 9 to 18 on weekdays. There is free parking behind the "
        "house.",
    ),
}


def open_desk(shop: Shop) -> None:
    settings = settings_of(shop)
    settings.policies |= {"return_days": "30", "delivery_days": "2 to 4"}
    settings.save()
    for article_id, (title, text) in ARTICLES.items():
        Article.objects.create(
            shop=shop,
            article_id=article_id,
            title=title,
            text=text,
            url=f"https://shop.example/{article_id}",
        )
    update_passages(shop)
