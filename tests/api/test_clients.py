"""The Python and the TypeScript client: built, packed, installed, and driven against a server."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recommender.api.clients.build import TOOLS, build
from recommender.api.http.problem_details import Busy
from recommender.api.monitoring.views import AlertsView
from recommender.models import ApiKey, Product

HERE = Path(__file__).resolve().parent / "clients"
CALLS = json.loads((HERE / "calls.json").read_text())
LANGUAGES = ("python", "typescript")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """By language, the command of its driver, with the packed client installed."""
    python, node = tmp_path_factory.mktemp("python"), tmp_path_factory.mktemp("node")
    install = ["pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target"]
    subprocess.run([TOOLS / "uv", *install, python, built["wheel"]], check=True)
    (node / "package.json").write_text('{"type": "module"}')
    environment = {**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"}
    npm = [TOOLS / "npm", "install", "--no-audit", "--no-fund", "--silent", built["npm"]]
    subprocess.run(npm, check=True, cwd=node, env=environment)
    (node / "drive.mjs").write_text((HERE / "drive.mjs").read_text())
    return {
        "python": ([sys.executable, HERE / "drive.py"], {**environment, "PYTHONPATH": str(python)}),
        "typescript": ([TOOLS / "node", node / "drive.mjs"], environment),
    }


@pytest.fixture(params=LANGUAGES)
def drive(request, installed):
    command, environment = installed[request.param]

    def run(*arguments):
        done = subprocess.run(
            [*command, *map(str, arguments)],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def server(transactional_db, live_shop, live_server, monkeypatch):
    """A running server whose tasks are not queued and whose names resolve to a public address."""
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    found = [(2, 1, 6, "", ("93.184.216.34", 443))]
    from recommender.webhooks import addresses

    real = addresses.socket.getaddrinfo

    def resolve(host, *arguments, **more):
        return found if str(host).endswith(".example") else real(host, *arguments, **more)

    monkeypatch.setattr("recommender.webhooks.addresses.socket.getaddrinfo", resolve)
    return live_server


def test_every_operation_is_called(server, live_shop, api, drive, built):
    schema = json.loads(built["schema"].read_text())
    operations = {
        o["operationId"] for methods in schema["paths"].values() for o in methods.values()
    }
    assert operations == {call["call"] for call in CALLS}
    public = ApiKey.objects.issue(live_shop, "page", [], public=True)[1]
    task = {"calls": CALLS, "saved": {"public": public}}
    for call, outcome in zip(CALLS, drive(server.url, api.key, json.dumps(task)), strict=True):
        if "fails" in call:
            assert outcome.get("error") == call["fails"], (call, outcome)
            assert outcome["field"] == call.get("field") and outcome["detail"], (call, outcome)
            assert outcome["count"] == call.get("count"), (call, outcome)
        else:
            assert outcome.get("ok") == call.get("check", {}), (call, outcome)


def test_the_collection_has_every_call_with_its_examples(built):
    schema = json.loads(built["schema"].read_text())
    collection = json.loads(built["collection"].read_text())
    requests = [entry["request"] for folder in collection["item"] for entry in folder["item"]]
    called = {(request["method"], _template(request, schema)) for request in requests}
    assert called == {(m.upper(), path) for path, of in schema["paths"].items() for m in of}
    sent = [json.loads(request["body"]["raw"]) for request in requests if "body" in request]
    assert sent == [
        example["value"]
        for folder in collection["item"]
        for path, of in schema["paths"].items()
        for operation in of.values()
        if operation["tags"][0] == folder["name"]
        for example in operation.get("requestBody", {})
        .get("content", {})
        .get("application/json", {})
        .get("examples", {})
        .values()
    ]
    assert collection["auth"]["bearer"][0]["value"] == "{{key}}"


def _template(request, schema):
    """The path of the schema that an address of the collection is of."""
    address = "/" + "/".join(request["url"]["path"])
    exact = [path for path in schema["paths"] if path == address]
    patterns = [
        path
        for path in schema["paths"]
        if re.fullmatch(re.sub(r"{[a-z_]+}", "[^/]+", path), address)
    ]
    return (exact or patterns)[0]


def test_errors_are_typed(server, live_shop, api, drive, monkeypatch):
    calls = [{"call": "list_alerts"}]
    task = json.dumps({"calls": calls, "saved": {}})
    (outcome,) = drive(server.url, "vt_wrong", task)
    assert (outcome["error"], outcome["status"]) == ("Unauthorized", 401)
    _, weak = ApiKey.objects.issue(live_shop, "weak", ["recs:read"])
    (outcome,) = drive(server.url, weak, task)
    assert (outcome["error"], outcome["status"]) == ("Forbidden", 403)
    _, slow = ApiKey.objects.issue(live_shop, "slow", ["admin"], per_minute=1)
    twice = json.dumps({"calls": calls * 2, "saved": {}})
    outcomes = drive(server.url, slow, twice, "", 10, 0)
    assert (outcomes[-1]["error"], outcomes[-1]["status"]) == ("RateLimited", 429)
    assert 0 < outcomes[-1]["retry_after"] <= 60

    def busy(*_):
        raise Busy

    monkeypatch.setattr(AlertsView, "get", busy)
    (outcome,) = drive(server.url, api.key, task, "", 10, 0)
    assert (outcome["error"], outcome["status"]) == ("Unavailable", 503)
    assert outcome["retry_after"] == 5
    (outcome,) = drive("http://127.0.0.1:9", api.key, task, "", 10, 0)
    assert outcome["error"] == "Unreachable"


def test_pages_are_walked(server, live_shop, api, drive):
    ids = [*Product.objects.order_by("item_id").values_list("item_id", flat=True)]
    assert drive(server.url, api.key, "pages") == ids and len(ids) > 14


class Scripted:
    """A server with prepared answers: (status, headers, seconds to wait)."""

    def __init__(self, *answers):
        self.requests, left = [], list(answers)
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                scripted.requests.append((dict(self.headers), json.loads(body or "{}")))
                status, headers, seconds = left.pop(0) if left else (202, {}, 0)
                time.sleep(seconds)
                self.send_response(status)
                events = scripted.requests[-1][1].get("events", [])
                results = [{"event_id": e["event_id"], "status": "accepted"} for e in events]
                reply = {"accepted": len(events), "duplicate": 0, "rejected": 0, "results": results}
                if status >= 400:
                    reply = {"type": "about:blank", "title": "x", "status": status, "detail": "x"}
                text = b"<html>" if status == 502 else json.dumps(reply).encode()
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


def test_events_are_batched_and_repeated_with_the_same_ids(drive):
    server = Scripted((503, {"Retry-After": "0"}, 0), (429, {"Retry-After": "0"}, 0))
    assert drive(server.url, "k", "events", 7) == {"accepted": 7, "duplicate": 0, "rejected": 0}
    batches = [[e["event_id"] for e in body["events"]] for _, body in server.requests]
    assert batches[0] == batches[1] == batches[2] and len(batches) == 5
    assert [len(batch) for batch in batches] == [3, 3, 3, 3, 1]
    assert len({event_id for batch in batches for event_id in batch}) == 7
    assert all(e["occurred_at"] for _, body in server.requests for e in body["events"])


def test_a_refused_event_does_not_hold_up_the_others(drive):
    server = Scripted((413, {}, 0), (400, {}, 0))
    assert drive(server.url, "k", "events", 3) == {"accepted": 2, "duplicate": 0, "rejected": 1}
    sizes = [len(body["events"]) for _, body in server.requests]
    assert sizes == [3, 1, 2]


def test_a_deletion_whose_reply_was_lost_is_one(drive):
    server = Scripted((502, {}, 0), (404, {}, 0))
    task = json.dumps({"calls": [{"call": "delete_item", "args": ["a"]}], "saved": {}})
    assert drive(server.url, "k", task) == [{"ok": {}}]


def test_python_bodies_hold_what_json_can(installed):
    """Dates and decimals are written; what is no JSON is rejected, and the rest is sent."""
    server = Scripted()
    (command, environment) = installed["python"]
    code = f"""
import datetime, decimal
from vitrine_client import Vitrine
with Vitrine({server.url!r}, "k", retries=0) as shop:
    with shop.events(size=100, seconds=0) as events:
        events.add({{"type": "view", "user_id": "u", "item_id": "i",
            "occurred_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)}})
        events.add({{"type": "purchase", "user_id": "u", "price": decimal.Decimal("1.50")}})
        events.add({{"type": "view", "user_id": float("nan")}})
        events.add({{"type": "view", "user_id": object()}})
        events.add({{"type": "no such", "items": None}})
    print(events.accepted, [row["error"]["field"] for row in events.rejected])
"""
    done = subprocess.run(
        [command[0], "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "3 ['event', 'event']", done.stderr
    sent = [event for _, body in server.requests for event in body["events"]]
    assert [event["type"] for event in sent] == ["view", "purchase", "no such"]
    assert sent[0]["occurred_at"] == "2026-01-01T00:00:00+00:00" and sent[1]["price"] == "1.50"


def test_a_slow_reply_is_given_up_and_repeated(drive):
    server = Scripted((202, {}, 3), (202, {}, 0))
    assert drive(server.url, "k", "events", 1, 0.5)["accepted"] == 1
    assert len(server.requests) == 2


def test_a_creating_call_keeps_its_idempotency_key(drive):
    server = Scripted((503, {"Retry-After": "0"}, 0), (502, {}, 0), (409, {}, 0))
    body = {"name": "x", "scopes": ["recs:read"]}
    task = json.dumps({"calls": [{"call": "create_key", "body": body}], "saved": {}})
    (outcome,) = drive(server.url, "k", task)
    assert outcome["error"] == "Conflict"
    keys = {headers["Idempotency-Key"] for headers, _ in map(_lowered, server.requests)}
    assert len(server.requests) == 3 and len(keys) == 1


def test_what_may_not_be_repeated_is_not(drive):
    server = Scripted((503, {"Retry-After": "0"}, 0))
    task = json.dumps({"calls": [{"call": "roll_back_model", "body": {}}], "saved": {}})
    (outcome,) = drive(server.url, "k", task)
    assert outcome["error"] == "Unavailable" and len(server.requests) == 1


def test_an_error_without_a_problem_is_typed_too(drive):
    server = Scripted((502, {}, 0))
    task = json.dumps({"calls": [{"call": "list_alerts"}], "saved": {}})
    (outcome,) = drive(server.url, "k", task, "", 10, 0)
    assert (outcome["error"], outcome["status"], outcome["detail"]) == ("ApiError", 502, None)


def test_dots_never_change_the_address(drive):
    server = Scripted()
    calls = [{"call": "get_item", "args": [".."]}, {"call": "delete_user", "args": ["."]}][:1]
    (outcome,) = drive(server.url, "k", json.dumps({"calls": calls, "saved": {}}))
    assert outcome["error"] == "VitrineError" and server.requests == []


def _lowered(request):
    headers, body = request
    return {"-".join(p.capitalize() for p in k.split("-")): v for k, v in headers.items()}, body
