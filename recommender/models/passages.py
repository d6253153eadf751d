"""Passages: parts of articles, products, reviews and solved dialogues that answers quote."""

from django.db import models

from recommender.models.shops import Shop, ShopOwned


class Passage(models.Model):
    """One passage. A changed source gets new passages; only the vector of a passage changes."""

    ARTICLE, DIALOGUE, PRODUCT, REVIEW = KINDS = ("article", "dialogue", "product", "review")

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="passages")
    kind = models.CharField(max_length=8, choices=[(kind, kind) for kind in KINDS])
    source_id = models.CharField(max_length=256, help_text="The shop's id of the source.")
    item_id = models.CharField(max_length=256, blank=True, default="")
    position = models.PositiveIntegerField(help_text="Among the passages of the source, from 0.")
    title = models.TextField(blank=True, default="")
    text = models.TextField()
    url = models.URLField(max_length=500, blank=True, default="")
    language = models.CharField(max_length=8, blank=True, default="")
    source_at = models.DateTimeField(help_text="updated_at of the source as it was read.")
    vector = models.BinaryField(null=True, help_text="(dim,) float16 of unit length.")
    encoder = models.CharField(
        max_length=300, blank=True, default="", help_text="Checkpoint folder that made the vector."
    )

    objects = ShopOwned.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "kind", "source_id", "position"], name="passage_once_a_source"
            )
        ]
        indexes = [
            models.Index(fields=["shop", "encoder"], name="passage_by_encoder"),
            models.Index(
                fields=["shop", "item_id"], name="passage_by_item", condition=~models.Q(item_id="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source_id} {self.position}"
