"""Webhooks: list, create, change, delete, test; their delivery log."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.idempotency import idempotent
from recommender.api.http.listing import (
    FieldsQuery,
    PageQuery,
    QueryRows,
    choose,
    page,
    page_of,
    read_fields,
)
from recommender.api.http.problem_details import Conflict
from recommender.api.http.strict_fields import find_numbered
from recommender.api.http.views import ApiView
from recommender.api.webhooks import serializers as shapes
from recommender.infrastructure import task_queue
from recommender.models import AuditEntry, Webhook, WebhookDelivery
from recommender.models.webhooks import DeliveryStatus
from recommender.webhooks.addresses import RefusedAddress, resolve
from recommender.webhooks.messages import send_test

WEBHOOK_NAMES = shapes.WebhookSerializer.Meta.fields
DELIVERY_NAMES = shapes.DeliverySerializer.Meta.fields
MOST_WEBHOOKS = 20


def webhooks_json(webhooks: list[Webhook]) -> list[dict[str, Any]]:
    return shapes.WebhookSerializer(webhooks, many=True).data


def deliveries_json(deliveries: list[WebhookDelivery]) -> list[dict[str, Any]]:
    return shapes.DeliverySerializer(deliveries, many=True).data


def check_address(url: str) -> None:
    """Raises ValidationError for an address that a webhook may not have."""
    try:
        resolve(url)
    except RefusedAddress as error:
        raise ValidationError({"url": [str(error)]}) from None
    except (OSError, UnicodeError):
        raise ValidationError({"url": ["names a host that is not known"]}) from None


class WebhooksView(ApiView):
    scopes = {"GET": "webhooks:read", "*": "webhooks:write"}
    query = {"GET": PageQuery}

    @extend_schema(
        operation_id="list_webhooks",
        responses=page_of(shapes.WebhookSerializer, "WebhooksPage"),
        summary="Webhooks, without their secrets",
    )
    def get(self, request: Request) -> Response:
        rows = QueryRows(request.auth.shop.webhooks.all(), ("pk",))
        return Response(page(request, "webhooks", self.params, rows, webhooks_json, WEBHOOK_NAMES))

    @extend_schema(
        operation_id="create_webhook",
        request=shapes.WebhookRequest,
        responses={201: shapes.NewWebhookSerializer},
        summary="Send events of the shop to an address; the reply shows the signing secret once",
    )
    @idempotent("secret")
    def post(self, request: Request) -> Response:
        body = shapes.WebhookRequest(data=request.data)
        body.is_valid(raise_exception=True)
        shop, values = request.auth.shop, body.validated_data
        check_address(values["url"])
        if shop.webhooks.count() >= MOST_WEBHOOKS:
            raise Conflict(f"A shop has at most {MOST_WEBHOOKS} webhooks.")
        webhook = Webhook.objects.create(shop=shop, **values)
        AuditEntry.objects.note(shop, request.auth, AuditEntry.ADDED, str(webhook))
        return Response({**webhooks_json([webhook])[0], "secret": webhook.secret}, status=201)


class WebhookView(ApiView):
    scopes = {"GET": "webhooks:read", "*": "webhooks:write"}
    query = {"GET": FieldsQuery}

    @extend_schema(
        operation_id="get_webhook", responses=shapes.WebhookSerializer, summary="A webhook"
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        chosen = read_fields(self.params.get("fields"), WEBHOOK_NAMES)
        webhook = find_numbered(request.auth.shop.webhooks, "webhook", webhook_id)
        return Response(choose(webhooks_json([webhook])[0], chosen))

    @extend_schema(
        operation_id="patch_webhook",
        request=shapes.WebhookPatch,
        responses=shapes.WebhookSerializer,
        summary="Change what is given of a webhook",
    )
    def patch(self, request: Request, webhook_id: str) -> Response:
        webhook = find_numbered(request.auth.shop.webhooks, "webhook", webhook_id)
        body = shapes.WebhookPatch(data=request.data)
        body.is_valid(raise_exception=True)
        values = {k: v for k, v in body.validated_data.items() if v is not None}
        if "url" in values:
            check_address(values["url"])
        for name, value in values.items():
            setattr(webhook, name, value)
        webhook.save(update_fields=list(values))
        AuditEntry.objects.note(
            webhook.shop,
            request.auth,
            AuditEntry.CHANGED,
            str(webhook),
            detail=", ".join(values),
        )
        return Response(webhooks_json([webhook])[0])

    @extend_schema(
        operation_id="delete_webhook",
        responses={204: None},
        summary="Delete a webhook and its delivery log",
    )
    def delete(self, request: Request, webhook_id: str) -> Response:
        webhook = find_numbered(request.auth.shop.webhooks, "webhook", webhook_id)
        AuditEntry.objects.note(webhook.shop, request.auth, AuditEntry.DELETED, str(webhook))
        webhook.delete()
        return Response(status=204)


class RotateSecretView(ApiView):
    scopes = {"*": "webhooks:write"}

    @extend_schema(
        operation_id="rotate_webhook_secret",
        request=shapes.SecretRotation,
        responses={201: shapes.NewWebhookSerializer},
        summary="A new signing secret; both sign until the overlap ends",
    )
    @idempotent("secret")
    def post(self, request: Request, webhook_id: str) -> Response:
        webhook = find_numbered(request.auth.shop.webhooks, "webhook", webhook_id)
        body = shapes.SecretRotation(data=request.data)
        body.is_valid(raise_exception=True)
        secret = webhook.rotate(timedelta(hours=body.validated_data["overlap_hours"]))
        AuditEntry.objects.note(
            webhook.shop, request.auth, AuditEntry.CHANGED, str(webhook), detail="secret"
        )
        return Response({**webhooks_json([webhook])[0], "secret": secret}, status=201)


class TestWebhookView(ApiView):
    scopes = {"*": "webhooks:write"}

    @extend_schema(
        operation_id="test_webhook",
        request=None,
        responses={202: shapes.DeliverySerializer},
        summary="Send a test message to a webhook",
    )
    def post(self, request: Request, webhook_id: str) -> Response:
        webhook = find_numbered(request.auth.shop.webhooks, "webhook", webhook_id)
        return Response(deliveries_json([send_test(webhook)])[0], status=202)


class DeliveriesView(ApiView):
    scopes = {"*": "webhooks:read"}
    query = {"GET": shapes.DeliveriesQuery}

    @extend_schema(
        operation_id="list_deliveries",
        responses=page_of(shapes.DeliverySerializer, "DeliveriesPage"),
        summary="The delivery log of a webhook, newest first; ended ones are kept for 30 days",
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        deliveries = find_numbered(
            request.auth.shop.webhooks, "webhook", webhook_id
        ).deliveries.all()
        if "status" in self.params:
            deliveries = deliveries.filter(status=self.params["status"])
        rows, name = QueryRows(deliveries, ("-pk",)), f"deliveries of {webhook_id}"
        return Response(page(request, name, self.params, rows, deliveries_json, DELIVERY_NAMES))


class RedeliverView(ApiView):
    scopes = {"*": "webhooks:write"}

    @extend_schema(
        operation_id="redeliver",
        request=None,
        responses={202: shapes.DeliverySerializer},
        summary="Send a message again, with the same message_id",
    )
    def post(self, request: Request, webhook_id: str, delivery_id: str) -> Response:
        webhook = find_numbered(request.auth.shop.webhooks, "webhook", webhook_id)
        delivery = find_numbered(webhook.deliveries, "delivery", delivery_id)
        rows = webhook.deliveries.filter(pk=delivery.pk)
        if not webhook.active:
            raise Conflict("This webhook is not active.")
        rows.update(
            status=DeliveryStatus.PENDING,
            attempts=0,
            next_attempt_at=timezone.now(),
            ended_at=None,
        )
        task_queue.enqueue("deliver_webhook", delivery.pk)
        delivery.refresh_from_db()
        return Response(deliveries_json([delivery])[0], status=202)
