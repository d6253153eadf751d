"""Shoppers: a shop's customers. People who use the console are Django's users."""

from django.db import models, transaction

from recommender.models.shops import Shop, ShopOwned


class Shopper(models.Model):
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="shoppers", db_index=False)
    user_id = models.CharField(max_length=256)
    attributes = models.JSONField(default=dict, blank=True)
    consent_personalisation = models.BooleanField(
        default=True, help_text="May lists be made from this shopper's own events?"
    )
    consent_training = models.BooleanField(
        default=True, help_text="May models learn from this shopper's events?"
    )
    revision = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Counts every change to the shopper's events; a stored list names the one it "
        "knew.",
    )
    first_seen = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=models.functions.Now())

    objects = ShopOwned.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "user_id"], name="shopper_once_a_shop")
        ]

    def __str__(self) -> str:
        return self.user_id

    def take_over(self, sessions: list[str]) -> int:
        """Assign the anonymous events and exposures of these sessions to this shopper, later ones
        too.

        Returns the number of events.
        """
        if not sessions:
            return 0
        with transaction.atomic():
            links = [
                SessionLink(shop=self.shop, session_id=session_id, shopper=self)
                for session_id in dict.fromkeys(sessions)
            ]
            SessionLink.objects.bulk_create(
                links,
                update_conflicts=True,
                unique_fields=["shop", "session_id"],
                update_fields=["shopper"],
            )
            moved = self.shop.events.filter(session_id__in=sessions, shopper=None).update(
                shopper=self
            )
            self.shop.served.filter(session_id__in=sessions, shopper=None).update(shopper=self)
        return moved


class SessionLink(models.Model):
    """A session of a shopper before they signed in; its later events are theirs too."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="session_links", db_index=False)
    session_id = models.CharField(max_length=256)
    shopper = models.ForeignKey(Shopper, models.CASCADE, related_name="session_links")
    created_at = models.DateTimeField(db_default=models.functions.Now())

    objects = ShopOwned.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["shop", "session_id"], name="session_once_a_shop")
        ]

    def __str__(self) -> str:
        return self.session_id
