"""Delivery of webhook messages: signed, within a time limit, retried, then marked dead.

Signatures follow Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, in the headers
webhook-id, webhook-timestamp and webhook-signature. A 2xx status is a delivery. Redirects are not
followed, because they could lead to a network that is not allowed.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import time

import httpx
import orjson
from django.db import transaction
from django.utils import timezone

from recommender.models import WebhookDelivery
from recommender.models.webhooks import PREFIX, RETRY_AFTER, DeliveryStatus
from recommender.webhooks.addresses import PORTS, RefusedAddress, Target, resolve

log = logging.getLogger(__name__)

SECONDS = 10.0
"""Time limit of an attempt: connection, body and the head of the reply together."""
BUDGET_SECONDS = 50.0
"""How long one call of `deliver_due` makes attempts."""
MOST_DUE = 10_000
"""Deliveries that one call of `deliver_due` looks at."""
LONGEST_ERROR = 300
CLAIM = timezone.timedelta(minutes=2)
"""How long an attempt keeps others from the same delivery."""


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of webhook-signature for one secret (Standard Webhooks 1.0)."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def deliver(pk: int) -> bool:
    """Make one attempt of a delivery that is due; its row holds the result.

    Returns whether it was delivered.
    """
    delivery = _claim(pk)
    if delivery is None:
        return False
    started = time.perf_counter()
    try:
        status, error = _post(delivery), ""
        if not 200 <= status < 300:
            error = "redirects are not followed" if 300 <= status < 400 else ""
    except RefusedAddress as refused:
        status, error = None, f"the address {refused}"
    except TimeoutError:
        status, error = None, f"no reply within {SECONDS:g} seconds"
    except (OSError, httpx.HTTPError) as failed:
        status, error = None, f"{type(failed).__name__}: {failed}"
    except Exception as failed:  # whatever an address holds, it must not stop the others
        log.exception("webhook delivery %s", delivery.pk)
        status, error = None, type(failed).__name__
    return _note(delivery, status, error, round((time.perf_counter() - started) * 1000))


def _claim(pk: int) -> WebhookDelivery | None:
    """Take a due delivery for this worker; of several workers one gets it."""
    with transaction.atomic():
        due = WebhookDelivery.objects.due().filter(pk=pk)
        delivery = due.select_for_update(skip_locked=True, of=("self",)).first()
        if delivery is None:
            return None
        delivery.attempts += 1
        delivery.next_attempt_at = timezone.now() + CLAIM
        delivery.save(update_fields=["attempts", "next_attempt_at"])
    return WebhookDelivery.objects.select_related("webhook__shop").get(pk=pk)


def _post(delivery: WebhookDelivery) -> int:
    """Send the message; returns the status of the reply.

    Raises RefusedAddress, TimeoutError, OSError, or httpx.HTTPError.
    """
    body, timestamp = orjson.dumps(delivery.payload), int(time.time())
    signatures = [
        signature(secret, delivery.message_id, timestamp, body)
        for secret in delivery.webhook.secrets_now()
    ]
    headers = {
        "content-type": "application/json",
        "user-agent": "Vitrine-Webhooks/1",
        "webhook-id": delivery.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
    target = resolve(delivery.webhook.url)
    return asyncio.run(asyncio.wait_for(_send(target, body, headers), SECONDS))


async def _send(target: Target, body: bytes, headers: dict[str, str]) -> int:
    """POST to the first of the checked addresses that connects; a reply's body is not read."""
    name = f"[{target.host}]" if ":" in target.host else target.host
    host = name if target.port == PORTS[target.scheme] else f"{name}:{target.port}"
    async with httpx.AsyncClient(
        timeout=SECONDS, trust_env=False, follow_redirects=False
    ) as client:
        for ip in target.ips:
            place = f"[{ip}]" if ":" in ip else ip
            request = client.build_request(
                "POST",
                f"{target.scheme}://{place}:{target.port}{target.path}",
                content=body,
                headers={**headers, "host": host},
                extensions={"sni_hostname": target.host},
            )
            try:
                reply = await client.send(request, stream=True)
            except httpx.ConnectError:
                if ip == target.ips[-1]:
                    raise
                continue
            await reply.aclose()
            return reply.status_code
    raise RefusedAddress("has no address")


def _note(delivery: WebhookDelivery, status: int | None, error: str, ms: int) -> bool:
    """Store the result of an attempt, and when the next one is due; returns whether it arrived.

    Does nothing where the message was sent again, or its webhook deleted, meanwhile.
    """
    now = timezone.now()
    fields = {"response_status": status, "response_ms": ms, "error": error[:LONGEST_ERROR]}
    delivered = status is not None and 200 <= status < 300
    if delivered:
        fields |= {"status": DeliveryStatus.DELIVERED, "ended_at": now}
    elif delivery.attempts > len(RETRY_AFTER):
        fields |= {"status": DeliveryStatus.DEAD, "ended_at": now}
    else:
        fields |= {"next_attempt_at": now + RETRY_AFTER[delivery.attempts - 1]}
    same_attempt = WebhookDelivery.objects.filter(
        pk=delivery.pk, attempts=delivery.attempts, status=DeliveryStatus.PENDING
    )
    same_attempt.update(**fields)
    return delivered


def deliver_due(seconds: float = BUDGET_SECONDS) -> int:
    """Attempt the deliveries that are due, the oldest first, within a time budget.

    Returns their number; the rest is attempted in a minute. After a failure the other messages of
    its webhook wait, so that an address that never answers takes no time from the others.
    """
    deadline, number, failed = time.monotonic() + seconds, 0, set()
    due = WebhookDelivery.objects.due().order_by("next_attempt_at")
    for pk, webhook_id in list(due.values_list("pk", "webhook_id")[:MOST_DUE]):
        if time.monotonic() > deadline:
            break
        if webhook_id not in failed:
            number += 1
            if not deliver(pk):
                failed.add(webhook_id)
    return number
