"""Labeled texts: reviews, solved dialogues and judged queries, from which training learns."""

from collections.abc import Iterable

from django.db import models
from django.db.models.functions import Coalesce, Lower

from recommender.models.shops import Shop, ShopOwned

REVIEW = "review"
"""The usual channel of a text."""


class Labelled(models.Model):
    """Base of labeled texts.

    Products and shoppers are named by the shop's own ids, because texts outlive them.
    """

    updated_at = models.DateTimeField(db_default=models.functions.Now())

    objects = ShopOwned.as_manager()

    class Meta:
        abstract = True


class ReviewQuerySet(ShopOwned):
    def pending(self) -> "ReviewQuerySet":
        """Not judged since they came or changed (sql/changed_reviews.sql)."""
        return self.filter(PENDING)


SAID_AT = Coalesce("created_at", "received_at")
PENDING = models.Q(judged_at=None)


class Review(Labelled):
    """A review, message, survey answer or news item, in which opinions are judged."""

    DUPLICATE, FLOOD = COPIES = ("duplicate", "flood")

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="reviews")
    review_id = models.CharField(max_length=256)
    item_id = models.CharField(max_length=256, blank=True, default="")
    user_id = models.CharField(max_length=256, blank=True, default="")
    rating = models.FloatField(null=True, blank=True)
    title = models.TextField(blank=True, default="")
    text = models.TextField()
    label = models.CharField(
        max_length=100,
        blank=True,
        default="",
        help_text="Polarity label, such as positive or negative.",
    )
    topic = models.CharField(max_length=100, blank=True, default="", help_text="What it is about.")
    split = models.CharField(
        max_length=5, blank=True, default="", help_text="train or test; empty: chosen by the text."
    )
    created_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(db_default=models.functions.Now(), editable=False)
    channel = models.CharField(
        max_length=40,
        blank=True,
        default=REVIEW,
        db_default=REVIEW,
        help_text="Where it was said, such as review, message, survey or news.",
    )
    language = models.CharField(
        max_length=8,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Detected; empty: not known.",
    )
    digest = models.GeneratedField(
        expression=models.Func(
            models.F("title"),
            models.F("text"),
            template=r"md5(lower(regexp_replace(%(expressions)s, '[\s[:punct:][:digit:]]+', ' ', "
            "'g')))",
            arg_joiner=" || ' ' || ",
        ),
        output_field=models.CharField(max_length=32),
        db_persist=True,
        help_text="The same for texts that differ in capitals, blanks, digits and signs alone.",
    )
    copy = models.CharField(
        max_length=9,
        blank=True,
        default="",
        db_default="",
        editable=False,
        choices=[(one, one) for one in COPIES],
        help_text="duplicate: the same text by the same author before; flood: too many alike in an "
        "hour. Opinions of copies are not counted.",
    )
    judged_at = models.DateTimeField(null=True, editable=False)
    judged_by = models.ForeignKey(
        "recommender.ModelVersion",
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="judged_reviews",
    )

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "review_id"], name="review_once_a_shop")
        ]
        indexes = [
            models.Index(fields=["shop", "id"], name="review_pending", condition=PENDING),
            models.Index("shop", "digest", SAID_AT, name="review_by_digest"),
            models.Index("shop", "user_id", SAID_AT, name="review_of_author"),
        ]

    def __str__(self) -> str:
        return self.title or self.text[:60]

    @property
    def whole(self) -> str:
        """Title and text; clauses are offsets into it."""
        return f"{self.title}\n{self.text}" if self.title else self.text


class Dialogue(Labelled):
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="dialogues")
    dialogue_id = models.CharField(max_length=256)
    text = models.TextField(help_text="What the customer wrote.")
    intent = models.CharField(max_length=100)
    user_id = models.CharField(
        max_length=256,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The shopper from whose conversation it was adopted.",
    )
    answer = models.TextField(blank=True, default="")
    split = models.CharField(max_length=5, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "dialogue_id"], name="dialogue_once_a_shop")
        ]

    def __str__(self) -> str:
        return self.text[:60]


class JudgementQuerySet(ShopOwned):
    def folded(self) -> "JudgementQuerySet":
        """With the query in small letters, as `folded`: capitals make no other query."""
        return self.annotate(folded=Lower("query"))

    def of_queries(self, queries: Iterable[str]) -> "JudgementQuerySet":
        """Of these queries, whatever their capitals."""
        return self.folded().filter(folded__in=[query.lower() for query in queries])


class Judgement(Labelled):
    """Relevance of a product to a query, given by a person or derived from clicks.

    Where both exist, the one that was given counts. Training reads the given ones alone, because
    it learns from clicks by itself.
    """

    GIVEN, CLICKS = ORIGINS = ("given", "clicks")

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="judgements")
    judgement_id = models.CharField(max_length=256)
    query = models.TextField()
    item_id = models.CharField(max_length=256)
    grade = models.FloatField(help_text="0: irrelevant; larger is better.")
    fold = models.IntegerField(null=True, blank=True)
    origin = models.CharField(
        max_length=6, choices=[(one, one) for one in ORIGINS], default=GIVEN, db_default=GIVEN
    )

    objects = JudgementQuerySet.as_manager()

    class Meta:
        verbose_name = "judgment"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "judgement_id"], name="judgement_once_a_shop")
        ]

    def __str__(self) -> str:
        return f"{self.query}: {self.item_id}"
