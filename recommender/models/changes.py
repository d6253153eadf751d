"""The one feed by which news reaches every process."""

import json
from collections.abc import Collection

from django.db import models

from recommender.models.shops import Shop, ShopOwned


class ChangeQuerySet(ShopOwned):
    def tell_products(self, shop: Shop, item_ids: Collection[str] | None) -> None:
        """These products have changed, appeared or gone; None: any may have."""
        self.create(
            shop=shop,
            kind=Change.PRODUCT,
            key="" if item_ids is None else json.dumps(list(item_ids), ensure_ascii=False),
        )


class Change(models.Model):
    """Something that serving processes keep in memory has changed; written in the transaction
    that changed it.
    """

    CHAMPION, PLACEMENT, PRODUCT, VECTORS = "champion", "placement", "product", "vectors"

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="changes")
    kind = models.CharField(max_length=20)
    key = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = ChangeQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"

    def item_ids(self) -> list[str] | None:
        """The products that have changed; None: any may have."""
        return json.loads(self.key) if self.key else None
