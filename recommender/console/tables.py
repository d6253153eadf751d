"""Admin tables. Fields that the pipeline writes are read-only."""

from django.contrib import admin, messages
from django.forms import BooleanField, HiddenInput, ModelForm
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldBooleanSwitchWidget

from recommender.catalog.eligibility import read_products
from recommender.catalog.filter_language import FilterError, select
from recommender.catalog.product_index import passing
from recommender.console.shop_access import OfShop
from recommender.ingest.masking import masked
from recommender.merchandising.rules import RuleError, parse_rules
from recommender.models import (
    Alert,
    ApiKey,
    AuditEntry,
    Change,
    Dialogue,
    Erasure,
    Event,
    Judgement,
    ModelVersion,
    Placement,
    Product,
    RecommendationList,
    Review,
    ServedList,
    Shop,
    Shopper,
    TrainingRun,
)
from recommender.shoppers.erasure import erase


class BigTable(OfShop):
    """ModelAdmin of tables that are too large to count."""

    paginator = InfinitePaginator
    list_disable_select_all = True  # it would offer to select all 9999999999 rows
    show_full_result_count = False
    list_per_page = 50


class ReadOnly(BigTable):
    """ModelAdmin of rows that only the pipeline and the API write."""

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Shop)
class ShopAdmin(OfShop):
    list_display = ["name", "key", "currency", "timezone", "is_demo"]
    filter_horizontal = ["people"]

    def get_readonly_fields(self, request, obj=None):
        """Only superusers change the members of a shop, as with other permissions."""
        return [] if request.user.is_superuser else ["people"]

    def save_related(self, request, form, formsets, change) -> None:
        super().save_related(request, form, formsets, change)
        if not change:
            form.instance.people.add(request.user)

    def get_deleted_objects(self, objs, request):
        """Deleting a shop deletes its audit trail, whose entries cannot be deleted one by one."""
        shown, counts, missing, protected = super().get_deleted_objects(objs, request)
        return shown, counts, missing - {AuditEntry._meta.verbose_name}, protected


@admin.register(Product)
class ProductAdmin(BigTable):
    list_display = ["item_id", "title", "price", "stock_state", "hidden", "shop"]
    list_filter = ["shop", "hidden", "stock_state"]
    search_fields = ["item_id", "title"]
    ordering = ["id"]
    readonly_fields = ["created_at", "updated_at"]

    def get_readonly_fields(self, request, obj=None):
        """The id of a product cannot change: events, models and the shop's pages refer to it."""
        return [*self.readonly_fields, "shop", "item_id"] if obj else self.readonly_fields

    def save_model(self, request, obj, form, change) -> None:
        super().save_model(request, obj, form, change)
        Change.objects.tell_products(obj.shop, [obj.item_id])

    def delete_model(self, request, obj) -> None:
        Product.objects.remove(obj.shop, [obj.item_id])

    def delete_queryset(self, request, queryset) -> None:
        for product in queryset.select_related("shop"):
            self.delete_model(request, product)


@admin.register(Shopper)
class ShopperAdmin(BigTable):
    list_display = ["user_id", "attributes", "consent_personalisation", "consent_training", "shop"]
    list_filter = ["shop"]
    search_fields = ["user_id"]
    ordering = ["id"]
    readonly_fields = ["revision", "first_seen", "updated_at"]

    def delete_model(self, request, obj) -> None:
        erase(obj)

    def delete_queryset(self, request, queryset) -> None:
        for shopper in queryset.select_related("shop"):
            erase(shopper)


@admin.register(Erasure)
class ErasureAdmin(ReadOnly):
    list_display = ["receipt_id", "created_at", "counts", "caches_cleared", "shop"]
    list_filter = ["shop", "caches_cleared"]
    search_fields = ["receipt_id"]

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(Event)
class EventAdmin(ReadOnly):
    list_display = ["occurred_at", "type", "shopper", "session_id", "product", "quantity", "value"]
    list_filter = ["shop", "type"]
    list_select_related = ["shopper", "product"]
    search_fields = ["=event_id", "=shopper__user_id", "=session_id"]
    search_help_text = "An event's id, a shopper's or a session's, whole."
    ordering = ["-id"]


class MaskedTexts(BigTable):
    """Texts in which personal data is masked when they are saved."""

    texts: tuple[str, ...] = ()

    def save_model(self, request, obj, form, change):
        for name in self.texts:
            setattr(obj, name, masked(getattr(obj, name)))
        super().save_model(request, obj, form, change)


@admin.register(Review)
class ReviewAdmin(MaskedTexts):
    texts = ("title", "text")
    list_display = ["review_id", "item_id", "rating", "label", "topic", "created_at", "shop"]
    list_filter = ["shop", "label", "topic"]
    search_fields = ["review_id", "item_id"]
    ordering = ["-id"]
    readonly_fields = ["updated_at"]


@admin.register(Dialogue)
class DialogueAdmin(MaskedTexts):
    texts = ("text", "answer")
    list_display = ["text", "intent", "shop"]
    list_filter = ["shop"]
    search_fields = ["intent"]
    ordering = ["-id"]
    readonly_fields = ["updated_at"]


@admin.register(Judgement)
class JudgementAdmin(BigTable):
    list_display = ["query", "item_id", "grade", "shop"]
    list_filter = ["shop"]
    search_fields = ["query", "item_id"]
    ordering = ["-id"]
    readonly_fields = ["updated_at"]


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnly):
    list_display = [
        "id",
        "shop",
        "recipe",
        "preset",
        "status",
        "created_at",
        "finished_at",
        "created_by",
    ]
    list_filter = ["shop", "status", "recipe"]


@admin.register(ModelVersion)
class ModelVersionAdmin(ReadOnly):
    list_display = [
        "__str__",
        "shop",
        "purpose",
        "status",
        "gate_passed",
        "created_at",
        "promoted_at",
    ]
    list_filter = ["shop", "purpose", "status"]

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(RecommendationList)
class RecommendationListAdmin(ReadOnly):
    list_display = ["shopper", "version", "created_at"]
    list_filter = ["shop"]
    list_select_related = ["shopper", "version"]
    search_fields = ["shopper__user_id"]
    ordering = ["-id"]


@admin.register(ServedList)
class ServedListAdmin(ReadOnly):
    list_display = [
        "created_at",
        "placement",
        "shopper",
        "session_id",
        "version",
        "fallback",
        "simulated",
    ]
    list_filter = ["shop", "placement", "fallback", "simulated"]
    list_select_related = ["shopper", "version"]
    search_fields = ["=recommendation_id", "=shopper__user_id", "=session_id"]
    search_help_text = "A recommendation id, a shopper's id or a session's, whole."
    ordering = ["-id"]


@admin.register(Alert)
class AlertAdmin(ReadOnly):
    list_display = ["since", "kind", "subject", "message", "until", "shop"]
    list_filter = ["shop", "kind"]
    ordering = ["-id"]


@admin.register(AuditEntry)
class AuditAdmin(ReadOnly):
    list_display = ["at", "actor", "action", "subject", "before", "after", "detail", "shop"]
    list_filter = ["shop", "action"]
    search_fields = ["actor", "subject"]
    ordering = ["-id"]

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


class PlacementForm(ModelForm):
    """Validates a filter before it is saved. A filter that no product passes requires a
    confirmation.
    """

    although_empty = BooleanField(
        required=False, widget=HiddenInput, label="Save although no product passes the filter"
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for name, rows in (("filter", 3), ("filter_values", 3), ("fallbacks", 1), ("rules", 4)):
            if name in self.fields:
                self.fields[name].widget.attrs["rows"] = rows
        if "version" in self.fields:
            versions = self.fields["version"]
            versions.queryset = versions.queryset.filter(purpose="ranking")

    def clean(self) -> dict:
        values = super().clean()
        if not isinstance(values.get("filter_values"), dict):
            self.add_error("filter_values", 'This must be an object such as {"max": 20}.')
        elif text := values.get("filter"):
            try:
                select([text], values["filter_values"])
            except FilterError as error:
                self.add_error(
                    *(
                        ("filter_values", f":{error.parameter} {error}")
                        if error.parameter
                        else ("filter", f"The filter {error}.")
                    )
                )
            else:
                self._confirm_empty(values)
        self._check_rules(values)
        version, shop = values.get("version"), values.get("shop")
        if version and shop and (version.shop_id != shop.pk or version.purpose != "ranking"):
            self.add_error("version", f"{version} is not a ranking version of {shop}.")
        return values

    def _check_rules(self, values: dict) -> None:
        params = values.get("filter_values")
        try:
            parse_rules(values.get("rules") or [], params if isinstance(params, dict) else {})
        except RuleError as error:
            self.add_error("rules", f"{error.field} {error.message}.")

    def _same_filter(self, values: dict) -> bool:
        current = self.instance
        return (values["filter"], values["filter_values"], values["shop"].pk) == (
            current.filter,
            current.filter_values,
            current.shop_id,
        )

    def _confirm_empty(self, values: dict) -> None:
        if values.get("shop") is None or self._same_filter(values):
            return
        self.passing = passing(
            read_products(values["shop"].pk), values["filter"], values["filter_values"]
        )
        if self.passing[1] and not self.passing[0] and not values.get("although_empty"):
            self.fields["although_empty"].widget = UnfoldBooleanSwitchWidget()
            self.add_error(
                "filter",
                f"None of {self.passing[1]:,} products passes this filter, so the placement "
                "would stay empty.",
            )
            self.add_error("although_empty", "Tick this to save it all the same.")


@admin.register(Placement)
class PlacementAdmin(OfShop):
    form = PlacementForm
    list_display = ["name", "key", "kind", "size", "only_new", "shop"]
    list_filter = ["shop"]
    readonly_fields = ["experiment"]

    def save_model(self, request, obj, form, change) -> None:
        obj.publish()
        if counts := getattr(form, "passing", None):
            messages.info(request, f"{counts[0]:,} of {counts[1]:,} products pass the filter.")

    def delete_model(self, request, obj) -> None:
        obj.withdraw()

    def delete_queryset(self, request, queryset) -> None:
        for placement in queryset:
            placement.withdraw()


@admin.register(ApiKey)
class ApiKeyAdmin(OfShop):
    """API keys: listed, limited and revoked here. `create_key` creates them and shows the secret
    once.
    """

    list_display = [
        "name",
        "prefix",
        "scopes",
        "is_public",
        "placements",
        "per_minute",
        "shop",
        "expires_at",
        "last_used_at",
    ]
    fields = [
        "shop",
        "name",
        "prefix",
        "is_public",
        "scopes",
        "placements",
        "per_minute",
        "created_at",
        "expires_at",
        "last_used_at",
    ]
    readonly_fields = ["shop", "prefix", "is_public", "created_at", "last_used_at"]

    def has_add_permission(self, request) -> bool:
        return False
