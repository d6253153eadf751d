"""Serializers of webhooks and their deliveries."""

from datetime import datetime

from rest_framework import serializers

from recommender.api.http.listing import PageQuery
from recommender.api.http.strict_fields import StrictSerializer, TextField
from recommender.models import Webhook, WebhookDelivery
from recommender.models.webhooks import EVENT_TYPES, DeliveryStatus


class WebhookSerializer(serializers.ModelSerializer):
    webhook_id = serializers.SerializerMethodField()

    class Meta:
        model = Webhook
        fields = ["webhook_id", "url", "event_types", "description", "active", "created_at"]

    def get_webhook_id(self, webhook) -> str:
        return f"webhook-{webhook.pk}"


class NewWebhookSerializer(WebhookSerializer):
    """A webhook with its signing secret, which is shown once."""

    secret = serializers.CharField(
        allow_null=True,
        help_text="whsec_…, as libraries of Standard Webhooks take it. null: a repeated call with "
        "the same Idempotency-Key",
    )

    class Meta(WebhookSerializer.Meta):
        fields = [*WebhookSerializer.Meta.fields, "secret"]


class WebhookRequest(StrictSerializer):
    url = TextField(
        max_length=500, help_text="an address over HTTPS outside the deployment's own network"
    )
    event_types = serializers.ListField(
        child=serializers.ChoiceField(EVENT_TYPES), min_length=1, help_text="what is sent there"
    )
    description = TextField(max_length=200, required=False, allow_blank=True)
    active = serializers.BooleanField(
        default=True, help_text="false: nothing is sent; pending messages wait"
    )


class WebhookPatch(WebhookRequest):
    url = TextField(max_length=500, required=False)
    event_types = serializers.ListField(
        child=serializers.ChoiceField(EVENT_TYPES), min_length=1, required=False
    )
    active = serializers.BooleanField(required=False, allow_null=True, default=None)


class SecretRotation(StrictSerializer):
    overlap_hours = serializers.IntegerField(
        min_value=0,
        max_value=720,
        default=24,
        help_text="so long both secrets sign each message",
    )


class DeliverySerializer(serializers.ModelSerializer):
    delivery_id = serializers.SerializerMethodField()
    next_attempt_at = serializers.SerializerMethodField(help_text="null: it has ended")

    class Meta:
        model = WebhookDelivery
        fields = [
            "delivery_id",
            "message_id",
            "event_type",
            "status",
            "attempts",
            "response_status",
            "response_ms",
            "error",
            "created_at",
            "next_attempt_at",
            "ended_at",
            "payload",
        ]

    def get_next_attempt_at(self, delivery) -> datetime | None:
        return delivery.next_attempt_at if delivery.ended_at is None else None

    def get_delivery_id(self, delivery) -> str:
        return f"delivery-{delivery.pk}"


class DeliveriesQuery(PageQuery):
    status = serializers.ChoiceField(
        DeliveryStatus.choices, required=False, help_text="only deliveries with this status"
    )
