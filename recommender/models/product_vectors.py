"""Vectors of products that are newer than a model version, or whose text has changed since."""

from django.db import models

from recommender.models.products import Product
from recommender.models.registry import ModelVersion
from recommender.models.shops import Shop, ShopOwned


class ProductVector(models.Model):
    """The vector of a product's text by a version's encoder, stored outside the checkpoint."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="vectors")
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="vectors")
    product = models.ForeignKey(Product, models.CASCADE, related_name="vectors")
    vector = models.BinaryField(help_text="Unit length, in half precision.")
    text_digest = models.CharField(max_length=32, help_text="Of the text that was read.")
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = ShopOwned.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "product"], name="one_vector_per_version_and_product"
            )
        ]

    def __str__(self) -> str:
        return f"{self.product} by {self.version}"
