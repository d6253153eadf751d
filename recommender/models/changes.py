"""Changes: rows that invalidate caches in every process."""

import json
from collections.abc import Collection

from django.db import models

from recommender.models.shops import Shop, ShopOwned


class ChangeQuerySet(ShopOwned):
    def tell_products(self, shop: Shop, item_ids: Collection[str] | None) -> None:
        """Record that these products were changed, created or deleted; None: any may be."""
        self.create(
            shop=shop,
            kind=Change.PRODUCT,
            key="" if item_ids is None else json.dumps(list(item_ids), ensure_ascii=False),
        )


class Change(models.Model):
    """A change of data that processes cache, written in the transaction of the change itself."""

    CHAMPION, PLACEMENT, PRODUCT, VECTORS = "champion", "placement", "product", "vectors"
    SEARCH, SUPPORT = "search", "support"

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
        """The changed products; None: any may have changed."""
        return json.loads(self.key) if self.key else None
