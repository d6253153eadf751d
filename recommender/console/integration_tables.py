"""Admin tables of what connects a shop: webhooks and their log, declared attributes, purges."""

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import CharField, ModelForm, MultipleChoiceField
from django.http import HttpRequest
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordWidget

from recommender.console.shop_access import OfShop
from recommender.console.tables import ReadOnly
from recommender.models import (
    Feed,
    HookDelivery,
    PlatformHook,
    ProductAttribute,
    Purge,
    Shop,
    Webhook,
    WebhookDelivery,
)
from recommender.models.platform_hooks import new_hook_secret
from recommender.models.webhooks import ALERT_RAISED, HANDED_OVER, PROMOTED, TRAINING_ENDED
from recommender.webhooks.addresses import RefusedAddress, resolve

EVENT_WORDS = {
    TRAINING_ENDED: "A training ended",
    PROMOTED: "A model was promoted or rolled back",
    ALERT_RAISED: "An alert was raised",
    HANDED_OVER: "A conversation was handed over to a person",
}


class AddressForm(ModelForm):
    """Checks that an address lies outside the deployment's own network."""

    def clean_url(self) -> str:
        url = self.cleaned_data["url"]
        try:
            resolve(url)
        except RefusedAddress as error:
            raise ValidationError(f"The address {error}.") from None
        except (OSError, UnicodeError):
            raise ValidationError("The address names a host that is not known.") from None
        return url


class WebhookForm(AddressForm):
    event_types = MultipleChoiceField(
        choices=EVENT_WORDS.items(),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        label="Messages",
        help_text="What is sent there.",
    )


@admin.register(Webhook)
class WebhookAdmin(OfShop):
    form = WebhookForm
    list_display = ["url", "event_types", "active", "description", "shop", "created_at"]
    list_filter = ["shop", "active"]
    fields = ["shop", "url", "event_types", "description", "active"]
    ordering = ["id"]

    def get_readonly_fields(self, request, obj=None):
        return ["shop"] if obj else []

    def save_model(self, request: HttpRequest, obj: Webhook, form, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            messages.success(
                request,
                f"The signing secret, which is shown once: {obj.secret}",
                fail_silently=True,
            )


@admin.register(Feed)
class FeedAdmin(OfShop):
    form = AddressForm
    list_display = [
        "__str__",
        "every_hours",
        "active",
        "last_at",
        "last_result",
        "failures",
        "shop",
    ]
    list_filter = ["shop", "active"]
    fields = ["shop", "url", "every_hours", "active", "last_at", "next_at", "last_result"]
    ordering = ["id"]

    def get_readonly_fields(self, request, obj=None):
        results = ["last_at", "next_at", "last_result"]
        return [*results, "shop"] if obj else results

    def save_model(self, request: HttpRequest, obj: Feed, form, change: bool) -> None:
        """A new address is pulled soon, and as a whole."""
        if "url" in form.changed_data:
            obj.etag, obj.last_modified, obj.next_at = "", "", timezone.now()
        super().save_model(request, obj, form, change)


class PlatformHookForm(ModelForm):
    """The secret is written, never read: it is shown once, when the hook is made."""

    secret = CharField(
        label="Signing secret",
        required=False,
        widget=UnfoldAdminPasswordWidget,
        help_text="By which the platform signs. Shopify shows its own (Settings, Notifications, "
        "Webhooks). Blank: of a new hook one that is made, and shown once; else the present one.",
    )

    def clean_secret(self) -> str:
        return self.cleaned_data["secret"].strip() or self.instance.secret or new_hook_secret()


@admin.register(PlatformHook)
class PlatformHookAdmin(OfShop):
    form = PlatformHookForm
    list_display = ["platform", "address", "domain", "active", "last_delivery", "shop"]
    list_filter = ["shop", "platform", "active"]
    fields = ["shop", "platform", "address", "secret", "domain", "active"]
    ordering = ["id"]

    def get_readonly_fields(self, request, obj=None):
        return ["shop", "platform", "address"] if obj else ["address"]

    def save_model(self, request: HttpRequest, obj: PlatformHook, form, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            address = request.build_absolute_uri(obj.path)
            secret = "" if form.data.get("secret") else f" Its secret, shown once: {obj.secret}"
            messages.success(request, f"The address: {address}.{secret}", fail_silently=True)

    @admin.display(description="Address")
    def address(self, obj: PlatformHook) -> str:
        """What the platform posts to; the host is that of this site."""
        return obj.path if obj.pk else "shown when it is saved"

    @admin.display(description="Last delivery")
    def last_delivery(self, obj: PlatformHook) -> str:
        last = obj.deliveries.first()
        return f"{last.topic}, {last.status}" if last else "none yet"


@admin.register(HookDelivery)
class HookDeliveryAdmin(ReadOnly):
    list_display = ["created_at", "hook", "topic", "status", "counts", "detail"]
    list_filter = ["status", "topic"]
    list_select_related = ["hook"]
    search_fields = ["=delivery_id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        visible = Shop.objects.visible_to(request.user)
        return super().get_queryset(request).filter(hook__shop__in=visible)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnly):
    list_display = [
        "created_at",
        "webhook",
        "event_type",
        "status",
        "attempts",
        "response_status",
        "error",
        "next_attempt_at",
    ]
    list_filter = ["status", "event_type"]
    list_select_related = ["webhook"]
    search_fields = ["=message_id"]
    search_help_text = "A message's id, whole."
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        visible = Shop.objects.visible_to(request.user)
        return super().get_queryset(request).filter(webhook__shop__in=visible)

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(ProductAttribute)
class ProductAttributeAdmin(OfShop):
    list_display = ["name", "type", "description", "shop"]
    list_filter = ["shop", "type"]
    search_fields = ["name"]


@admin.register(Purge)
class PurgeAdmin(ReadOnly):
    list_display = ["created_at", "target", "selection", "status", "deleted", "total", "shop"]
    list_filter = ["shop", "target", "status"]
    ordering = ["-id"]

    def has_delete_permission(self, request, obj=None) -> bool:
        return False
