"""API keys: scopes, shops, storage."""

from datetime import timedelta

from django.utils import timezone

from recommender.models import ApiKey, Product, Shop


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
