"""Alerts: what an operator or merchandiser should look at; monitoring opens and closes them."""

from django.db import models
from django.utils import timezone

from recommender.models.shops import Shop, ShopOwned


class AlertQuerySet(ShopOwned):
    def open(self) -> "AlertQuerySet":
        return self.filter(until=None)

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
    KINDS = [
        (SILENCE, "Events stopped"),
        (INPUT, "Other events than before"),
        (SCORES, "Scores moved"),
        (CLICKS, "Fewer clicks"),
        (FAILED, "Training failed"),
        (MISSED, "Training missed"),
        (UNASKED, "Placement without a call"),
        (EMPTY, "Filter passes nothing"),
    ]

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="alerts")
    kind = models.CharField(max_length=10, choices=KINDS)
    subject = models.CharField(
        max_length=80,
        blank=True,
        default="",
        help_text="The placement, version, recipe or schedule that it is about.",
    )
    message = models.TextField()
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True)

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
