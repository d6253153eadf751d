"""Receipts of erasures; they hold a digest of the shopper, not the id."""

import uuid

from django.db import models

from recommender.models.shops import Shop, ShopOwned


def new_receipt() -> str:
    return f"erased-{uuid.uuid4().hex}"


class Erasure(models.Model):
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="erasures")
    receipt_id = models.CharField(max_length=64, unique=True, default=new_receipt)
    digest = models.CharField(
        max_length=64, help_text="The shopper's keyed digest, under which caches know them."
    )
    counts = models.JSONField(default=dict, help_text="How many rows of each kind were erased.")
    consent_personalisation = models.BooleanField(
        default=True,
        help_text="As it stood. A refusal outlives the erasure, should they come again.",
    )
    consent_training = models.BooleanField(default=True)
    caches_cleared = models.BooleanField(
        default=False, help_text="Not while Redis does not answer; then it is tried again."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShopOwned.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["shop", "digest"], name="erased_by_digest")]

    def __str__(self) -> str:
        return self.receipt_id
