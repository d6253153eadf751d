"""Hooks of platforms: signed, taken once, and what each topic does."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from recommender import tasks
from recommender.ingest.shop_files import shopper_of_mail
from recommender.models import AuditEntry, Erasure, Event, HookDelivery, PlatformHook, Product

PRODUCT = {
    "id": 842,
    "title": "Cup",
    "body_html": "<p>Clay</p>",
    "vendor": "Acme",
    "product_type": "Cups",
    "handle": "cup",
    "status": "active",
    "published_at": "2025-01-01T00:00:00Z",
    "tags": "",
    "options": [{"name": "Title"}],
    "images": [],
    "variants": [
        {
            "id": 31,
            "sku": "CU",
            "price": "6.00",
            "option1": "Default Title",
            "inventory_quantity": 4,
            "inventory_management": "shopify",
            "inventory_policy": "deny",
            "inventory_item_id": 77,
        }
    ],
}
ORDER = {
    "id": 9,
    "created_at": "2025-12-31T19:00:00-05:00",
    "financial_status": "paid",
    "cancelled_at": None,
    "test": False,
    "customer": {"id": 115},
    "line_items": [
        {"id": 1, "price": "6.00", "quantity": 2, "sku": "CU", "product_id": 842, "variant_id": 31}
    ],
}


@pytest.fixture
def shopify(shop):
    return PlatformHook.objects.create(shop=shop, platform="shopify", secret="s3cret")


@pytest.fixture
def deliver(client):
    def run(hook, topic, document, secret=None, **headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        key = (secret or hook.secret).encode()
        if hook.platform == "segment":
            signed = {"HTTP_X_SIGNATURE": hmac.new(key, body, hashlib.sha1).hexdigest()}
        else:
            made = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()
            signed = {
                "shopify": {"HTTP_X_SHOPIFY_HMAC_SHA256": made, "HTTP_X_SHOPIFY_TOPIC": topic},
                "woocommerce": {
                    "HTTP_X_WC_WEBHOOK_SIGNATURE": made,
                    "HTTP_X_WC_WEBHOOK_TOPIC": topic,
                },
            }[hook.platform]
        kind = "application/json"
        return client.post(hook.path, body, content_type=kind, **{**signed, **headers})

    return run


def test_a_product_and_its_orders_arrive(shopify, deliver):
    assert deliver(shopify, "products/create", PRODUCT).json() == {
        "status": "taken",
        "counts": {"products": 1, "variants": 1},
        "detail": "",
    }
    cup = Product.objects.get()
    assert (cup.item_id, cup.title, cup.price, cup.stock_quantity) == ("842", "Cup", 6, 4)
    reply = deliver(shopify, "orders/create", ORDER)
    assert reply.json()["counts"] == {"events": {"purchase": 1}}
    event = Event.objects.get()
    assert (event.shopper.user_id, event.variant_id, event.value) == ("115", "31", 12)
    deliver(shopify, "orders/updated", {**ORDER, "cancelled_at": "2026-01-01T00:00:00Z"})
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("secret", "headers", "status"),
    [
        ("other", {}, 401),
        (None, {"HTTP_X_SHOPIFY_HMAC_SHA256": ""}, 401),
        (None, {"HTTP_X_SHOPIFY_HMAC_SHA256": "é"}, 401),
    ],
)
def test_a_wrong_signature_is_refused(shopify, deliver, secret, headers, status):
    reply = deliver(shopify, "products/create", PRODUCT, secret, **headers)
    assert reply.status_code == status
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert not Product.objects.exists() and not HookDelivery.objects.exists()


def test_a_delivery_that_comes_again_does_nothing(shopify, deliver):
    deliver(shopify, "products/create", PRODUCT)
    deliver(shopify, "products/update", {**PRODUCT, "title": "Mug"})
    again = deliver(shopify, "products/create", PRODUCT, HTTP_X_SHOPIFY_WEBHOOK_ID="another")
    assert again.json()["status"] == "duplicate"
    assert Product.objects.get().title == "Mug"
    assert HookDelivery.objects.count() == 2


def test_a_hook_takes_deliveries_of_one_shop(shopify, deliver):
    deliver(shopify, "products/create", PRODUCT, HTTP_X_SHOPIFY_SHOP_DOMAIN="a.myshopify.com")
    other = {**PRODUCT, "id": 1}
    reply = deliver(shopify, "products/create", other, HTTP_X_SHOPIFY_SHOP_DOMAIN="b.myshopify.com")
    assert reply.status_code == 403
    assert "takes deliveries of a.myshopify.com" in reply.json()["detail"]
    assert Product.objects.count() == 1


def test_orders_of_unknown_products_are_rejected_with_the_reason(shopify, deliver):
    reply = deliver(shopify, "orders/create", ORDER).json()
    assert reply["counts"] == {"rejected": 1}
    assert "is not a known product" in reply["detail"]
    assert HookDelivery.objects.get().detail == reply["detail"]


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"[1]", 400), (b"x" * (5 * 1024 * 1024), 413)]
)
def test_a_body_that_cannot_be_read(shopify, deliver, body, status):
    assert deliver(shopify, "products/create", body).status_code == status


def test_an_unknown_or_inactive_hook(shopify, deliver, client):
    PlatformHook.objects.update(active=False)
    assert deliver(shopify, "products/create", PRODUCT).status_code == 404
    assert client.post("/api/v1/hooks/shopify/none").status_code == 404
    assert client.get(shopify.path).status_code == 405


def test_products_that_are_deleted_are_not_published_any_more(shopify, deliver):
    deliver(shopify, "products/create", PRODUCT)
    assert deliver(shopify, "products/delete", {"id": 842}).json()["counts"] == {"products": 1}
    assert not Product.objects.get().published
    ignored = deliver(shopify, "products/delete", {"id": 1}).json()
    assert (ignored["status"], ignored["detail"]) == ("ignored", "the product is not known")


def test_refunds_and_stock(shopify, deliver):
    deliver(shopify, "products/create", PRODUCT)
    deliver(shopify, "orders/create", ORDER)
    refund = {
        "id": 5,
        "order_id": 9,
        "created_at": "2026-01-02T00:00:00Z",
        "refund_line_items": [
            {"quantity": 1, "subtotal": 6.0, "line_item": {"variant_id": 31, "sku": "CU"}}
        ],
    }
    deliver(shopify, "refunds/create", refund)
    back = Event.objects.get(type="return")
    assert (back.quantity, back.value, back.shopper.user_id) == (1, 6, "115")
    deliver(shopify, "inventory_levels/update", {"inventory_item_id": 77, "available": 0})
    cup = Product.objects.get()
    assert (cup.stock_state, cup.price) == ("out_of_stock", 6)


def test_a_customer_is_erased_by_id_and_mail_with_a_receipt(shopify, deliver, shop):
    shop.shoppers.create(user_id="115")
    shop.shoppers.create(user_id=shopper_of_mail(shop)("Ann@example.com"))
    shop.shoppers.create(user_id="116")
    document = {"customer": {"id": 115, "email": "ann@example.com"}}
    reply = deliver(shopify, "customers/redact", document).json()
    assert reply["counts"] == {"erased": 2}
    assert str(Erasure.objects.first().receipt_id) in reply["detail"]
    assert list(shop.shoppers.values_list("user_id", flat=True)) == ["116"]


def test_the_shoppers_of_a_shop_that_left_are_erased(shopify, deliver, shop, monkeypatch):
    monkeypatch.setattr("recommender.ingest.hooks.MOST_ERASED", 2)
    for n in range(5):
        shop.shoppers.create(user_id=f"u{n}")
    deliver(shopify, "shop/redact", {"shop_id": 1})
    assert shop.shoppers.count() == 3
    tasks.erase_shoppers(shop.pk)
    assert not shop.shoppers.exists() and Erasure.objects.count() == 5


def test_woocommerce(shop, deliver, client):
    hook = PlatformHook.objects.create(shop=shop, platform="woocommerce")
    ping = client.post(hook.path, "webhook_id=3", content_type="application/x-www-form-urlencoded")
    assert ping.json() == {"status": "ready"}
    product = {
        "id": 5,
        "name": "Hat",
        "sku": "HAT",
        "regular_price": "9",
        "sale_price": "",
        "stock_status": "instock",
        "catalog_visibility": "visible",
        "status": "publish",
    }
    assert deliver(hook, "product.created", product).json()["counts"] == {"products": 1}
    order = {
        "id": 3,
        "status": "completed",
        "currency": shop.currency,
        "date_created_gmt": "2025-06-01T10:00:00",
        "customer_id": 7,
        "line_items": [{"product_id": 5, "variation_id": 0, "quantity": 1, "total": "9.00"}],
        "refunds": [],
        "total": "9.00",
    }
    deliver(hook, "order.created", order)
    event = Event.objects.get()
    assert (event.product.item_id, event.shopper.user_id, event.value) == ("HAT", "7", 9)
    deliver(hook, "order.deleted", {"id": 3})
    assert not Event.objects.exists()
    deliver(hook, "product.deleted", {"id": 5})
    assert not Product.objects.get().published


def test_segment(shop, deliver):
    Product.objects.create(shop=shop, item_id="A", title="A")
    hook = PlatformHook.objects.create(shop=shop, platform="segment")
    call = {
        "type": "track",
        "event": "Product Viewed",
        "messageId": "m",
        "userId": "u",
        "timestamp": "2025-10-16T08:10:12Z",
        "properties": {"product_id": "A"},
    }
    assert deliver(hook, "", call).json()["counts"] == {"events": {"view": 1}}
    page = deliver(hook, "", {"type": "page", "messageId": "n"}).json()
    assert "of a kind that is not used" in page["detail"]


def test_deliveries_are_kept_for_a_time(shopify, deliver):
    deliver(shopify, "products/create", PRODUCT)
    HookDelivery.objects.update(created_at=timezone.now() - timedelta(days=91))
    assert HookDelivery.objects.forget_old() == 1


def test_the_console_shows_hooks_and_deliveries(shopify, deliver, staff):
    deliver(shopify, "products/create", PRODUCT)
    page = staff.get("/console/recommender/platformhook/").content.decode()
    assert shopify.path in page and "products/create, taken" in page
    assert "products/create" in staff.get("/console/recommender/hookdelivery/").content.decode()


def test_a_secret_is_shown_once_and_stands_in_no_audit_trail(shop, staff):
    add = "/console/recommender/platformhook/add/"
    body = {"shop": shop.pk, "platform": "woocommerce", "secret": "", "domain": "", "active": "on"}
    page = staff.post(add, body, follow=True).content.decode()
    hook = PlatformHook.objects.get()
    assert f"http://testserver{hook.path}" in page and hook.secret in page
    change = f"/console/recommender/platformhook/{hook.pk}/change/"
    assert hook.secret not in staff.get(change).content.decode()
    staff.post(change, {"secret": "", "domain": "a.example", "active": "on"})
    changed = PlatformHook.objects.get()
    assert (changed.secret, changed.domain) == (hook.secret, "a.example")
    staff.post(change, {"secret": "of-shopify", "domain": "a.example", "active": "on"})
    assert PlatformHook.objects.get().secret == "of-shopify"
    trail = " ".join(AuditEntry.objects.values_list("detail", flat=True))
    assert "a.example" in trail and "(secret)" in trail
    assert "of-shopify" not in trail and hook.secret not in trail


def test_no_form_of_a_hook_holds_a_secret(shopify, staff):
    for place in ("add", f"{shopify.pk}/change"):
        page = staff.get(f"/console/recommender/platformhook/{place}/").content.decode()
        field = page[page.index('name="secret"') - 200 : page.index('name="secret"') + 400]
        assert 'type="password"' in field and "value=" not in field.partition(">")[0]
        assert shopify.secret not in page
