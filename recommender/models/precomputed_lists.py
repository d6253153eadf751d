"""Precomputed lists: one row per shopper and model version."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from recommender.models.registry import ModelVersion
from recommender.models.shoppers import Shopper
from recommender.models.shops import Shop, ShopOwned


class RecommendationList(models.Model):
    """A precomputed list: the items of one shopper by one model version, with reasons."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="lists")
    shopper = models.ForeignKey(Shopper, models.CASCADE, related_name="lists")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="lists")
    shopper_revision = models.BigIntegerField(
        help_text="Revision of the shopper that the list was made for; a newer one makes it stale."
    )
    items = models.JSONField()
    item_ids = ArrayField(
        models.CharField(max_length=256), default=list, help_text="Ids of the items, in order."
    )
    rendered = models.TextField(
        default="",
        help_text="The first items, one line each: JSON of the exposure log, tab, JSON of the API. "
        "Blank: not rendered yet.",
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
