"""Exposures: the lists that went out, to which clicks and purchases are attributed."""

from datetime import timedelta

from django.db import models
from django.utils import timezone

from recommender.models.registry import ModelVersion
from recommender.models.shoppers import Shopper
from recommender.models.shops import Shop, ShopOwned

RETENTION_DAYS = 120


class ServedListQuerySet(ShopOwned):
    def forget_old(self) -> int:
        """Delete exposures past the attribution window; returns their number."""
        return self.filter(created_at__lt=timezone.now() - timedelta(days=RETENTION_DAYS)).delete()[
            0
        ]


class ServedList(models.Model):
    """One reply with a list; each page of a list has a row of its own."""

    shop = models.ForeignKey(
        Shop, models.CASCADE, related_name="served", db_index=False
    )  # both indexes below begin with it
    recommendation_id = models.CharField(max_length=64)
    placement = models.CharField(max_length=64, blank=True, default="")
    version = models.ForeignKey(
        ModelVersion, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    shopper = models.ForeignKey(
        Shopper, models.CASCADE, null=True, blank=True, related_name="served"
    )
    session_id = models.CharField(max_length=256, null=True, blank=True)
    first_position = models.SmallIntegerField(default=1)
    items = models.JSONField(help_text="In their order: item_id, source, and the largest reason.")
    fallback = models.CharField(max_length=20, blank=True, default="")
    experiment = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="Key and arm of an A/B test: home-2026:B.",
    )
    weight = models.FloatField(
        default=1.0, help_text="Sampling weight: the number of lists that this row stands for."
    )
    simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    objects = ServedListQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["shop", "recommendation_id"], name="served_by_id"),
            models.Index(fields=["shop", "created_at"], name="served_when"),
            models.Index(
                fields=["shop", "session_id"],
                name="served_of_session",
                condition=models.Q(session_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.recommendation_id
