"""Shops: several share one deployment, and every other row belongs to one."""

import re
import zoneinfo

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

SHARE = [MinValueValidator(0), MaxValueValidator(1)]


def validate_timezone(value: str) -> None:
    """Raises ValidationError where the name is not a time zone."""
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"{value} is not a time zone such as Europe/London")


def validate_origin(value: str) -> None:
    """Raises ValidationError where the value is not the origin of a URL."""
    if not re.fullmatch(r"https?://[a-z0-9.-]+(:\d{1,5})?", value):
        raise ValidationError(
            f"{value} is not an origin such as https://shop.example, without a path"
        )


class ShopOwned(models.QuerySet):
    """Abstract model of rows that belong to a shop."""

    def of(self, shop: "Shop") -> "ShopOwned":
        return self.filter(shop=shop)


class ShopQuerySet(models.QuerySet):
    def visible_to(self, user) -> "ShopQuerySet":
        """Shops that a person of the console may see: their own; all for a superuser."""
        return self if user.is_superuser else self.filter(people=user)


class Shop(models.Model):
    key = models.CharField(
        max_length=40,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*$", "small letters, digits, - and _")],
    )
    name = models.CharField(max_length=100)
    currency = models.CharField(max_length=3, default="EUR")
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_timezone])
    origins = ArrayField(
        models.CharField(max_length=200, validators=[validate_origin]),
        default=list,
        blank=True,
        help_text="Pages from here may send events with a public key, such as "
        "https://shop.example. With commas between.",
    )
    trusts_pages = models.BooleanField(
        default=False,
        help_text="Purchases that pages send with the public key count for what sells best. "
        "Anybody can send those: leave it off if servers do.",
    )
    is_demo = models.BooleanField(default=False, help_text="Holds the sample data.")
    least_group_quality = models.FloatField(
        null=True,
        blank=True,
        validators=SHARE,
        help_text="The gate refuses a ranking that gives a group of shoppers less than this share "
        "of everybody’s NDCG@10. Empty: no limit.",
    )
    least_tail_shown = models.FloatField(
        null=True,
        blank=True,
        validators=SHARE,
        help_text="The gate refuses a ranking that gives products outside the best-selling fifth a "
        "smaller share of the places. Empty: no limit.",
    )
    people = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        related_name="shops",
        blank=True,
        help_text="Who sees this shop in the console; what they may do there is a matter of their "
        "permissions. Superusers see every shop.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    watched_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When monitoring last looked at it."
    )

    has_surge_rules = models.BooleanField(
        default=False, editable=False, help_text="The rules that a shop starts with were made."
    )

    objects = ShopQuerySet.as_manager()

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)

    def champion(self, purpose: str = "ranking"):
        """The champion of this purpose: the model version that serves; None without any."""
        return self.versions.champion(purpose)
