"""Deliveries of platforms: signatures, and what each topic does."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from recommender.catalog import product_names
from recommender.infrastructure import task_queue
from recommender.ingest.connectors import FORMATS
from recommender.ingest.connectors.orders import key_of, returns_of
from recommender.ingest.file_report import FileReport
from recommender.ingest.parsing import Parser
from recommender.ingest.products import upsert_products
from recommender.ingest.shop_files import import_rows, shopper_of_mail
from recommender.models import Erasure, HookDelivery, PlatformHook, Shop
from recommender.models.platform_hooks import Platform
from recommender.shoppers.erasure import erase, known_elsewhere

MOST_ERASED = 1_000
"""Shoppers that a delivery erases at once; a worker erases the rest."""
Headers = Mapping[str, str]


class Refused(ValueError):
    """A delivery that is not taken: `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Dialect:
    """How a platform signs and names its deliveries: headers in lower case."""

    signature: str
    hashed_by: str
    is_base64: bool
    topic: str = ""
    delivery: str = ""
    domain: str = ""


DIALECTS = {
    Platform.SHOPIFY: Dialect(
        "x-shopify-hmac-sha256",
        "sha256",
        True,
        "x-shopify-topic",
        "x-shopify-webhook-id",
        "x-shopify-shop-domain",
    ),
    Platform.WOOCOMMERCE: Dialect(
        "x-wc-webhook-signature",
        "sha256",
        True,
        "x-wc-webhook-topic",
        "x-wc-webhook-delivery-id",
        "x-wc-webhook-source",
    ),
    Platform.SEGMENT: Dialect("x-signature", "sha1", False),
}


@dataclass
class Outcome:
    """What a delivery did: counts by kind, and the reasons of what was rejected."""

    status: str = HookDelivery.TAKEN
    counts: dict[str, Any] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)


def signed(dialect: Dialect, secret: str, body: bytes) -> str:
    """The signature of a body: HMAC by the secret, in base64 or hexadecimal digits."""
    made = hmac.new(secret.encode(), body, dialect.hashed_by).digest()
    return base64.b64encode(made).decode() if dialect.is_base64 else made.hex()


def take(hook: PlatformHook, headers: Headers, body: bytes) -> tuple[HookDelivery, bool]:
    """Take a delivery once; returns it, and whether it is new. Raises Refused.

    headers: names in lower case; body: as it was received
    """
    dialect = DIALECTS[Platform(hook.platform)]
    given = headers.get(dialect.signature, "")
    if not hmac.compare_digest(given.encode(), signed(dialect, hook.secret, body).encode()):
        raise Refused(401, "The signature does not fit this hook's secret.")
    document = _document(body)
    topic = headers.get(dialect.topic, "").strip().lower()[:64] if dialect.topic else "track"
    _check_domain(hook, dialect, headers)
    digest = hashlib.sha256(topic.encode() + b"\x00" + body).hexdigest()
    named = headers.get(dialect.delivery, "")[:128] if dialect.delivery else ""
    with transaction.atomic():
        PlatformHook.objects.select_for_update().get(pk=hook.pk)  # one after the other
        known = HookDelivery.objects.filter(hook=hook, digest=digest).first()
        if known is not None:
            return known, False
        outcome = _done(hook, topic, document)
        made = HookDelivery.objects.create(
            hook=hook,
            digest=digest,
            delivery_id=named,
            topic=topic,
            status=outcome.status,
            counts=outcome.counts,
            detail="; ".join(outcome.details)[:2000],
        )
    return made, True


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "The body is no JSON.") from None
    if not isinstance(document, dict):
        raise Refused(400, "The body is no JSON object.")
    return document


def _check_domain(hook: PlatformHook, dialect: Dialect, headers: Headers) -> None:
    """The domain of the first delivery is kept; those of another shop are refused."""
    domain = headers.get(dialect.domain, "").strip().lower().rstrip("/") if dialect.domain else ""
    if not domain:
        return
    if not hook.domain:
        hook.domain = domain[:255]
        hook.save(update_fields=["domain"])
    elif hook.domain.strip().lower().rstrip("/") != domain:
        raise Refused(403, f"This hook takes deliveries of {hook.domain}, not of {domain[:255]}.")


def _done(hook: PlatformHook, topic: str, document: dict[str, Any]) -> Outcome:
    shop = hook.shop
    if hook.platform == Platform.SEGMENT:
        return _imported(shop, "segment", _track_calls(document))
    act = TOPICS.get((hook.platform, topic))
    if act is None:
        return Outcome(HookDelivery.IGNORED, details=[f"the topic {topic or 'none'} is not used"])
    return act(shop, document)


def _track_calls(document: dict[str, Any]) -> list[dict[str, Any]]:
    batch = document.get("batch")
    if not isinstance(batch, list):
        return [document]
    return [one for one in batch if isinstance(one, dict)]


def _imported(shop: Shop, name: str, rows: list[dict[str, Any]]) -> Outcome:
    """Rows of a format, as from a file."""
    parser = Parser(shop.zone, currency=shop.currency)
    report = import_rows(shop, FORMATS[name], rows, parser)
    return Outcome(counts=_counts(report), details=_details(report))


def _counts(report: FileReport) -> dict[str, Any]:
    counts = {kind: n for kind, n in report.counts.items() if n}
    return {**counts, "rejected": report.rejected} if report.rejected else counts


def _details(report: FileReport) -> list[str]:
    return [*(f"{one.count} rejected: {one.example}" for one in report.reasons()), *report.warnings]


def _of_format(name: str) -> Callable[[Shop, dict[str, Any]], Outcome]:
    return lambda shop, document: _imported(shop, name, [document])


def _product_gone(shop: Shop, document: dict[str, Any]) -> Outcome:
    """A product that the platform deleted is not published any more; its history stays."""
    number = str(document.get("id"))
    ids = {number, f"id:{number}"}
    known = set(shop.products.filter(item_id__in=ids).values_list("item_id", flat=True))
    if not known:
        with connection.cursor() as cursor:
            named = product_names.resolve(cursor, shop, ids).values()
        known = {one.item_id for one in named if one.variant_id is None}
    if not known:
        return Outcome(HookDelivery.IGNORED, details=["the product is not known"])
    rows = [(n, {"item_id": item_id, "published": False}) for n, item_id in enumerate(known)]
    upsert_products(shop, rows, ["published"], Parser())
    return Outcome(counts={"products": len(rows)})


def _order_gone(shop: Shop, document: dict[str, Any]) -> Outcome:
    key = key_of(document.get("id"))
    gone = shop.events.filter(event_id__in=[key, returns_of(key)]).remove()
    return Outcome(counts={"events": -gone})


def _refund(shop: Shop, document: dict[str, Any]) -> Outcome:
    """A refund: returns of its lines, until the order itself comes with all of its refunds."""
    order = shop.events.filter(event_id=key_of(document.get("order_id"))).first()
    if order is None:
        return Outcome(HookDelivery.IGNORED, details=["the order is not known"])
    rows = []
    for one in document.get("refund_line_items") or []:
        line = one.get("line_item") or {}
        rows.append(
            {
                "event_id": returns_of(order.event_id),
                "type": "return",
                "user_id": order.shopper.user_id if order.shopper else None,
                "session_id": order.session_id,
                "occurred_at": document.get("created_at") or document.get("processed_at"),
                "item_id": line.get("variant_id") or line.get("sku") or line.get("product_id"),
                "or_item_id": line.get("sku"),
                "and_item_id": line.get("product_id"),
                "quantity": one.get("quantity"),
                "value": one.get("subtotal"),
            }
        )
    return _imported(shop, "platform_events", rows)


def _inventory(shop: Shop, document: dict[str, Any]) -> Outcome:
    """The stock of a variant, of a shop with one location."""
    name = f"inventory:{document.get('inventory_item_id')}"
    product = shop.products.filter(variants__contains=[{"other_ids": [name]}]).first()
    if product is None:
        return Outcome(HookDelivery.IGNORED, details=["the inventory item is not known"])
    variants = [
        {**one, "stock_quantity": document.get("available")}
        if name in one.get("other_ids", ()) and "stock_quantity" in one
        else one
        for one in product.variants
    ]
    row = {"item_id": product.item_id, "variants": variants, "images": product.images}
    prices = ("price", "sale_price", "compare_at_price")
    row |= {n: getattr(product, n) for n in prices if getattr(product, n) is not None}
    row |= {n: float(row[n]) for n in prices if n in row}
    report = upsert_products(shop, [(0, row)], ["variants"], Parser())
    details = [f"{error.field}: {error.message}" for error in report.errors]
    return Outcome(counts={"products": report.changed}, details=details)


def _erased(shop: Shop, user_ids: list[str]) -> Outcome:
    receipts = [one for user_id in user_ids if (one := _erase_one(shop, user_id))]
    return Outcome(
        counts={"erased": len(receipts)},
        details=[f"receipts: {', '.join(str(one.receipt_id) for one in receipts[:20])}"]
        if receipts
        else ["nobody is known by these ids"],
    )


def _erase_one(shop: Shop, user_id: str) -> Erasure | None:
    shopper = shop.shoppers.filter(user_id=user_id).first()
    if shopper is None and known_elsewhere(shop, user_id):
        shopper, _ = shop.shoppers.get_or_create(user_id=user_id)
    return erase(shopper) if shopper else None


def _customer(shop: Shop, document: dict[str, Any]) -> Outcome:
    """Erase a customer, by the id and by the e-mail."""
    customer = document.get("customer")
    customer = customer if isinstance(customer, dict) else document
    ids = [str(customer["id"])] if customer.get("id") else []
    if customer.get("email"):
        ids += [shopper_of_mail(shop)(str(customer["email"])), str(customer["email"])]
    return _erased(shop, ids)


def _whole_shop(shop: Shop, document: dict[str, Any]) -> Outcome:
    """Erase the shoppers of a shop that left the platform."""
    ids = list(shop.shoppers.order_by("pk").values_list("user_id", flat=True)[:MOST_ERASED])
    outcome = _erased(shop, ids)
    if len(ids) == MOST_ERASED:
        task_queue.enqueue("erase_shoppers", shop.pk)
        outcome.details.append("the others are erased by a worker")
    return outcome


def _noted(shop: Shop, document: dict[str, Any]) -> Outcome:
    return Outcome(HookDelivery.IGNORED, details=["a person has to answer this request"])


SHOPIFY, WOO = Platform.SHOPIFY.value, Platform.WOOCOMMERCE.value
TOPICS: dict[tuple[str, str], Callable[[Shop, dict[str, Any]], Outcome]] = {
    **{
        (SHOPIFY, f"products/{word}"): _of_format("shopify_product_json")
        for word in ("create", "update")
    },
    (SHOPIFY, "products/delete"): _product_gone,
    **{
        (SHOPIFY, f"orders/{word}"): _of_format("shopify_order_json")
        for word in ("create", "updated", "paid", "cancelled", "fulfilled", "partially_fulfilled")
    },
    (SHOPIFY, "orders/delete"): _order_gone,
    (SHOPIFY, "refunds/create"): _refund,
    (SHOPIFY, "inventory_levels/update"): _inventory,
    (SHOPIFY, "customers/redact"): _customer,
    (SHOPIFY, "customers/data_request"): _noted,
    (SHOPIFY, "shop/redact"): _whole_shop,
    **{
        (WOO, f"product.{word}"): _of_format("woocommerce_product_json")
        for word in ("created", "updated", "restored")
    },
    (WOO, "product.deleted"): _product_gone,
    **{
        (WOO, f"order.{word}"): _of_format("woocommerce_order_json")
        for word in ("created", "updated", "restored")
    },
    (WOO, "order.deleted"): _order_gone,
    (WOO, "customer.deleted"): _customer,
}
"""What a delivery of a topic does."""
