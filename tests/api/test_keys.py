"""API keys: scopes, shops, storage."""

from datetime import timedelta

import pytest
from django.utils import timezone

from recommender.infrastructure import process_caches
from recommender.models import ApiKey, Product, Shop
from tests.api.request_bodies import field_of


def test_keys_open_what_their_scopes_say(live_shop, api):
    _, reading = ApiKey.objects.issue(live_shop, "r", ["recs:read"])
    row, expired = ApiKey.objects.issue(live_shop, "e", ["admin"], days=1)
    ApiKey.objects.filter(pk=row.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert api("post", "recommendations", {"placement": "home_top"}, key=reading).status_code == 200
    refused = api("post", "events", {"events": []}, key=reading)
    assert refused.status_code == 403 and "events:write" in refused.json()["detail"]
    for key in (expired, "vt_wrong", "ü"):
        reply = api("post", "recommendations", {"placement": "home_top"}, key=key)
        assert (
            reply.status_code == 401
            and reply["WWW-Authenticate"] == "Bearer"
            and key not in reply.content.decode()
        )


def test_no_key_is_a_401(client, shop):
    assert client.post("/api/v1/recommendations").status_code == 401


def test_a_key_sees_only_its_shop(live_shop, api):
    other = Shop.objects.create(key="other", name="Other")
    Product.objects.create(shop=other, item_id="secret", title="Secret")
    _, key = ApiKey.objects.issue(other, "o", ["admin"])
    assert api("get", "items/secret").status_code == 404
    assert api("get", "items/GA/1", key=key).status_code == 404
    assert api("get", "models", key=key).json()["items"] == []


def test_a_key_is_kept_only_as_its_hash(shop, api):
    assert not ApiKey.objects.filter(hash__contains=api.key).exists() and not any(
        api.key in str(v) for row in ApiKey.objects.values() for v in row.values()
    )


def test_a_key_is_made_rotated_and_revoked_by_rest(live_shop, api):
    made = api("post", "keys", {"name": "feed", "scopes": ["catalog:read"], "days": 30})
    assert made.status_code == 201
    key, secret = made.json(), made.json()["secret"]
    assert key["scopes"] == ["catalog:read"] and key["expires_at"] and secret.startswith("vt_")
    assert api("get", "items", key=secret).status_code == 200
    assert api("get", "users", key=secret).status_code == 403
    turned = api("post", f"keys/{key['key_id']}/rotate", {"overlap_days": 7}).json()
    assert turned["expires_at"] == key["expires_at"]
    assert turned["replaces"] == key["key_id"] and turned["secret"] != secret
    process_caches.clear_all()
    for working in (secret, turned["secret"]):
        assert api("get", "items", key=working).status_code == 200
    ApiKey.objects.filter(prefix=key["prefix"]).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    process_caches.clear_all()
    ended = api("get", "items", key=secret)
    assert ended.status_code == 401 and "expired" in ended.json()["detail"]
    assert api("get", "items", key=turned["secret"]).status_code == 200
    assert api("post", f"keys/{key['key_id']}/rotate", {}).status_code == 409
    assert api("post", f"keys/{turned['key_id']}/rotate", {"days": 5}).status_code == 201
    assert api("post", f"keys/{turned['key_id']}/rotate", {}).status_code == 409  # already
    listed = {row["key_id"]: row["status"] for row in api("get", "keys").json()["items"]}
    assert (listed[key["key_id"]], listed[turned["key_id"]]) == ("expired", "active")
    assert [row["key_id"] for row in api("get", "keys?status=expired").json()["items"]] == [
        key["key_id"]
    ]
    assert api("delete", f"keys/{turned['key_id']}").status_code == 204
    process_caches.clear_all()
    assert api("get", "items", key=turned["secret"]).status_code == 401
    assert api("delete", f"keys/{turned['key_id']}").status_code == 404
    actions = live_shop.audit.filter(subject__startswith="API key").values_list("action", flat=True)
    assert sorted(actions) == ["added", "added", "added", "deleted"]


def test_a_key_gives_no_more_than_it_has(live_shop, api):
    manager = api("post", "keys", {"name": "m", "scopes": ["keys:read", "keys:write"]}).json()
    mine = manager["secret"]
    for body in (
        {"name": "x", "scopes": ["admin"]},
        {"name": "x", "scopes": ["keys:read", "catalog:write"]},
        {"name": "x", "public": True},
    ):
        refused = api("post", "keys", body, key=mine)
        assert refused.status_code == 403, refused.content
    assert api("post", "keys", {"name": "x", "scopes": ["keys:read"]}, key=mine).status_code == 201
    strong, _ = ApiKey.objects.issue(live_shop, "strong", ["admin"])
    assert api("post", f"keys/key-{strong.pk}/rotate", {}, key=mine).status_code == 403
    assert api("delete", f"keys/key-{strong.pk}", key=mine).status_code == 403
    other = Shop.objects.create(key="other", name="Other")
    foreign, _ = ApiKey.objects.issue(other, "o", ["keys:read"])
    assert api("delete", f"keys/key-{foreign.pk}").status_code == 404


def test_a_key_lives_no_longer_than_the_one_that_made_it(live_shop, api):
    row, mine = ApiKey.objects.issue(live_shop, "mine", ["admin"], days=1, per_minute=5)
    body = {"name": "x", "scopes": ["recs:read"], "days": 3650, "per_minute": 1000}
    made = api("post", "keys", body, key=mine).json()
    assert made["per_minute"] == 5
    assert ApiKey.objects.get(prefix=made["prefix"]).expires_at == row.expires_at
    turned = api("post", f"keys/key-{row.pk}/rotate", {"days": 3650}, key=mine).json()
    assert ApiKey.objects.get(prefix=turned["prefix"]).expires_at == row.expires_at


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": 5, "scopes": ["recs:read"]}, "name"),
        ({"name": "x"}, "scopes"),
        ({"name": "x", "scopes": ["all"]}, "scopes.0"),
        ({"name": "x", "scopes": ["recs:read"], "placements": ["home_top"]}, "placements"),
        ({"name": "x", "public": True, "scopes": ["recs:read"]}, "scopes"),
        ({"name": "x", "public": True, "placements": ["nosuch"]}, "placements"),
        ({"name": "x", "scopes": ["recs:read"], "days": 0}, "days"),
        ({"name": "x", "scopes": ["recs:read"], "secret": "mine"}, "secret"),
    ],
)
def test_a_wrong_key_names_its_field(live_shop, api, body, field):
    assert field_of(api("post", "keys", body)) == field
