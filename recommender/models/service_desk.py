"""Service desk: settings, intents, answer templates with versions, and articles."""

import secrets
from datetime import date

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from recommender.models.shops import SHARE, Shop, ShopOwned

LONGEST_INTENT = 100
LONGEST_ANSWER = 4_000
MOST_DAYS = 3_650
LANGUAGES = ("en", "zh")
"""Languages of the examples and templates that a service desk starts with."""


def new_secret() -> str:
    """A secret of 256 random bits that signs order tokens."""
    return secrets.token_urlsafe(32)


def usual_languages() -> list[str]:
    return ["en"]


class SupportSettings(models.Model):
    """Settings of a shop's service desk; created with its first intents and templates."""

    shop = models.OneToOneField(Shop, models.CASCADE, related_name="support_settings")
    languages = ArrayField(
        models.CharField(max_length=8),
        default=usual_languages,
        help_text="Languages that shoppers write, as codes with commas between (en, zh). With "
        "others than en, its models are trained on the multilingual encoder.",
    )
    intent_threshold = models.FloatField(
        default=0.6,
        validators=SHARE,
        help_text="Confidence of the intent from which a template answers.",
    )
    passage_threshold = models.FloatField(
        default=0.5,
        validators=SHARE,
        help_text="Confidence of the best passage from which it is quoted.",
    )
    policies = models.JSONField(
        default=dict,
        blank=True,
        help_text='Facts of the shop by name, for templates: {"return_days": "30"}.',
    )
    blocked_words = ArrayField(
        models.CharField(max_length=60),
        default=list,
        blank=True,
        help_text="Words that no answer quotes, and whose messages are not answered, with commas "
        "between.",
    )
    order_secret = models.CharField(
        max_length=100,
        default=new_secret,
        editable=False,
        help_text="Signs order tokens (JWT, HS256), by which shoppers see their own orders.",
    )
    minutes_saved = models.FloatField(
        "minutes of an answer",
        default=4.0,
        validators=[MinValueValidator(0), MaxValueValidator(600)],
        help_text="Time that a person needs for an answer, for the weekly report.",
    )
    keep_days = models.PositiveIntegerField(
        "days kept",
        default=90,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_DAYS)],
        help_text="Conversations are deleted so many days after their last message.",
    )
    per_minute = models.PositiveIntegerField(
        "messages a minute",
        default=20,
        validators=[MinValueValidator(1)],
        help_text="Most messages of a session in a minute.",
    )

    class Meta:
        verbose_name_plural = "support settings"

    def __str__(self) -> str:
        return f"Service desk of {self.shop}"


class SupportIntent(models.Model):
    """What shoppers want when they write; it is learned from examples and solved dialogues."""

    ANSWER, PRODUCTS, HANDOVER = "answer", "products", "handover"
    HANDLINGS = [
        (ANSWER, "Answer by a template"),
        (PRODUCTS, "Show products"),
        (HANDOVER, "Hand over to a person"),
    ]

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="intents")
    key = models.CharField(max_length=LONGEST_INTENT)
    name = models.CharField(max_length=100)
    handling = models.CharField(max_length=8, choices=HANDLINGS, default=ANSWER)
    examples = models.JSONField(
        default=dict,
        blank=True,
        help_text='What shoppers write, by language: {"en": ["where is my order"]}.',
    )

    objects = ShopOwned.as_manager()

    class Meta:
        verbose_name = "intent"
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["shop", "key"], name="intent_once_a_shop")]

    def __str__(self) -> str:
        return self.name


class AnswerTemplate(models.Model):
    """An answer to an intent, in versions by language."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="answer_templates")
    intent = models.ForeignKey(SupportIntent, models.CASCADE, related_name="templates")
    name = models.CharField(max_length=100)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        help_text="Who keeps the answer true.",
    )
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShopOwned.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "name"], name="answer_template_once_a_shop")
        ]

    def __str__(self) -> str:
        return self.name


class TemplateVersionQuerySet(models.QuerySet):
    def valid(self, today: date) -> "TemplateVersionQuerySet":
        """Versions whose dates include this day, the newest of each template and language first."""
        started = models.Q(valid_from=None) | models.Q(valid_from__lte=today)
        not_ended = models.Q(valid_until=None) | models.Q(valid_until__gte=today)
        return self.filter(started, not_ended).order_by("template", "language", "-number")


class TemplateVersion(models.Model):
    """One text of a template in one language. A change makes another version; none is edited."""

    template = models.ForeignKey(AnswerTemplate, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    language = models.CharField(max_length=8, default="en")
    text = models.TextField(
        help_text="With variables in braces: Your order {order.order_id} is {order.status}."
    )
    valid_from = models.DateField(null=True, blank=True, help_text="First day. Empty: at once.")
    valid_until = models.DateField(null=True, blank=True, help_text="Last day. Empty: no end.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TemplateVersionQuerySet.as_manager()

    class Meta:
        ordering = ["language", "-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["template", "language", "number"], name="template_version_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.template} {self.language} v{self.number}"


class Article(models.Model):
    """A help page of the shop, which answers quote."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="articles")
    article_id = models.CharField(max_length=256)
    title = models.CharField(max_length=300)
    text = models.TextField()
    url = models.URLField(max_length=500, blank=True, default="")
    language = models.CharField(
        max_length=8, blank=True, default="", help_text="Empty: found out from the text."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(db_default=models.functions.Now())

    objects = ShopOwned.as_manager()

    class Meta:
        ordering = ["title", "id"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "article_id"], name="article_once_a_shop")
        ]

    def __str__(self) -> str:
        return self.title
