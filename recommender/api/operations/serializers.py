"""Serializers of purges."""

from django.utils import timezone
from rest_framework import serializers

from recommender.api.http.listing import PageQuery
from recommender.api.http.strict_fields import MomentField, ObjectField, StrictSerializer
from recommender.models import Purge
from recommender.models.events import EventType
from recommender.models.purges import PurgeStatus

OF_ITEMS, OF_EVENTS = ("filter", "params"), ("since", "until", "types", "simulated")


class PurgeRequest(StrictSerializer):
    target = serializers.ChoiceField(Purge.TARGETS)
    filter = serializers.CharField(
        max_length=2000, required=False, help_text="of products, as in lists: brand = 'Alto'"
    )
    params = ObjectField(required=False, help_text="values of the filter's :parameters")
    since = MomentField(required=False, help_text="of events: from this time on")
    until = MomentField(required=False, help_text="of events: before this time")
    types = serializers.ListField(
        child=serializers.ChoiceField(EventType.choices),
        min_length=1,
        required=False,
        help_text="of events: only these types",
    )
    simulated = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="of events: only simulated ones"
    )
    as_of = MomentField(
        required=False,
        help_text="of the 409 before: what came later is neither counted nor deleted. Default: now",
    )
    confirm = serializers.IntegerField(
        min_value=0,
        required=False,
        help_text="the number of rows that match; without it the reply is a 409 with that number",
    )

    def validate_as_of(self, moment):
        if moment > timezone.now():
            raise serializers.ValidationError("lies in the future")
        return moment

    def validate(self, values):
        own, others = OF_ITEMS, OF_EVENTS
        if values["target"] == Purge.EVENTS:
            own, others = others, own
        given = {name for name in (*own, *others) if values.get(name) is not None}
        if wrong := sorted(given & set(others)):
            message = f"is not a field of a purge of {values['target']}"
            raise serializers.ValidationError({name: [message] for name in wrong})
        if not given - {"params"}:
            names = [name for name in own if name != "params"]
            raise serializers.ValidationError(
                {names[0]: [f"is required: what to delete, by {', '.join(names)}"]}
            )
        return values


class PurgeSerializer(serializers.ModelSerializer):
    purge_id = serializers.SerializerMethodField()

    class Meta:
        model = Purge
        fields = [
            "purge_id",
            "target",
            "selection",
            "status",
            "total",
            "deleted",
            "error",
            "created_at",
            "finished_at",
        ]
        extra_kwargs = {
            "total": {"help_text": "rows that matched; of events, one per product"},
            "deleted": {"help_text": "rows that are gone"},
        }

    def get_purge_id(self, purge) -> str:
        return f"purge-{purge.pk}"


class PurgesQuery(PageQuery):
    status = serializers.ChoiceField(
        PurgeStatus.choices, required=False, help_text="only purges with this status"
    )
