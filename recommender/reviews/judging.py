"""Judging of opinions: pending reviews are cut into clauses, each with topics and a polarity.

A worker locks a chunk of reviews, so that several share the work, and writes its opinions in one
transaction; what it did not finish stays pending.
"""

import time
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from recommender.inference import opinion_model
from recommender.model_lifecycle import runs
from recommender.models import ModelVersion, Opinion, Product, Review, Shop
from recommender.models.opinions import GENERAL, Polarity
from recommender.reviews.copies import copies_among
from recommender.reviews.labels import labels_of
from recommender.reviews.languages import language_of
from recommender.serving.champions import readable_champion

OPINION = "opinion"
"""Purpose of the model versions that judge, and the recipe that trains them."""
POLARITIES = {one.label: one.value for one in Polarity}
CHUNK = 256
"""Reviews of a transaction."""
LONGEST_JOB = 60.0
"""Seconds after which a job leaves the rest to the next one, so that other shops have a turn."""
LONGEST_VALUE = 256
LOOKED_AT, OTHER_LANGUAGES = 200, 0.1
"""Newest reviews whose language is looked at, and the share in other languages than English above
which the first judge is multilingual.
"""
LONGEST_READ = 20_000
"""Characters of a text in which opinions are looked for."""


def judge_pending(shop: Shop) -> bool:
    """Judge the pending reviews of a shop; returns False where some are left.

    Without a judge, its training is queued, and the reviews wait for it.
    """
    version = judge_version(shop)
    if version is None:
        if shop.reviews.pending().exists():
            train_first_judge(shop)
        return True
    ends = time.monotonic() + LONGEST_JOB
    while _judge_chunk(shop, version):
        if time.monotonic() > ends:
            return False
    return True


def judge_version(shop: Shop) -> ModelVersion | None:
    """The champion that judges opinions; where it is broken, the version before it."""
    return readable_champion(shop, OPINION, opinion_model.judge_of)


def train_first_judge(shop: Shop) -> None:
    """Queue the training of a shop's first judge, on the examples of its topics; from the
    multilingual encoder where some of the newest reviews are in another language than English.
    """
    newest = shop.reviews.order_by("-pk").values_list("text", flat=True)[:LOOKED_AT]
    languages = [language_of(text) for text in newest]
    known = [language for language in languages if language]
    foreign = sum(language != "en" for language in known)
    multilingual = foreign > OTHER_LANGUAGES * len(known)
    runs.start_first(shop, OPINION, {"text.encoder": "multilingual"} if multilingual else {})


def judge_again(shop: Shop) -> int:
    """Make all reviews pending again, as after the promotion of another judge; returns their
    number.
    """
    return shop.reviews.exclude(judged_at=None).update(judged_at=None)


def judged(shop: Shop, version: ModelVersion, texts: Sequence[str]) -> list[list[dict[str, Any]]]:
    """The opinions in each text, as fields of `Opinion`, in order. Raises BrokenCheckpoint."""
    found = opinion_model.judge(version.folder, texts)
    labels = _labels_of(shop, texts, found)
    return [
        [row for clause in clauses for row in _rows_of(text, clause, labels)]
        for text, clauses in zip(texts, found, strict=True)
    ]


def _judge_chunk(shop: Shop, version: ModelVersion) -> int:
    """Judge at most CHUNK pending reviews; returns their number."""
    with transaction.atomic():
        pending = shop.reviews.pending().order_by("pk")
        reviews = list(pending.select_for_update(skip_locked=True, of=("self",))[:CHUNK])
        if not reviews:
            return 0
        copies = copies_among([review.pk for review in reviews])
        counted = [review for review in reviews if review.pk not in copies]
        texts = [review.whole[:LONGEST_READ] for review in counted]
        rows = judged(shop, version, texts)
        Opinion.objects.filter(review__in=reviews).delete()
        Opinion.objects.bulk_create(_opinions(shop, counted, rows))
        _stamp(reviews, copies, version)
    return len(reviews)


def _rows_of(
    text: str, clause: Any, labels: dict[str, list[tuple[str, int]]]
) -> list[dict[str, Any]]:
    """The opinions in a clause: those that a person gave to the same words, else the judge's."""
    place = {"begin": clause.begin, "end": clause.end}
    given = labels.get(text[clause.begin : clause.end])
    if given:
        return [
            {"topic": topic, "polarity": polarity, "confidence": 1.0, "labeled": True, **place}
            for topic, polarity in given
        ]
    if clause.polarity is None:
        fields = {"confidence": clause.probability, "why_not": clause.why_not}
        return [{"polarity": Polarity.NOT_JUDGED, **fields, **place}]
    topics = [topic for topic, _ in clause.topics] or [GENERAL]
    fields = {"polarity": POLARITIES[clause.polarity], "confidence": clause.probability}
    return [{"topic": topic, **fields, **place} for topic in topics]


def _labels_of(
    shop: Shop, texts: Sequence[str], judged: Sequence[Sequence[Any]]
) -> dict[str, list[tuple[str, int]]]:
    """(topic, polarity) that persons gave to these clauses, by their words."""
    clauses = {
        text[clause.begin : clause.end]
        for text, found in zip(texts, judged, strict=True)
        for clause in found
    }
    given: dict[str, list[tuple[str, int]]] = {}
    for text, topic, polarity in labels_of(shop, clauses).values_list("text", "topic", "polarity"):
        given.setdefault(text, []).append((topic, polarity))
    return given


def _opinions(
    shop: Shop, reviews: Sequence[Review], rows: Sequence[list[dict[str, Any]]]
) -> list[Opinion]:
    """Opinions of these reviews, with their day and what their products are."""
    products = {
        item_id: (brand[:LONGEST_VALUE], paths_of(categories))
        for item_id, brand, categories in Product.objects.filter(
            shop=shop, item_id__in={review.item_id for review in reviews if review.item_id}
        ).values_list("item_id", "brand", "categories")
    }
    out = []
    for review, found in zip(reviews, rows, strict=True):
        brand, categories = products.get(review.item_id, ("", []))
        about = {
            "shop": shop,
            "review": review,
            "day": timezone.localdate(review.created_at or review.received_at, shop.zone),
            "item_id": review.item_id,
            "brand": brand,
            "categories": categories,
            "channel": review.channel,
        }
        out += [Opinion(**about, **fields) for fields in found]
    return out


def paths_of(categories: Sequence[str]) -> list[str]:
    """The paths of categories and those above them, such as Home and Home > Lighting."""
    paths: dict[str, None] = {}
    for path in categories:
        parts = path.split(" > ")
        paths |= dict.fromkeys(" > ".join(parts[:n]) for n in range(1, len(parts) + 1))
    return [path for path in paths if 0 < len(path) <= LONGEST_VALUE]


def _stamp(reviews: Sequence[Review], copies: dict[int, str], version: ModelVersion) -> None:
    """Write what was found out of each review."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE recommender_review r SET copy = v.copy, language = v.language, "
            "judged_at = now(), judged_by_id = %s "
            "FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS v (id, copy, language) "
            "WHERE r.id = v.id",
            [
                version.pk,
                [review.pk for review in reviews],
                [copies.get(review.pk, "") for review in reviews],
                [language_of(review.text) for review in reviews],
            ],
        )
