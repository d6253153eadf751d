"""Opinions: judged clauses of reviews and messages, their counts by day, topics, and labels.

Rows of OpinionCount are kept by triggers of the table of opinions (sql/opinion_counts.sql), so that
no page counts opinions, and erasures and deletions are counted too.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import MD5

from recommender.models.labeled_texts import Review
from recommender.models.shops import Shop, ShopOwned

LONGEST_TOPIC = 40
GENERAL = ""
"""Topic of an opinion on the whole."""


class Polarity(models.IntegerChoices):
    NEGATIVE = -1, "negative"
    NEUTRAL = 0, "neutral"
    POSITIVE = 1, "positive"
    NOT_JUDGED = 2, "not judged"

    @property
    def key(self) -> str:
        """Its name in JSON and addresses: negative, neutral, positive, not_judged."""
        return self.name.lower()


JUDGED = (Polarity.NEGATIVE, Polarity.NEUTRAL, Polarity.POSITIVE)


class OpinionTopic(models.Model):
    """A topic of the shop; a shop without any has the default topics."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="topics")
    key = models.CharField(
        max_length=LONGEST_TOPIC,
        validators=[RegexValidator(r"^[a-z][a-z0-9_-]*$", "small letters, digits, - and _")],
    )
    name = models.CharField(max_length=60)
    examples = models.JSONField(
        default=dict,
        help_text='Clauses by polarity: {"positive": ["arrived early"], "neutral": [], '
        '"negative": ["arrived late"]}.',
    )

    objects = ShopOwned.as_manager()

    class Meta:
        verbose_name = "opinion topic"
        ordering = ["key"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "key"], name="opinion_topic_once_a_shop")
        ]

    def __str__(self) -> str:
        return self.name


class Opinion(models.Model):
    """A clause of a review with one topic and one polarity, or a clause that is not judged.

    A clause with two topics has two rows. Product, brand, categories and channel are those at the
    time of the judgment.
    """

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="opinions", db_index=False)
    review = models.ForeignKey(Review, models.CASCADE, related_name="opinions")
    day = models.DateField(help_text="In the shop's time zone.")
    item_id = models.CharField(max_length=256, blank=True, default="")
    brand = models.CharField(max_length=256, blank=True, default="")
    categories = ArrayField(
        models.CharField(max_length=256),
        default=list,
        blank=True,
        help_text="Paths of the product's categories, and the paths above them.",
    )
    channel = models.CharField(max_length=40)
    topic = models.CharField(max_length=LONGEST_TOPIC, blank=True, default=GENERAL)
    polarity = models.SmallIntegerField(choices=Polarity)
    confidence = models.FloatField(help_text="Calibrated probability of the polarity.")
    why_not = models.CharField(
        max_length=10, blank=True, default="", help_text="unsure or language: why it is not judged."
    )
    begin = models.PositiveIntegerField(help_text="Of the clause in title and text, in characters.")
    end = models.PositiveIntegerField()
    labeled = models.BooleanField(default=False, help_text="A person judged this clause.")

    objects = ShopOwned.as_manager()

    class Meta:
        ordering = ["-day", "-id"]
        indexes = [
            models.Index(fields=["shop", "-day", "-id"], name="opinion_when"),
            models.Index(
                fields=["shop", "topic", "polarity", "-day", "-id"], name="opinion_of_topic"
            ),
            models.Index(fields=["shop", "item_id", "-day", "-id"], name="opinion_of_item"),
            models.Index(
                fields=["shop", "confidence"],
                name="opinion_to_label",
                condition=models.Q(labeled=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.topic or 'general'}: {self.get_polarity_display()}"


class OpinionCount(models.Model):
    """Number of opinions of a day by one dimension: of all, a product, brand, category or
    channel.
    """

    ALL, ITEM, BRAND, CATEGORY, CHANNEL = DIMENSIONS = (
        "all",
        "item",
        "brand",
        "category",
        "channel",
    )

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="opinion_counts", db_index=False)
    day = models.DateField()
    dimension = models.CharField(max_length=8, choices=[(one, one) for one in DIMENSIONS])
    value = models.CharField(max_length=256)
    topic = models.CharField(max_length=LONGEST_TOPIC)
    polarity = models.SmallIntegerField(choices=Polarity)
    count = models.IntegerField()

    objects = ShopOwned.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "dimension", "value", "day", "topic", "polarity"],
                name="opinion_count_once",
            )
        ]
        indexes = [
            models.Index(
                fields=["shop", "dimension", "topic", "polarity", "day"],
                name="opinion_count_of_topic",
                include=["value", "count"],
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.value or self.dimension}: {self.count}"


class SurgeRule(models.Model):
    """A rule by which surges of opinions become alerts.

    Series are topics, or topics of each value of a dimension; of all series of a rule, the false
    discovery rate is held.
    """

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="surge_rules")
    name = models.CharField(max_length=60)
    dimension = models.CharField(
        max_length=8,
        choices=[
            (OpinionCount.ALL, "topics of the whole shop"),
            (OpinionCount.ITEM, "topics of each product"),
            (OpinionCount.BRAND, "topics of each brand"),
            (OpinionCount.CATEGORY, "topics of each category"),
            (OpinionCount.CHANNEL, "topics of each channel"),
        ],
        default=OpinionCount.ALL,
    )
    topics = ArrayField(
        models.CharField(max_length=LONGEST_TOPIC),
        default=list,
        blank=True,
        help_text="Keys of the topics; empty: all.",
    )
    polarity = models.SmallIntegerField(
        choices=[(Polarity.NEGATIVE.value, "complaints"), (Polarity.POSITIVE.value, "praise")],
        default=Polarity.NEGATIVE,
    )
    rate = models.FloatField(
        "false discovery rate",
        default=0.01,
        validators=[MinValueValidator(0.0001), MaxValueValidator(0.2)],
        help_text="Of all alerts of the rule, so many are expected to be false: 0.01 is 1 %.",
    )
    fewest = models.PositiveIntegerField(
        default=5,
        validators=[MinValueValidator(2), MaxValueValidator(100_000)],
        help_text="Opinions of a surge at least.",
    )
    mail = ArrayField(
        models.EmailField(),
        default=list,
        blank=True,
        help_text="Addresses that receive the alerts, with commas between.",
    )
    active = models.BooleanField(default=True)

    objects = ShopOwned.as_manager()

    class Meta:
        verbose_name = "surge rule"
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["shop", "name"], name="surge_rule_once")]

    def __str__(self) -> str:
        return self.name


class OpinionLabel(models.Model):
    """A person's judgment of a clause; the recipe `opinion` learns from it."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="opinion_labels")
    text = models.TextField()
    topic = models.CharField(max_length=LONGEST_TOPIC, blank=True, default=GENERAL)
    polarity = models.SmallIntegerField(choices=[(p.value, p.label) for p in JUDGED])
    user_id = models.CharField(
        max_length=256, blank=True, default="", help_text="Who wrote the text, for erasure."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShopOwned.as_manager()

    class Meta:
        verbose_name = "opinion label"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint("shop", MD5("text"), name="opinion_label_once_a_text")
        ]

    def __str__(self) -> str:
        return self.text[:60]
