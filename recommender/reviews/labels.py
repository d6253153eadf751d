"""Labels of persons: which clauses to label next, and what a label changes."""

import hashlib
from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import MD5

from recommender.inference.opinion_model import LANGUAGE
from recommender.models import Opinion, OpinionLabel, Shop
from recommender.reviews.opinions import Quote, quotes

LOOKED_AT = 5
"""Clauses that are read for each one that is shown: the same words may occur several times."""


def labels_of(shop: Shop, texts: Iterable[str]) -> QuerySet[OpinionLabel]:
    """Labels of these clauses, found by the digest of their words, which has an index."""
    digests = {hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() for text in texts}
    return shop.opinion_labels.annotate(digest=MD5("text")).filter(digest__in=digests)


def least_sure(shop: Shop, most: int) -> list[Quote]:
    """Clauses to label next, the least confident first (uncertainty sampling, Lewis & Gale 1994);
    the same words once, and none that has a label.
    """
    rows = shop.opinions.filter(labeled=False).exclude(why_not=LANGUAGE).order_by("confidence")
    found: dict[str, Quote] = {}
    for quote in quotes(rows, LOOKED_AT * most):
        found.setdefault(quote.text, quote)
    known = set(labels_of(shop, found).values_list("text", flat=True))
    return [quote for text, quote in found.items() if text not in known][:most]


def label_clause(shop: Shop, opinion: Opinion, topic: str, polarity: int, by=None) -> OpinionLabel:
    """Store a person's judgment of a clause, and correct its opinions.

    The same words in other reviews follow when those are judged again.
    """
    (quote,) = quotes(shop.opinions.filter(pk=opinion.pk), 1)
    fields = {
        "topic": topic,
        "polarity": polarity,
        "user_id": quote.opinion.review.user_id,
        "created_by": by,
    }
    with transaction.atomic():
        label = labels_of(shop, [quote.text]).first()
        if label is None:
            label = OpinionLabel.objects.create(shop=shop, text=quote.text, **fields)
        else:
            OpinionLabel.objects.filter(pk=label.pk).update(**fields)
        same = shop.opinions.filter(review=opinion.review_id, begin=opinion.begin, end=opinion.end)
        same.exclude(pk=opinion.pk).delete()
        same.update(topic=topic, polarity=polarity, confidence=1.0, why_not="", labeled=True)
    return label
