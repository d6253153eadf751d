"""Webhooks: addresses of a shop's own systems, and the log of what was delivered to them."""

import base64
import secrets
import uuid
from datetime import timedelta
from urllib.parse import urlsplit

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from recommender.models.shops import Shop, ShopOwned

TRAINING_ENDED, PROMOTED, ALERT_RAISED = "training_job.ended", "model.promoted", "alert.raised"
HANDED_OVER = "conversation.handed_over"
EVENT_TYPES = (TRAINING_ENDED, PROMOTED, ALERT_RAISED, HANDED_OVER)
TEST = "webhook.test"
"""Type of the delivery that somebody requests to try an address."""
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 300, 600, 840))
"""Delays between the attempts of a delivery: 8 attempts within 32 hours; then it is dead."""
RETENTION = timedelta(days=30)
PREFIX = "whsec_"


def new_secret() -> str:
    """A signing secret in the form of Standard Webhooks: 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def new_message_id() -> str:
    return f"msg_{uuid.uuid4().hex}"


class WebhookQuerySet(ShopOwned):
    def forget_old_secrets(self) -> int:
        """Delete secrets whose overlap has ended; returns their number."""
        return self.filter(previous_until__lt=timezone.now()).update(
            previous_secret="", previous_until=None
        )


class Webhook(models.Model):
    """An address that receives events of the shop, signed by its secret."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="webhooks")
    url = models.URLField(
        "address",
        max_length=500,
        help_text="Over HTTPS, outside the deployment’s own network, such as "
        "https://shop.example/hooks.",
    )
    event_types = ArrayField(
        models.CharField(max_length=40, choices=[(name, name) for name in EVENT_TYPES])
    )
    description = models.CharField(max_length=200, blank=True, default="")
    secret = models.CharField(max_length=100, default=new_secret, editable=False)
    previous_secret = models.CharField(max_length=100, blank=True, default="", editable=False)
    previous_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Until when both secrets sign."
    )
    active = models.BooleanField(
        default=True, help_text="Off: nothing is sent; messages that are under way wait."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        """Without the path, which may hold a token."""
        return f"webhook-{self.pk} ({urlsplit(self.url).hostname})"

    def secrets_now(self) -> list[str]:
        """The secrets that sign: the current one, and the previous one during the overlap."""
        overlap = self.previous_until is not None and self.previous_until > timezone.now()
        return [self.secret, *([self.previous_secret] if overlap else [])]

    def rotate(self, overlap: timedelta) -> str:
        """A new secret; the old one signs as well until the overlap ends."""
        self.previous_secret, self.previous_until = self.secret, timezone.now() + overlap
        self.secret = new_secret()
        self.save(update_fields=["secret", "previous_secret", "previous_until"])
        return self.secret


class DeliveryStatus(models.TextChoices):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


class WebhookDeliveryQuerySet(models.QuerySet):
    def due(self) -> "WebhookDeliveryQuerySet":
        return self.filter(
            status=DeliveryStatus.PENDING, next_attempt_at__lte=timezone.now(), webhook__active=True
        )

    def forget_old(self) -> int:
        """Delete ended deliveries past their retention; returns their number."""
        old = self.filter(created_at__lt=timezone.now() - RETENTION)
        return old.exclude(status=DeliveryStatus.PENDING).delete()[0]


class WebhookDelivery(models.Model):
    """One message to one address, with its attempts."""

    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="deliveries")
    message_id = models.CharField(
        max_length=64, default=new_message_id, help_text="The same at each attempt."
    )
    event_type = models.CharField(max_length=40)
    payload = models.JSONField()
    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    response_status = models.PositiveSmallIntegerField(null=True, blank=True)
    response_ms = models.PositiveIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "webhook deliveries"
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="delivery_pending",
                condition=models.Q(status=DeliveryStatus.PENDING),
            )
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.message_id}"

    @property
    def shop_id(self) -> int:
        return self.webhook.shop_id
