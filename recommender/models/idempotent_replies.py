"""Replies to calls with an idempotency key, so that a repeated call does not act twice."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from recommender.models.api_keys import ApiKey

VALID = timedelta(hours=24)


class IdempotentReplyQuerySet(models.QuerySet):
    def forget_old(self) -> int:
        """Delete replies that are no longer repeated; returns their number."""
        return self.filter(created_at__lt=timezone.now() - VALID).delete()[0]


class IdempotentReply(models.Model):
    """The reply to the first call with an idempotency key, written in the call's transaction."""

    api_key = models.ForeignKey(ApiKey, models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=255, help_text="The value of Idempotency-Key.")
    fingerprint = models.CharField(max_length=64, help_text="Digest of method, path and body.")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    objects = IdempotentReplyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["api_key", "name"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return self.name
