"""Serializers of alerts."""

from rest_framework import serializers

from recommender.api.http.listing import PageQuery
from recommender.models import Alert


class AlertSerializer(serializers.ModelSerializer):
    alert_id = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    title = serializers.CharField(source="get_kind_display", help_text="the kind in words")

    state = serializers.CharField(
        help_text="open, acknowledged, muted or closed: what people have said about it"
    )
    details = serializers.JSONField(help_text="numbers and evidence, by kind")

    class Meta:
        model = Alert
        fields = [
            "alert_id",
            "kind",
            "title",
            "subject",
            "message",
            "status",
            "state",
            "details",
            "since",
            "until",
        ]

    def get_alert_id(self, alert) -> str:
        return f"alert-{alert.pk}"

    def get_status(self, alert) -> str:
        """open or closed."""
        return "open" if alert.until is None else "closed"


class AlertsQuery(PageQuery):
    status = serializers.ChoiceField(
        ["open", "closed"], required=False, help_text="only alerts that are open, or closed"
    )
    kind = serializers.ChoiceField(Alert.KINDS, required=False, help_text="only this kind")
