"""The one feed by which news reaches every process."""

from django.db import models

from recommender.models.shops import Shop


class Change(models.Model):
    """Something that serving processes keep in memory has changed; written in the transaction that changed it."""

    CHAMPION, PLACEMENT, PRODUCT = "champion", "placement", "product"

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=20)
    key = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=models.functions.Now())

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
