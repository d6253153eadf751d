"""The OpenAPI schema is what the API does: the key, errors, words for parameters, and examples
that are sent for real.
"""

import copy
import re
from urllib.parse import urlencode

import pytest
from drf_spectacular.generators import SchemaGenerator

from recommender.api.http.examples import EVENTS, EXAMPLES
from recommender.models import (
    ApiKey,
    Conversation,
    Message,
    Purge,
    Shop,
    TrainingRun,
    Webhook,
    WebhookDelivery,
)
from recommender.models.events import EventType


@pytest.fixture(scope="module")
def schema():
    from recommender.api.http.openapi import whole

    return whole(SchemaGenerator().get_schema(request=None, public=True))


def operations(schema):
    return {
        f"{method.upper()} {path}": operation
        for path, of in schema["paths"].items()
        for method, operation in of.items()
    }


def test_keys_are_a_security_scheme_of_every_call_but_the_probes(schema):
    assert schema["components"]["securitySchemes"] == {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": schema["components"]["securitySchemes"]["key"]["description"],
        }
    }
    open_to_all = {
        name for name, operation in operations(schema).items() if not operation.get("security")
    }
    assert open_to_all == {
        "GET /api/v1/health/live",
        "GET /api/v1/health/ready",
        "POST /api/v1/collect",
    }


def test_every_parameter_has_a_word_and_every_body_an_example(schema):
    for name, operation in operations(schema).items():
        assert operation.get("summary"), name
        for parameter in operation.get("parameters", []):
            assert parameter["description"], f"{name} {parameter['name']}"
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content["examples"], name
    assert set(EXAMPLES) <= set(operations(schema))


def test_every_error_that_comes_is_described(schema, live_shop, api, client):
    """(call, status) of one error of each kind for each address, as far as it can be provoked
    by one request.
    """
    _, weak = ApiKey.objects.issue(live_shop, "weak", [])
    provoked = 0
    for name, operation in operations(schema).items():
        method, path = name.split()
        path = path.removeprefix("/api/v1/")
        if "health" in path:
            continue
        path = re.sub(r"{[a-z_]+}", "nosuch-9", path)
        body = {"wrong": 1} if "requestBody" in operation else None
        query = (
            "?wrong=1" if any(p["in"] == "query" for p in operation.get("parameters", [])) else ""
        )
        for key in ("unknown", weak, api.key):
            reply = api(method.lower(), path + query, body, key=key)
            if reply.status_code >= 400:
                provoked += 1
                described = operation["responses"].get(str(reply.status_code))
                assert described and "application/problem+json" in described["content"], (
                    f"{name}: {reply.status_code}"
                )
                assert reply.headers["Content-Type"] == "application/problem+json"
    assert provoked > 60


def test_success_is_described_as_it_is(schema, live_shop, api, monkeypatch):
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    described = operations(schema)
    api("put", "users/leaving", {})
    assert (
        api("delete", "users/leaving").status_code == 200
        and "200" in described["DELETE /api/v1/users/{user_id}"]["responses"]
    )
    api("put", "items/leaving", {"title": "x"})
    assert (
        api("delete", "items/leaving").status_code == 204
        and "204" in described["DELETE /api/v1/items/{item_id}"]["responses"]
    )
    assert "204" not in described["DELETE /api/v1/users/{user_id}"]["responses"]


def test_every_type_of_event_has_an_example():
    assert {event["type"] for event in EVENTS.values()} == set(EventType.values)


@pytest.fixture
def example_rows(live_shop, api, monkeypatch):
    """Rows that the examples name; returns the parts of addresses whose ids the server gives."""
    monkeypatch.setattr(
        "recommender.webhooks.addresses.socket.getaddrinfo",
        lambda *_, **__: [(2, 1, 6, "", ("93.184.216.34", 443))],
    )
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    Shop.objects.update(currency="GBP")
    live_shop.refresh_from_db()
    for item_id in ("22423", "84879"):
        api("put", f"items/{item_id}", {"title": item_id})
    api("put", "attributes/height_cm", {"type": "number"})
    api("put", "users/gone", {})
    view = {**EVENTS["view"], "event_id": "order-1001-view", "occurred_at": "2026-01-01T00:00:00Z"}
    api("post", "events", {"events": [view]})
    api("post", "reviews", {"reviews": [{"review_id": "rev-1", "text": "fine"}]})
    api("post", "articles", EXAMPLES["POST /api/v1/articles"]["a help page"])
    talk = Conversation.objects.create(
        shop=live_shop, conversation_id="conv_1", session_id="s-of-another-visit"
    )
    Message.objects.create(pk=2, conversation=talk, author=Message.ENGINE, text="x")
    webhook = Webhook.objects.create(shop=live_shop, url="https://a.example", event_types=[])
    delivery = WebhookDelivery.objects.create(webhook=webhook, event_type="x", payload={})
    key = ApiKey.objects.issue(live_shop, "x", ["recs:read"])[0]
    purge = Purge.objects.create(shop=live_shop, target="events", total=0)
    job = TrainingRun.objects.create(shop=live_shop)
    return {
        "{receipt_id}": api("delete", "users/gone").json()["receipt_id"],
        "{webhook_id}": f"webhook-{webhook.pk}",
        "{delivery_id}": f"delivery-{delivery.pk}",
        "{key_id}": f"key-{key.pk}",
        "{purge_id}": f"purge-{purge.pk}",
        "{job_id}": f"job-{job.pk}",
        "{number}": live_shop.champion().label,
        "{item_id}": "22423",
        "{user_id}": "4711",
    }


def example_address(path, operation, rows):
    """The address of a call with the examples of its parts and required parameters."""
    path = path.removeprefix("/api/v1/")
    for part, value in rows.items():
        path = path.replace(part, value)
    query = {}
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            assert parameter["example"], parameter
            path = path.replace("{" + parameter["name"] + "}", parameter["example"])
        elif parameter.get("required"):
            query[parameter["name"]] = parameter["example"]
    return path, query


def test_every_body_of_an_example_is_accepted(schema, live_shop, api, example_rows):
    described = operations(schema)
    for name, examples in EXAMPLES.items():
        method, path = name.split()
        path, _ = example_address(path, described[name], example_rows)
        for what, body in examples.items():
            body, key = copy.deepcopy(body), api.key
            if "key" in body:
                body["key"] = key = ApiKey.objects.issue(live_shop, "page", [], public=True)[1]
            reply = api(method.lower(), path, body, key=key)
            expected = (
                (409,) if name.endswith(("rollback", "predictions", "analyze")) else (200, 201, 202)
            )
            assert reply.status_code in expected, f"{name} {what}: {reply.content[:300]}"
            assert reply.json().get("rejected", 0) == 0, f"{name} {what}: {reply.content[:300]}"


def test_every_other_call_is_accepted_with_its_examples(schema, live_shop, api, example_rows):
    """Each parameter of a query once, with its example, default or first value."""
    called = set()
    deletes_last = sorted(operations(schema).items(), key=lambda pair: pair[0][:6] == "DELETE")
    for name, operation in deletes_last:
        if "requestBody" in operation:
            continue
        method, path = name.split()
        address, required = example_address(path, operation, example_rows)
        optional = [p for p in operation.get("parameters", []) if p["in"] == "query"]
        queries = [required]
        for parameter in optional:
            if parameter["name"] != "cursor" and method == "GET":
                queries.append({**required, parameter["name"]: example_value(schema, parameter)})
        for query in queries:
            reply = api(method.lower(), f"{address}?{urlencode(query)}" if query else address)
            allowed = (409,) if name.endswith("/resume") else ()  # it was never started
            assert reply.status_code in (200, 202, 204, *allowed), (
                name,
                query,
                reply.content[:300],
            )
        called.add(name)
    with_body = {n for n, o in operations(schema).items() if "requestBody" in o}
    assert called | with_body == set(operations(schema)) and with_body == set(EXAMPLES)


def example_value(schema, parameter):
    if "example" in parameter:
        return parameter["example"]
    kind = parameter["schema"]
    for part in (kind, *kind.get("oneOf", ()), *kind.get("allOf", ())):
        name = part.get("$ref", "").rpartition("/")[2]
        part = schema["components"]["schemas"].get(name, part)
        if "default" in kind:
            return str(kind["default"]).lower()
        if part.get("enum"):
            return part["enum"][0]
    return {"boolean": "true", "integer": 1}[kind["type"]]
