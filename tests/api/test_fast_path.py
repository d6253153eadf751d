"""The fast path: plain requests for lists and of events go past Django's layers and DRF: the
reply is the same, and each is counted once.
"""

import json

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory

from recommender.api.http import fast_path
from recommender.infrastructure import telemetry
from recommender.models import ApiKey
from recommender.serving.exposure_log import exposure_buffer

ASKED = {"placement": "home_top", "user_id": "shopper-003", "limit": 5}


@pytest.fixture
def ask(client, live_shop, monkeypatch):
    """ask(body, scheme, scope, path) as ecomsite/wsgi.py does: `bearer`, in small letters, is
    not plain.
    """
    monkeypatch.setattr("time.time", lambda: 1_800_000_015.0)
    monkeypatch.setattr(fast_path, "close_old_connections", lambda: None)  # as the test client does
    keys = {
        scope: ApiKey.objects.issue(live_shop, scope, [scope])[1]
        for scope in ("recs:read", "events:write")
    }
    ApiKey.objects.update(per_minute=6)

    def call(body, scheme="Bearer", scope="recs:read", path="recommendations", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body)
        request = {
            "data": data,
            "content_type": "application/json",
            "headers": {
                "host": "testserver",
                "authorization": f"{scheme} {keys[scope]}",
                **headers,
            },
        }
        environ = RequestFactory().post(f"/api/v1/{path}", **request).environ
        if plain := fast_path.plain_reply(environ):
            status, headers, content = plain
            reply = HttpResponse(content, status=int(status[:3]), headers=dict(headers))
            reply.json = lambda: json.loads(content)
            return reply
        rate = {name: value for name, value in environ.items() if name == "vitrine.rate"}
        return client.post(f"/api/v1/{path}", **request, **rate)

    return call


def test_both_ways_give_the_same_reply(ask):
    plain, other = ask(ASKED), ask(ASKED, "bearer")
    assert plain.status_code == other.status_code == 200
    compared = (
        "Content-Type",
        "X-Frame-Options",
        "X-Content-Type-Options",
        "Referrer-Policy",
        "Cross-Origin-Opener-Policy",
        "Content-Security-Policy",
        "RateLimit-Limit",
    )
    assert [plain.headers[name] for name in compared] == [other.headers[name] for name in compared]

    def same(reply):
        return {
            k: v
            for k, v in reply.json().items()
            if k not in ("recommendation_id", "next", "took_ms")
        }

    assert same(plain) == same(other) and len(plain.json()["items"]) == 5
    assert not hasattr(plain, "renderer_context") and hasattr(other, "renderer_context")


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({**ASKED, "limit": 0}, 400, "limit"),
        ({**ASKED, "filter": "price <"}, 400, "filter"),
        (b"[1]", 400, "object"),
        (b"{", 400, "JSON"),
        ({**ASKED, "placement": "nowhere"}, 400, "placement"),
    ],
)
def test_what_is_wrong_is_said_as_ever(ask, body, status, word):
    plain, other = ask(body), ask(body, "bearer")
    assert (
        plain.status_code == other.status_code == status
        and plain.json() == other.json()
        and word in plain.json()["detail"]
    )
    assert plain.headers["Content-Type"] == "application/problem+json"


def test_a_key_without_the_scope_is_refused(ask):
    assert ask(ASKED, scope="events:write").status_code == 403


def test_every_request_is_counted_once_until_there_were_too_many(ask):
    refused = telemetry.throttled._value.get()
    left = [
        ask(body, scheme).headers["RateLimit-Remaining"]
        for body, scheme in (
            (ASKED, "Bearer"),
            (ASKED, "bearer"),
            ({**ASKED, "limit": 0}, "Bearer"),
        )
    ]
    assert left == ["5", "4", "3"]
    replies = [ask(ASKED) for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429] and replies[3].headers[
        "Retry-After"
    ] == "45"
    assert telemetry.throttled._value.get() == refused + 1


def test_what_was_kept_as_served_is_kept_once_where_its_products_cannot_be_read(ask, monkeypatch):
    def gone(*_):
        raise OperationalError

    monkeypatch.setattr("recommender.api.recommendations.views.hydrated", gone)
    exposure_buffer.waiting.clear()
    assert ask({**ASKED, "hydrate": True}).status_code == 503 and len(exposure_buffer.waiting) == 1
    exposure_buffer.waiting.clear()


def test_a_host_that_is_not_the_sites_is_refused(ask, client, settings):
    settings.ALLOWED_HOSTS = ["shop.example"]
    assert ask(ASKED).status_code == 400


def test_what_nobody_expected_is_logged_once(ask, client, monkeypatch, caplog):
    def broken(*_, **__):
        raise ValueError("no")

    monkeypatch.setattr("recommender.api.recommendations.views.served", broken)
    reply = ask(ASKED)
    assert reply.status_code == 500 and reply.headers["Content-Type"] == "application/problem+json"
    assert (
        reply.json()["request_id"] == reply.headers["X-Request-ID"]
        and reply.json()["title"] == "Internal Server Error"
    )
    [line] = [
        r
        for r in caplog.records
        if r.levelname == "ERROR" and r.name == "vitrine.access" and r.getMessage() != "request"
    ]
    assert line.getMessage() == "ValueError: no" and line.route == "api/v1/recommendations"


def viewed(*event_ids, **more):
    event = {
        "type": "view",
        "user_id": "shopper-003",
        "item_id": "LA/0",
        "occurred_at": "2026-08-20T10:00:00Z",
        **more,
    }
    return {"events": [{"event_id": event_id, **event} for event_id in event_ids]}


def test_events_are_told_of_alike_on_both_ways(ask):
    def send(body, scheme="Bearer", **headers):
        reply = ask(body, scheme, "events:write", "events", **headers)
        return reply.status_code, reply.json(), hasattr(reply, "renderer_context")

    def expected_reply(*outcomes):
        counts = {
            status: sum(outcome == status for _, outcome in outcomes)
            for status in ("accepted", "duplicate", "rejected")
        }
        return {
            **counts,
            "results": [{"event_id": event_id, "status": status} for event_id, status in outcomes],
        }

    new = expected_reply(("a", "accepted"), ("b", "accepted"))
    assert send(viewed("a", "b")) == (202, new, False)
    assert send(viewed("a", "b")) == (
        202,
        expected_reply(("a", "duplicate"), ("b", "duplicate")),
        False,
    )
    assert send(viewed("c", "c", "a"), "bearer") == (
        202,
        expected_reply(("c", "accepted"), ("c", "duplicate"), ("a", "duplicate")),
        True,
    )
    status, reply, _ = send(viewed("d", item_id="none"))
    assert (
        status == 202
        and reply["rejected"] == 1
        and reply["results"][0]["error"]["field"] == "items[0].item_id"
    )
    assert send({"events": []})[::2] == (400, True)
    assert send(viewed("e"), origin="https://shop.example")[::2] == (202, True), (
        "what pages send needs CORS"
    )
    assert ask(viewed("f"), path="events").status_code == 403


def test_a_database_that_does_not_answer_is_asked_once(ask, monkeypatch):
    calls = []

    def gone(*_):
        calls.append(1)
        raise OperationalError

    monkeypatch.setattr("recommender.api.events.views.post_events", gone)
    plain, other = (
        ask(viewed("a"), scheme, "events:write", "events") for scheme in ("Bearer", "bearer")
    )
    assert (
        plain.status_code == other.status_code == 503
        and plain.json() == other.json()
        and len(calls) == 2
    )
    assert [plain.headers[name] for name in ("Retry-After", "Content-Type")] == [
        other.headers[name] for name in ("Retry-After", "Content-Type")
    ]


def test_a_query_string_goes_the_long_way(ask, live_shop):
    from tests.api.request_bodies import purchase

    events = {"events": [purchase("dry")]}
    reply = ask(events, scope="events:write", path="events?dry_run=true")
    assert reply.status_code == 202 and reply.json()["accepted"] == 1
    assert not live_shop.events.filter(event_id="dry").exists()
    assert ask(ASKED, path="recommendations?limti=3").status_code == 400


def test_a_public_key_goes_the_long_way(live_shop, monkeypatch):
    monkeypatch.setattr(fast_path, "close_old_connections", lambda: None)
    _, secret = ApiKey.objects.issue(live_shop, "p", [], public=True, placements=["home_top"])
    request = {
        "data": json.dumps({"placement": "home_top", "session_id": "s"}),
        "content_type": "application/json",
        "headers": {"host": "testserver", "authorization": f"Bearer {secret}"},
    }
    environ = RequestFactory().post("/api/v1/recommendations", **request).environ
    assert fast_path.plain_reply(environ) is None
