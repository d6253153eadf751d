"""Declared attributes of products: name and type, which every write checks."""

from django.db import models

from recommender.models.shops import Shop, ShopOwned


class AttributeType(models.TextChoices):
    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXTS = "texts", "List of texts"
    NUMBERS = "numbers", "List of numbers"


class ProductAttribute(models.Model):
    """An attribute that a shop declared. Undeclared ones may hold any JSON."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="product_attributes")
    name = models.CharField(max_length=100)
    type = models.CharField(max_length=10, choices=AttributeType)
    description = models.CharField(max_length=500, blank=True, default="")

    objects = ShopOwned.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["shop", "name"], name="attribute_once_a_shop")
        ]

    def __str__(self) -> str:
        return self.name
