"""Raising of alerts: the row, the webhook message, and mail to the addresses of a rule."""

import logging
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction

from recommender.infrastructure import task_queue
from recommender.models import Alert, Shop
from recommender.models.webhooks import ALERT_RAISED
from recommender.webhooks.messages import emit

log = logging.getLogger(__name__)


def raise_alert(
    shop: Shop,
    kind: str,
    subject: str,
    message: str | None,
    details: dict[str, Any] | None = None,
    mail: Sequence[str] = (),
) -> Alert | None:
    """Open an alert and send it by webhook and mail, or update the open one; without a
    message close it. Returns the alert that was opened.
    """
    with transaction.atomic():
        alert = Alert.objects.note(shop, kind, subject, message)
        if alert is None:
            return None
        if details:
            alert.details = details
            alert.save(update_fields=["details"])
        emit(shop, ALERT_RAISED, webhook_data(alert))
        for address in mail:
            task_queue.enqueue("mail_alert", alert.pk, address)
    return alert


def webhook_data(alert: Alert) -> dict[str, Any]:
    """The data of the webhook message of an alert."""
    return {
        "alert_id": f"alert-{alert.pk}",
        "kind": alert.kind,
        "title": alert.get_kind_display(),
        "subject": alert.subject,
        "message": alert.message,
        **({"details": alert.details} if alert.details else {}),
    }


def mail_alert(alert: Alert, address: str) -> bool:
    """Send an alert by mail to one address; returns False where no mail server is set.

    Raises OSError or SMTPException where the server does not take it.
    """
    if not settings.EMAIL_HOST:
        log.warning("alert %s is not mailed: EMAIL_HOST is not set", alert.pk)
        return False
    lines = [alert.message, ""]
    lines += [f"“{quote['text']}”" for quote in alert.details.get("quotes", [])]
    title = f"{alert.shop.name}: {alert.get_kind_display().lower()}, {alert.subject}"
    EmailMessage(title.replace("\n", " ")[:200], "\n".join(lines), to=[address]).send()
    return True
