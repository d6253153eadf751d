"""Hooks of platforms: addresses at which a shop's platform reports changes, and what each did."""

import secrets
from datetime import timedelta

from django.db import models
from django.utils import timezone

from recommender.models.shops import Shop, ShopOwned

RETENTION = timedelta(days=90)
"""How long deliveries are kept, and repeated ones recognized."""


def new_hook_id() -> str:
    return secrets.token_urlsafe(18)


def new_hook_secret() -> str:
    return secrets.token_urlsafe(32)


class Platform(models.TextChoices):
    SHOPIFY = "shopify", "Shopify"
    WOOCOMMERCE = "woocommerce", "WooCommerce"
    SEGMENT = "segment", "Segment or RudderStack"


class PlatformHook(models.Model):
    """An address that a platform posts to: /api/v1/hooks/PLATFORM/HOOK_ID."""

    shop = models.ForeignKey(Shop, models.CASCADE, related_name="platform_hooks")
    platform = models.CharField(max_length=12, choices=Platform)
    hook_id = models.CharField(max_length=64, unique=True, default=new_hook_id, editable=False)
    secret = models.CharField(
        "signing secret",
        max_length=200,
        default=new_hook_secret,
        help_text="By which the platform signs. Shopify shows its own (Settings, Notifications, "
        "Webhooks); give this one to WooCommerce and Segment.",
    )
    domain = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="Only deliveries of this shop are taken, such as my-shop.myshopify.com; blank: "
        "that of the first delivery.",
    )
    active = models.BooleanField(default=True, help_text="Off: deliveries are refused.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ShopOwned.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.get_platform_display()} hook {self.pk}"

    @property
    def path(self) -> str:
        """The path of its address."""
        return f"/api/v1/hooks/{self.platform}/{self.hook_id}"


class HookDeliveryQuerySet(models.QuerySet):
    def forget_old(self) -> int:
        """Delete deliveries whose retention has ended; returns their number."""
        return self.filter(created_at__lt=timezone.now() - RETENTION).delete()[0]


class HookDelivery(models.Model):
    """A delivery that was taken, with what it did. A body that comes again is the same delivery."""

    TAKEN, IGNORED = "taken", "ignored"

    hook = models.ForeignKey(PlatformHook, models.CASCADE, related_name="deliveries")
    digest = models.CharField(max_length=64, help_text="SHA-256 of topic and body.")
    delivery_id = models.CharField(max_length=128, blank=True, default="")
    topic = models.CharField(max_length=64, blank=True, default="")
    status = models.CharField(max_length=8, choices=[(s, s) for s in (TAKEN, IGNORED)])
    counts = models.JSONField(default=dict)
    detail = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = HookDeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "hook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["hook", "digest"], name="hook_delivery_once")
        ]
        indexes = [models.Index(fields=["created_at"], name="hook_delivery_by_time")]

    def __str__(self) -> str:
        return f"{self.topic} {self.delivery_id}".strip()

    @property
    def shop_id(self) -> int:
        return self.hook.shop_id
