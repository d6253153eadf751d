"""Webhook messages: written for every address of a shop, in the transaction of what they tell."""

from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from recommender.infrastructure import task_queue
from recommender.models import Shop, Webhook, WebhookDelivery
from recommender.models.webhooks import TEST, DeliveryStatus

MOST_PENDING = 5000
"""Messages that wait for an address; a further one is dropped."""


def emit(shop: Shop, event_type: str, data: dict[str, Any]) -> int:
    """Write a message to the shop's webhooks that want this type; returns their number.

    It is sent once the transaction is committed. data: JSON of the event.
    """
    wanted = Webhook.objects.of(shop).filter(active=True, event_types__contains=[event_type])
    pending = Count("deliveries", filter=Q(deliveries__status=DeliveryStatus.PENDING))
    webhooks = wanted.annotate(pending=pending).filter(pending__lt=MOST_PENDING)
    return len([send(webhook, event_type, data) for webhook in webhooks])


def send(webhook: Webhook, event_type: str, data: dict[str, Any]) -> WebhookDelivery:
    """Write a message to one address and queue its delivery."""
    payload = {
        "type": event_type,
        "timestamp": timezone.now().isoformat().replace("+00:00", "Z"),
        "shop": webhook.shop.key,
        "data": data,
    }
    delivery = WebhookDelivery.objects.create(
        webhook=webhook, event_type=event_type, payload=payload
    )
    task_queue.enqueue("deliver_webhook", delivery.pk)
    return delivery


def send_test(webhook: Webhook) -> WebhookDelivery:
    """Write a message that tells nothing, to try the address."""
    return send(webhook, TEST, {"webhook_id": f"webhook-{webhook.pk}"})
