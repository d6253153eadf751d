"""Per-shop permissions of the console's tables: a user sees the rows of shops that they are a
member of, in lists and in choices.
"""

from typing import Any

from django.contrib.admin.filters import RelatedFieldListFilter
from django.core.exceptions import FieldDoesNotExist
from django.db.models import ForeignKey, Model, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from recommender.models import AuditEntry, Shop

NAMED = frozenset(
    {
        "alert",
        "feed",
        "apikey",
        "modelversion",
        "placement",
        "product",
        "productattribute",
        "shop",
        "trainingrun",
        "platformhook",
        "webhook",
    }
)
"""Tables whose rows the audit trail names. Other rows, such as shoppers and reviews, may identify a
person.
"""


class VisibleShops(RelatedFieldListFilter):
    """Admin list filter “By shop” with the shops that the user may see."""

    def field_choices(self, field, request, model_admin) -> list[tuple]:
        return [(shop.pk, str(shop)) for shop in Shop.objects.visible_to(request.user)]


class OfShop(ModelAdmin):
    """Admin of a table whose rows belong to a shop. Invisible rows cannot be opened, changed,
    deleted, searched or chosen.

    The audit trail replaces Django's admin log, which would keep a shopper's id after erasure.
    """

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return visible_rows(super().get_queryset(request), request)

    def get_list_filter(self, request: HttpRequest) -> list:
        return [
            ("shop", VisibleShops) if name == "shop" else name
            for name in super().get_list_filter(request)
        ]

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """Django's change message plus previous values, for the audit trail; not for tables whose
        rows may identify a person.
        """
        if not add and self.opts.model_name in NAMED:
            was = [
                (
                    form.fields[name].label or name,
                    _shown(name, form.initial.get(name)),
                    _shown(name, form.cleaned_data.get(name)),
                )
                for name in form.changed_data
            ]
            request.audit_detail = "; ".join(
                f"{label}: {before} → {after}" for label, before, after in was
            )
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any):
        _note(request, obj, AuditEntry.ADDED)

    def log_change(self, request: HttpRequest, obj: Model, message: Any):
        changed = [
            field
            for part in message
            if isinstance(part, dict)
            for field in part.get("changed", {}).get("fields", [])
        ]
        if changed:
            _note(
                request,
                obj,
                AuditEntry.CHANGED,
                getattr(request, "audit_detail", "") or ", ".join(changed),
            )

    def log_deletions(self, request: HttpRequest, queryset: QuerySet):
        for obj in queryset:
            _note(request, obj, AuditEntry.DELETED)

    def formfield_for_foreignkey(self, db_field: ForeignKey, request: HttpRequest, **kwargs: Any):
        kwargs["queryset"] = visible_rows(
            db_field.remote_field.model._default_manager.all(), request
        )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def visible_rows(rows: QuerySet, request: HttpRequest) -> QuerySet:
    """Rows of the shops that the request's user may see, and rows without a shop."""
    if request.user.is_superuser:
        return rows
    visible = list(Shop.objects.visible_to(request.user).values_list("pk", flat=True))
    if rows.model is Shop:
        return rows.filter(pk__in=visible)
    return rows.filter(shop__in=visible) if _belongs_to_a_shop(rows.model) else rows


def _shown(name: str, value: Any) -> str:
    """A value in the audit trail: no secret, and no address with what may be a token."""
    if name == "secret":
        return "(secret)"
    return _short(value.partition("?")[0] if name == "url" and isinstance(value, str) else value)


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | QuerySet) else str(value)
    return repr(text[:200]) if isinstance(value, str) else text[:200]


def _note(request: HttpRequest, obj: Model, action: str, detail: str = "") -> None:
    """Write an audit entry. Rows that may identify a shopper are not named, so that erasure leaves
    no trace.
    """
    if isinstance(obj, Shop) and action == AuditEntry.DELETED:
        return
    name = f" {obj}" if obj._meta.model_name in NAMED else ""
    AuditEntry.objects.note(
        obj if isinstance(obj, Shop) else obj.shop,
        request.user,
        action,
        f"{obj._meta.verbose_name}{name}",
        detail=detail,
    )


def _belongs_to_a_shop(model: type[Model]) -> bool:
    try:
        return model._meta.get_field("shop").related_model is Shop
    except FieldDoesNotExist:
        return False
