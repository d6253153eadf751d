"""Mappings of columns that a shop gave for its own files, used again for files like them."""

import hashlib
from collections.abc import Iterable

from django.db import models

from recommender.models.shops import Shop, ShopOwned


def columns_digest(columns: Iterable[str]) -> str:
    """A digest of the names of columns, whatever their order."""
    return hashlib.sha256("\x1f".join(sorted(set(columns))).encode()).hexdigest()


class FileMapping(models.Model):
    """What fills the fields, for files with these columns."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="file_mappings")
    digest = models.CharField(max_length=64, help_text="Of the names of the columns.")
    columns = models.JSONField(default=list)
    mapping = models.JSONField(help_text="By field its source, as --map gives it.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = ShopOwned.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["shop", "digest"], name="file_mapping_once")]

    def __str__(self) -> str:
        return ", ".join(self.columns[:5])
