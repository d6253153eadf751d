"""Alerts: what an operator or merchandiser should look at; monitoring opens and closes them, and
people acknowledge, mute and close them.
"""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone

from recommender.models.shops import Shop, ShopOwned


class AlertQuerySet(ShopOwned):
    def open(self) -> "AlertQuerySet":
        return self.filter(until=None)

    def shown(self) -> "AlertQuerySet":
        """Open alerts without those that are muted."""
        return self.open().exclude(muted_until__gt=timezone.now())

    def note(self, shop: Shop, kind: str, subject: str, message: str | None) -> "Alert | None":
        """Open an alert, or update the message of the open one; without a message close it.

        Returns the alert that was opened.
        """
        open_alert = self.filter(shop=shop, kind=kind, subject=subject, until=None)
        if message is None:
            open_alert.update(until=timezone.now())
        elif not open_alert.update(message=message):
            return self.create(shop=shop, kind=kind, subject=subject, message=message)
        return None


class Alert(models.Model):
    SILENCE, INPUT, SCORES, CLICKS = "silence", "input", "scores", "clicks"
    FAILED, MISSED, UNASKED, EMPTY = "failed", "missed", "unasked", "empty"
    SURGE = "surge"
    KINDS = [
        (SILENCE, "Events stopped"),
        (INPUT, "Other events than before"),
        (SCORES, "Scores moved"),
        (CLICKS, "Fewer clicks"),
        (FAILED, "Training failed"),
        (MISSED, "Training missed"),
        (UNASKED, "Placement without a call"),
        (EMPTY, "Filter passes nothing"),
        (SURGE, "Opinions surge"),
    ]

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="alerts")
    kind = models.CharField(max_length=10, choices=KINDS)
    subject = models.CharField(
        max_length=400,
        blank=True,
        default="",
        help_text="The placement, version, recipe, schedule or series that it is about.",
    )
    message = models.TextField()
    details = models.JSONField(
        default=dict, blank=True, help_text="Numbers and evidence, by kind of alert."
    )
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    muted_until = models.DateTimeField(null=True, blank=True)
    muted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: closed by monitoring.",
    )

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-since"]
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "kind", "subject"],
                condition=models.Q(until=None),
                name="one_open_alert_of_a_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.subject}".strip()

    @property
    def state(self) -> str:
        """open, acknowledged, muted or closed."""
        if self.until is not None:
            return "closed"
        if self.muted_until is not None and self.muted_until > timezone.now():
            return "muted"
        return "acknowledged" if self.acknowledged_at else "open"

    def acknowledge(self, by) -> None:
        """Acknowledge the alert: a person works on it."""
        self.acknowledged_at, self.acknowledged_by = timezone.now(), by
        self.save(update_fields=["acknowledged_at", "acknowledged_by"])

    def mute(self, until: datetime, by) -> None:
        """Mute its series until then: no message is sent, and no other alert is opened."""
        self.muted_until, self.muted_by = until, by
        self.save(update_fields=["muted_until", "muted_by"])

    def close(self, by) -> None:
        """Close it for good; a later finding opens another one."""
        self.until, self.closed_by = timezone.now(), by
        self.save(update_fields=["until", "closed_by"])
