"""The shop: several live in one deployment, and every other row belongs to one."""

import zoneinfo

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models

SHARE = [MinValueValidator(0), MaxValueValidator(1)]


def validate_timezone(value: str) -> None:
    if value not in zoneinfo.available_timezones():
        raise ValidationError(f"{value} is no known time zone, such as Europe/London")


class ShopOwned(models.QuerySet):
    """Rows that belong to a shop; what may be seen is decided by how it is fetched."""

    def of(self, shop: "Shop") -> "ShopOwned":
        return self.filter(shop=shop)


class Shop(models.Model):
    key = models.CharField(max_length=40, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*$", "small letters, digits, - and _")])
    name = models.CharField(max_length=100)
    currency = models.CharField(max_length=3, default="EUR")
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_timezone])
    is_demo = models.BooleanField(default=False, help_text="Holds the sample data.")
    least_group_quality = models.FloatField(
        null=True, blank=True, validators=SHARE,
        help_text="The gate refuses a ranking that gives a group of shoppers less than this share of everybody’s NDCG@10. Empty: no limit.",
    )  # fmt: skip
    least_tail_shown = models.FloatField(
        null=True, blank=True, validators=SHARE,
        help_text="The gate refuses a ranking that gives products outside the best-selling fifth a smaller share of the places. Empty: no limit.",
    )  # fmt: skip
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)

    def champion(self, purpose: str = "ranking"):
        """The model version that serves, or None."""
        return self.versions.filter(purpose=purpose, status="champion").first()
