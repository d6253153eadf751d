"""Request bodies and calls shared by the tests of the REST API."""

from datetime import timedelta
from urllib.parse import urlencode

from django.utils import timezone


def purchase(event_id="e1", **fields) -> dict:
    when = (timezone.now() - timedelta(minutes=1)).isoformat()
    return {
        "event_id": event_id,
        "type": "purchase",
        "user_id": "shopper-003",
        "items": [{"item_id": "GA/1", "quantity": 1}],
        "occurred_at": when,
        **fields,
    }


def ask(api, **fields):
    return api(
        "post",
        "recommendations",
        {"placement": "home_top", "user_id": "shopper-003", "limit": 5, **fields},
    )


def why(api, **fields):
    return api("get", f"recommendations/why-not?{urlencode(fields)}")


def field_of(reply) -> str:
    assert reply.status_code == 400, (reply.status_code, reply.content[:300])
    assert reply.headers["Content-Type"] == "application/problem+json"
    return reply.json().get("errors", [{"field": "body"}])[0]["field"]
