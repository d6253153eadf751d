"""Tables of webhooks and placements' rules in the console."""

from django.urls import reverse

from recommender.models import AuditEntry, Placement, Webhook

ADD = "admin:recommender_webhook_add"


def test_a_webhook_is_added_and_its_secret_shown_once(shop, staff, monkeypatch):
    monkeypatch.setattr(
        "recommender.webhooks.addresses.socket.getaddrinfo",
        lambda *_, **__: [(2, 1, 6, "", ("93.184.216.34", 443))],
    )
    form = {
        "shop": shop.pk,
        "url": "https://hooks.example/x",
        "event_types": ["alert.raised", "model.promoted"],
        "active": "on",
    }
    page = staff.post(reverse(ADD), form, follow=True).content.decode()
    webhook = Webhook.objects.get()
    assert webhook.secret.replace("+", "&#x2B;") in page or webhook.secret in page
    assert webhook.event_types == ["alert.raised", "model.promoted"]
    assert AuditEntry.objects.filter(subject__contains="hooks.example").exists()
    change = reverse("admin:recommender_webhook_change", args=[webhook.pk])
    assert webhook.secret not in staff.get(change).content.decode()


def test_a_private_address_is_refused_in_words(shop, staff):
    form = {"shop": shop.pk, "url": "https://10.0.0.1/x", "event_types": ["alert.raised"]}
    page = staff.post(reverse(ADD), form).content.decode()
    assert "lies in a private or reserved network" in page and not Webhook.objects.exists()


def test_rules_of_a_placement_are_checked(shop, staff):
    placement = Placement.objects.get(shop=shop, key="home_top")
    path = reverse("admin:recommender_placement_change", args=[placement.pk])
    form = {
        "shop": shop.pk,
        "key": "home_top",
        "name": "Home",
        "kind": "personal",
        "size": 6,
        "tail_percent": 0,
        "diversity": 0,
        "explore_percent": 0,
        "fallbacks": "popular",
        "filter_values": "{}",
        "rules": '[{"effect": "lift", "item_ids": ["a"]}]',
    }
    page = staff.post(path, form).content.decode()
    assert "rules[0].effect must be one of pin, boost, bury, hide" in page
    good = [{"effect": "hide", "item_ids": ["a"]}]
    staff.post(path, {**form, "rules": str(good).replace("'", '"')})
    placement.refresh_from_db()
    assert placement.rules == good
