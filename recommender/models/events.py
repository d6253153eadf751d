"""Events of shoppers, one row per product of an event."""

from django.db import models, transaction

from recommender.models.products import Product
from recommender.models.shoppers import Shopper
from recommender.models.shops import Shop, ShopOwned


class EventType(models.TextChoices):
    IMPRESSION = "impression"
    VIEW = "view"
    CLICK = "click"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    PURCHASE = "purchase"
    RETURN = "return"
    RATING = "rating"
    REVIEW = "review"
    SHARE = "share"
    SEARCH = "search"
    DISLIKE = "dislike"


LEAST_LIKED = 3
"""Least rating, of five, that counts as liking the product."""
MEANT = (
    f"CASE WHEN type IN ('rating', 'review') AND rating < {LEAST_LIKED} THEN 'dislike' ELSE "
    "type END"
)
"""SQL: the effective type of an event: a poor rating or review is a dislike."""


class EventQuerySet(ShopOwned):
    def in_order(self) -> "EventQuerySet":
        """By time; by arrival within one moment."""
        return self.order_by("occurred_at", "id")

    def usable(self) -> "EventQuerySet":
        """Events that models may learn from: not simulated, with consent to training."""
        return self.filter(simulated=False).exclude(shopper__consent_training=False)

    def remove(self) -> int:
        """Delete these rows; precomputed lists of their shoppers become stale.

        Returns their number. The shoppers are locked first, in their order, as by new events.
        """
        with transaction.atomic():
            rows = list(self.values_list("pk", "shopper_id"))
            shoppers = Shopper.objects.filter(pk__in={shopper for _, shopper in rows})
            list(shoppers.order_by("pk").select_for_update().values_list("pk"))
            shoppers.update(revision=models.F("revision") + 1)
            return Event.objects.filter(pk__in=[pk for pk, _ in rows])._raw_delete("default")


class Event(models.Model):
    # No index of its own, because others begin with it. No constraint, because the shop is that of
    # the API key.
    shop = models.ForeignKey(
        Shop, models.CASCADE, related_name="events", db_index=False, db_constraint=False
    )
    event_id = models.CharField(max_length=256)
    line = models.SmallIntegerField(default=0, db_default=0)
    # Triggers check references once per statement (models/sql/event_references.sql); constraints
    # would check each row.
    shopper = models.ForeignKey(
        Shopper,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="events",
        db_index=False,
        db_constraint=False,
    )
    session_id = models.CharField(max_length=256, null=True, blank=True)
    product = models.ForeignKey(
        Product, models.CASCADE, null=True, blank=True, related_name="events", db_constraint=False
    )
    variant_id = models.CharField(
        max_length=256, null=True, blank=True, help_text="The variant of the product, where known."
    )
    type = models.CharField(max_length=16, choices=EventType)
    occurred_at = models.DateTimeField()
    quantity = models.FloatField(null=True, blank=True)
    value = models.FloatField(
        null=True, blank=True, help_text="In the shop's currency, for all of the quantity."
    )
    rating = models.FloatField(null=True, blank=True)
    query = models.TextField(null=True, blank=True)
    position = models.SmallIntegerField(null=True, blank=True)
    recommendation_id = models.CharField(max_length=64, null=True, blank=True)
    placement = models.CharField(max_length=64, null=True, blank=True)
    simulated = models.BooleanField(default=False, db_default=False)
    from_page = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Sent with the key that stands in the shop’s pages.",
    )
    received_at = models.DateTimeField(db_default=models.functions.Now())

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "event_id", "line"], name="event_line_once_a_shop"
            )
        ]
        indexes = [
            models.Index(fields=["shopper", "occurred_at"], name="event_of_shopper"),
            models.Index(fields=["shop", "occurred_at"], name="event_of_shop"),
            models.Index(
                fields=["shop", "recommendation_id"],
                name="event_citing",
                condition=models.Q(recommendation_id__isnull=False),
            ),
            models.Index(
                fields=["shop", "session_id"],
                name="event_of_session",
                condition=models.Q(shopper=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
