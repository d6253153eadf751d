"""Purges: deletions of many products or events, done by a worker in steps."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from recommender.models.shops import Shop, ShopOwned

SILENT_AFTER = timedelta(minutes=2)


class PurgeStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (PurgeStatus.QUEUED, PurgeStatus.RUNNING)


class PurgeQuerySet(ShopOwned):
    def active(self) -> "PurgeQuerySet":
        return self.filter(status__in=ACTIVE)

    def silent(self) -> "PurgeQuerySet":
        """Active purges on which no worker is at work: the queue lost them, or a worker died."""
        return self.active().filter(heartbeat_at__lt=timezone.now() - SILENT_AFTER)


class Purge(models.Model):
    """A deletion of the products or events that match a selection.

    Only rows from before the request are deleted. A purge that was interrupted goes on.
    """

    ITEMS, EVENTS = "items", "events"
    TARGETS = [(ITEMS, "Products"), (EVENTS, "Events")]

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="purges")
    target = models.CharField(max_length=10, choices=TARGETS)
    selection = models.JSONField(
        default=dict, help_text="Of products: filter, params. Of events: since, until, types."
    )
    total = models.BigIntegerField(help_text="How many matched when it was requested.")
    deleted = models.BigIntegerField(default=0)
    status = models.CharField(max_length=10, choices=PurgeStatus, default=PurgeStatus.QUEUED)
    cancel_requested = models.BooleanField(default=False)
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = PurgeQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.target} {self.deleted:,} of {self.total:,}"

    def note(self, deleted: int) -> bool:
        """Store the progress of a step; returns False where the purge should stop."""
        rows = Purge.objects.filter(pk=self.pk, status=PurgeStatus.RUNNING)
        rows.update(deleted=models.F("deleted") + deleted, heartbeat_at=timezone.now())
        return rows.filter(cancel_requested=False).exists()

    def requeue(self) -> None:
        """Queue a silent purge for another worker."""
        Purge.objects.silent().filter(pk=self.pk).update(
            status=PurgeStatus.QUEUED, heartbeat_at=timezone.now()
        )

    def finish(self, status: str, error: str = "") -> bool:
        """End the purge; returns False where it had ended already."""
        rows = Purge.objects.active().filter(pk=self.pk)
        return bool(rows.update(status=status, error=error, finished_at=timezone.now()))

    def request_cancel(self) -> bool:
        """Cancel: at once while queued, else after the step in hand; False where it had ended."""
        queued = Purge.objects.filter(pk=self.pk, status=PurgeStatus.QUEUED)
        if queued.update(status=PurgeStatus.CANCELLED, finished_at=timezone.now()):
            return True
        return bool(Purge.objects.active().filter(pk=self.pk).update(cancel_requested=True))
