"""Conversations of shoppers with the service desk, and their messages.

Personal data is masked before a message is stored.
"""

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from recommender.models.service_desk import (
    LONGEST_INTENT,
    MOST_DAYS,
    SupportSettings,
    TemplateVersion,
)
from recommender.models.shops import Shop, ShopOwned

STATES = ("open", "handed_over", "closed")
STATE_NAMES = list(zip(STATES, ("Open", "Waits for a person", "Closed"), strict=True))
ANSWER_KINDS = ("template", "passages", "products", "handover", "waiting")


def new_conversation_id() -> str:
    """An id that cannot be guessed: who knows it may read the conversation."""
    return f"conv_{uuid.uuid4().hex}"


class HandoverReason(models.TextChoices):
    LOW_CONFIDENCE = "low_confidence", "No sure answer"
    REQUESTED = "requested", "The shopper wants a person"
    UPSET = "upset", "The shopper is upset"
    INTENT = "intent", "The intent is always handed over"
    MISSING_FACTS = "missing_facts", "Facts of the answer are not known"
    BLOCKED = "blocked", "Blocked words"
    LANGUAGE = "language", "Another language"


class ConversationQuerySet(ShopOwned):
    def waiting(self) -> "ConversationQuerySet":
        """Handed over, not closed, and without a person's answer since the shopper's last message;
        the longest waiting first; without trials.
        """
        last = Message.objects.filter(conversation=models.OuterRef("pk")).order_by("-id")
        said = last.exclude(author=Message.ENGINE).values("author")[:1]
        handed_over = self.filter(state=Conversation.HANDED_OVER, simulated=False)
        waiting = handed_over.annotate(last_author=models.Subquery(said))
        return waiting.exclude(last_author=Message.PERSON).order_by("handed_over_at", "id")

    def answered(self) -> "ConversationQuerySet":
        """Handed over, not closed, and answered by a person; the latest first; without trials."""
        handed_over = self.filter(state=Conversation.HANDED_OVER, simulated=False)
        waiting = self.waiting().values("pk")
        return handed_over.exclude(pk__in=waiting).order_by("-last_at", "-id")

    def forget_old(self) -> int:
        """Delete conversations past their shop's days; returns their number."""
        deleted = 0
        kept = SupportSettings.objects.values_list("shop", "keep_days")
        for shop_id, days in kept:
            old = timezone.now() - timedelta(days=min(days, MOST_DAYS))
            deleted += self.filter(shop=shop_id, last_at__lt=old).delete()[0]
        return deleted


class Conversation(models.Model):
    """One conversation of a session. user_id: only of shoppers whom the shop named."""

    OPEN, HANDED_OVER, CLOSED = STATES

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="conversations")
    conversation_id = models.CharField(max_length=64, unique=True, default=new_conversation_id)
    session_id = models.CharField(max_length=256)
    user_id = models.CharField(max_length=256, blank=True, default="")
    language = models.CharField(max_length=8, blank=True, default="")
    state = models.CharField(max_length=11, choices=STATE_NAMES, default=OPEN)
    handover_reason = models.CharField(
        max_length=20, choices=HandoverReason, blank=True, default=""
    )
    summary = models.JSONField(
        default=list, blank=True, help_text="Quotes of the shopper that say what it is about."
    )
    note = models.TextField(blank=True, default="", help_text="For colleagues only.")
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True
    )
    simulated = models.BooleanField(default=False, help_text="From the console, not by a shopper.")
    started_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)
    handed_over_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["-last_at", "-id"]
        indexes = [
            models.Index(fields=["shop", "session_id"], name="conversation_by_session"),
            models.Index(fields=["shop", "-last_at"], name="conversation_by_time"),
            models.Index(
                fields=["shop", "handed_over_at"],
                name="conversation_waiting",
                condition=models.Q(state="handed_over"),
            ),
            models.Index(
                fields=["shop", "user_id"],
                name="conversation_of_shopper",
                condition=~models.Q(user_id=""),
            ),
        ]

    def __str__(self) -> str:
        return self.conversation_id


class MessageQuerySet(models.QuerySet):
    def unanswered(self) -> "MessageQuerySet":
        """Questions without an answer that helped, and not settled since."""
        return self.filter(unanswered=True)


class Message(models.Model):
    """One message.

    kind: of answers of the engine: template, passages, products, handover or waiting
    """

    SHOPPER, ENGINE, PERSON = "shopper", "engine", "person"
    TEMPLATE, PASSAGES, PRODUCTS, HANDOVER, WAITING = ANSWER_KINDS
    ANSWERS = (TEMPLATE, PASSAGES, PRODUCTS)

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    author = models.CharField(
        max_length=7, choices=[(one, one) for one in (SHOPPER, ENGINE, PERSON)]
    )
    person = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    text = models.TextField()
    meant = models.TextField(
        blank=True, default="", help_text="The question with what it refers to."
    )
    kind = models.CharField(max_length=8, blank=True, default="")
    intent = models.CharField(max_length=LONGEST_INTENT, blank=True, default="")
    confidence = models.FloatField(null=True, blank=True)
    sources = models.JSONField(default=list, blank=True)
    template_version = models.ForeignKey(
        TemplateVersion, models.SET_NULL, null=True, blank=True, related_name="messages"
    )
    helped = models.BooleanField(null=True, blank=True)
    unanswered = models.BooleanField(
        default=False, help_text="Of a question: it waits for a template or an article."
    )
    adopted = models.BooleanField(
        default=False, help_text="Of a person's answer: it answers alike questions from now on."
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["conversation", "id"],
                name="message_unanswered",
                condition=models.Q(unanswered=True),
            ),
            models.Index(fields=["created_at"], name="message_by_time"),
        ]

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def message_id(self) -> str:
        return f"msg-{self.pk}"

    @property
    def adopted_id(self) -> str:
        """dialogue_id of the dialogue that is adopted from this answer."""
        return f"adopted-{self.message_id}"
