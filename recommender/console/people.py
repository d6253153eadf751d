"""Admin tables of users, groups and schedules, for superusers."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.forms import ModelMultipleChoiceField
from django_celery_beat.admin import ClockedScheduleAdmin, CrontabScheduleAdmin, PeriodicTaskAdmin
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from recommender.models import (
    AuditEntry,
    Shop,
)

for model in (
    User,
    Group,
    PeriodicTask,
    IntervalSchedule,
    CrontabSchedule,
    SolarSchedule,
    ClockedSchedule,
):
    admin.site.unregister(model)


class ForSuperusers(ModelAdmin):
    """Admin for superusers only: editing users allows granting any permission and any shop."""

    def has_module_permission(self, request) -> bool:
        return request.user.is_superuser

    def has_view_permission(self, request, obj=None) -> bool:
        return request.user.is_superuser

    has_add_permission = has_module_permission
    has_change_permission = has_delete_permission = has_view_permission


class PersonForm(UserChangeForm):
    shops = ModelMultipleChoiceField(
        Shop.objects.all(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="The shops that this person sees in the console. Superusers see every shop.",
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["shops"] = self.instance.shops.all()

    def _save_m2m(self) -> None:
        super()._save_m2m()
        self.instance.shops.set(self.cleaned_data["shops"])


@admin.register(User)
class PersonAdmin(UserAdmin, ForSuperusers):
    form = PersonForm
    fieldsets = (
        *UserAdmin.fieldsets[:2],
        ("Shops", {"fields": ("shops",)}),
        *UserAdmin.fieldsets[2:],
    )
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def save_related(self, request, form, formsets, change) -> None:
        before = set(form.instance.shops.all())
        super().save_related(request, form, formsets, change)
        after = set(form.instance.shops.all())
        changed = ", ".join(form.changed_data) if change else "added"
        for shop in before | after:
            had, has = (f"sees {shop.key}" if shop in of else "" for of in (before, after))
            if changed or had != has:
                AuditEntry.objects.note(
                    shop,
                    request.user,
                    AuditEntry.CHANGED,
                    f"person {form.instance.get_username()}",
                    had,
                    has,
                    changed,
                )

    def has_delete_permission(self, request, obj=None) -> bool:
        """Users are deactivated (Active) instead of deleted, so that their runs and promotions keep
        a name.
        """
        return False


@admin.register(Group)
class PersonGroupAdmin(GroupAdmin, ForSuperusers):
    pass


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin, ModelAdmin):
    pass


@admin.register(CrontabSchedule)
class TimesAdmin(CrontabScheduleAdmin, ModelAdmin):
    pass


@admin.register(ClockedSchedule)
class MomentsAdmin(ClockedScheduleAdmin, ModelAdmin):
    pass


@admin.register(IntervalSchedule)
class IntervalsAdmin(ModelAdmin):
    pass
