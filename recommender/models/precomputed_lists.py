"""Precomputed lists: one row per shopper and model version."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from recommender.models.registry import ModelVersion
from recommender.models.shoppers import Shopper
from recommender.models.shops import Shop, ShopOwned


class RecommendationList(models.Model):
    """One shopper's list as one model version made it, with reasons."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="lists")
    shopper = models.ForeignKey(Shopper, models.CASCADE, related_name="lists")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="lists")
    shopper_revision = models.BigIntegerField(
        help_text="What was known of the shopper; a newer revision makes the list stale."
    )
    items = models.JSONField()
    item_ids = ArrayField(
        models.CharField(max_length=256), default=list, help_text="Of the items, in order."
    )
    told = models.TextField(
        default="",
        help_text="The first places, a line of JSON each: as kept and as told; blank: not "
        "written yet.",
    )
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = ShopOwned.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shopper", "version"], name="one_list_per_shopper_and_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.shopper} by {self.version}"
