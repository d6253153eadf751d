"""Operating: request ids, measures, logs, throttles, news at once, and serving while the
database or the queue is gone.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis
from django.db import OperationalError, connections, transaction

from recommender.api.http import throttling
from recommender.infrastructure import availability
from recommender.models import ApiKey, Change, RecommendationList, Shop
from recommender.recommendations import batch_scoring
from recommender.recommendations.precomputed import last_lists
from recommender.serving import change_feed, shop_state
from recommender.shoppers import keyed_cache

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def no_queue(monkeypatch):
    """As if Redis were gone."""

    def gone(*_, **__):
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(redis.Redis, "execute_command", gone)
    monkeypatch.setattr(redis.client.Pipeline, "execute", gone)


@pytest.fixture
def no_database(db):
    """no_database(): from now on as if Postgres were gone."""

    def gone(*_, **__):
        raise OperationalError("gone")

    with pytest.MonkeyPatch.context() as patch:

        def go():
            patch.setattr(availability.connection, "close", lambda: None)
            patch.setattr("django.db.backends.utils.CursorWrapper.execute", gone)
            patch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.cursor", gone)

        yield go


def ask(api, **fields):
    return api("post", "recommendations", {"placement": "home_top", "limit": 4, **fields})


def test_a_request_has_an_id_the_callers_where_it_is_well_formed(shop, client):
    assert (
        client.get("/api/v1/health/live", headers={"x-request-id": "abc-1"}).headers["X-Request-ID"]
        == "abc-1"
    )
    for wrong in ("", "a b", "x" * 65, "é"):
        own = client.get("/api/v1/health/live", headers={"x-request-id": wrong}).headers[
            "X-Request-ID"
        ]
        assert own != wrong and len(own) == 32


def test_the_access_log_names_no_person(live_shop, api, caplog):
    with caplog.at_level(logging.INFO, "vitrine.access"):
        api("get", "users/u-anna%40example.org")
    [line] = [r for r in caplog.records if r.name == "vitrine.access"]
    assert (line.route, line.status, line.method) == ("api/v1/users/<id:user_id>", 404, "GET")
    assert "anna" not in json.dumps({name: str(value) for name, value in vars(line).items()})


def test_what_nobody_expected_is_logged_without_the_values_of_rows(client, monkeypatch, caplog):
    from django.db import DataError

    monkeypatch.setattr(
        "recommender.infrastructure.availability.dependencies",
        lambda: (_ for _ in ()).throw(DataError("Key (user_id)=(anna) is wrong")),
    )
    client.raise_request_exception = False
    assert client.get("/api/v1/health/ready").status_code == 500
    [line] = [r for r in caplog.records if r.name == "vitrine.access" and r.levelname == "ERROR"]
    assert line.getMessage() == "DataError: " and "operations/views" in line.trace


def test_measures_tell_of_requests_lists_and_what_answers(live_shop, api, client, settings):
    ask(api)
    text = client.get(
        "/metrics", headers={"authorization": f"Bearer {settings.METRICS_TOKEN}"}
    ).content.decode()
    assert (
        'vitrine_requests_total{method="POST",route="api/v1/recommendations",status="200"}' in text
    )
    assert 'vitrine_lists_total{fallback="popular",kind="personal",stored="False"}' in text
    assert (
        'vitrine_dependency_up{name="database"} 1.0' in text
        and 'vitrine_queue_waiting{queue="score"}' in text
    )


def test_measures_are_for_who_has_the_token(client, settings, db):
    assert len((settings.VITRINE_HOME / "metrics_token").read_text()) > 40, (
        "made once where none is set"
    )
    settings.METRICS_TOKEN = "s3cret"
    for wrong in (
        {},
        {"authorization": "Bearer other"},
        {"authorization": "Bearer s3cr\xe9t"},
        {"authorization": "s3cret"},
    ):
        assert client.get("/metrics", headers=wrong).status_code == 404
    assert (
        client.get(
            "/metrics", headers={"authorization": "Bearer s3cret"}, REMOTE_ADDR="10.0.0.7"
        ).status_code
        == 200
    )


@pytest.mark.parametrize("queue", ["there", "gone"])
def test_a_key_may_ask_so_often_a_minute(shop, api, monkeypatch, queue, request):
    if queue == "gone":
        request.getfixturevalue("no_queue")
    monkeypatch.setattr(throttling.time, "time", lambda: 60_000 * (1 + id(queue) % 1000) + 15.0)
    throttling._counters.cache_clear()
    _, secret = ApiKey.objects.issue(shop, "slow", ["recs:read"])
    ApiKey.objects.filter(name="slow").update(per_minute=2)
    replies = [
        api("post", "recommendations", {"placement": "home_top"}, key=secret) for _ in range(3)
    ]
    assert [r.status_code for r in replies] == [200, 200, 429]
    assert [r.headers["RateLimit-Remaining"] for r in replies] == ["1", "0", "0"]
    assert replies[2].headers["Retry-After"] == "45" == replies[0].headers["RateLimit-Reset"]
    assert replies[2].json()["status"] == 429 and api("get", "models").status_code == 200
    throttling._counters.cache_clear()


def test_without_the_queue_lists_are_served_and_it_is_said(live_shop, api, no_queue, client):
    assert ask(api, user_id="shopper-003").json()["items"]
    ready = client.get("/api/v1/health/ready")
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "degraded",
        "checks": {"database": "ok", "queue": "does not answer", "search": "ok"},
    }
    assert batch_scoring.score_shard(live_shop.champion(), 0, 10**9) > 0
    assert RecommendationList.objects.count()


@pytest.fixture
def warm(live_shop, api):
    """A process that has served, and lists that are stored."""
    batch_scoring.score_shard(live_shop.champion(), 0, 10**9)
    shop_state.state_of(live_shop).load()
    assert ask(api, user_id="shopper-003").status_code == 200
    return live_shop


def test_without_the_database_known_shoppers_get_their_stored_lists(warm, api, no_database, client):
    before = ask(api, user_id="shopper-004", explain="off").json()
    no_database()
    after = ask(api, user_id="shopper-004").json()
    assert [i["item_id"] for i in after["items"]] == [i["item_id"] for i in before["items"]]
    assert after["stored"] and after["fallback"] == {"used": True, "kind": "no_database"}
    assert after["model_version"] == before["model_version"]
    ready = client.get("/api/v1/health/ready")
    assert ready.status_code == 200 and ready.json()["status"] == "degraded"


def test_without_the_database_others_get_what_sells_and_products_their_likes(
    warm, api, no_database
):
    known = ask(api).json()["items"]
    no_database()
    assert [i["item_id"] for i in ask(api, user_id="nobody").json()["items"]] == [
        i["item_id"] for i in known
    ]
    likes = api(
        "post",
        "recommendations",
        {"placement": "product_page", "context": {"item_ids": [known[0]["item_id"]]}},
    ).json()
    assert likes["items"] and likes["fallback"]["kind"] is None


def test_without_the_database_writes_are_refused_with_a_time_to_come_back(warm, api, no_database):
    no_database()
    for method, path, body in (
        (
            "post",
            "events",
            {
                "events": [
                    {
                        "event_id": "e",
                        "type": "view",
                        "user_id": "u",
                        "item_id": "p1",
                        "occurred_at": "2026-01-01T00:00:00Z",
                    }
                ]
            },
        ),
        ("put", "items/p1", {"title": "New"}),
        ("delete", "users/shopper-003", None),
    ):
        reply = api(method, path, body)
        assert (
            reply.status_code == 503
            and reply.headers["Retry-After"] == "5"
            and reply.headers["Content-Type"] == "application/problem+json"
        )


def test_without_the_database_a_page_is_told_to_come_back_as_well(warm, client, api, no_database):
    no_database()
    headers = {"authorization": f"Bearer {api.key}", "origin": "https://shop.example"}
    reply = client.post(
        "/api/v1/events",
        {"events": [{"event_id": "e"}]},
        content_type="application/json",
        headers=headers,
    )
    assert reply.status_code == 503 and reply.headers["Retry-After"] == "5"


def test_without_the_database_an_unknown_key_is_not_let_in(warm, api, no_database, client):
    no_database()
    assert ask(api).status_code == 200
    assert (
        api("post", "recommendations", {"placement": "home_top"}, key="vt_wrong").status_code == 503
    )


def test_a_process_that_knows_no_shop_is_not_ready_without_the_database(db, client, no_database):
    no_database()
    reply = client.get("/api/v1/health/ready")
    assert reply.status_code == 503 and reply.json()["status"] == "unavailable"


def test_a_key_that_is_taken_away_is_refused_within_two_seconds(live_shop, api, monkeypatch):
    from recommender.api.http import key_cache

    assert ask(api).status_code == 200
    ApiKey.objects.all().delete()
    assert ask(api).status_code == 200
    monkeypatch.setattr(key_cache, "FRESH_SECONDS", 0.0)
    assert ask(api).status_code == 401


def test_kept_lists_name_nobody(warm):
    names = [key.decode() for key in availability.queue_client().keys("vitrine:list:*")]
    assert names and not any(name.rsplit(":", 1)[1] == "shopper-004" for name in names)
    version_id, items = last_lists.last_list_of(warm.pk, "shopper-004")
    assert version_id == warm.champion().pk and items[0].item_id
    assert (
        keyed_cache.forget_lists(warm.pk, [keyed_cache.digest_of(warm.pk, "shopper-004")])
        and last_lists.last_list_of(warm.pk, "shopper-004") is None
    )


@pytest.mark.django_db(transaction=True)
def test_news_wakes_a_process_that_listens():
    shop = Shop.objects.create(key="news", name="News")
    heard = []
    follower = change_feed.ChangeFeed(lambda change: heard.append(change.key))
    thread = follower.listen()
    deadline = time.monotonic() + 20
    while not follower.pending.is_set() and time.monotonic() < deadline:
        time.sleep(0.01)
    follower.poll()
    follower.polled_at = time.monotonic() + 3600  # from here on only what is heard makes it look
    Change.objects.create(shop=shop, kind="product", key="")
    assert follower.pending.wait(5)
    follower.poll()
    assert heard == [""]
    follower.stopped.set()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_concurrent_transactions_lose_no_news(monkeypatch):
    """Many writers, whose transactions end out of the order of their ids, while one follows."""
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)
    shop, writers, each = Shop.objects.create(key="news", name="News"), 6, 15
    heard: list[str] = []
    follower = change_feed.ChangeFeed(lambda change: heard.append(change.key))
    follower.poll()

    def write(number: int) -> None:
        for i in range(each):
            with transaction.atomic():
                Change.objects.create(shop=shop, kind="product", key=f"{number}-{i}")
                time.sleep(0.001 * ((number * 7 + i * 3) % 11))
        connections.close_all()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        follower.poll()
    follower.poll()
    assert sorted(heard) == sorted(f"{n}-{i}" for n in range(writers) for i in range(each))


def test_spans_are_sent_where_it_is_configured_and_name_no_person():
    """A collector of our own takes what a process sends."""
    code = """
import http.server, os, sys, threading
got = []
class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200); self.end_headers()
    def log_message(self, *a): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ecomsite.settings")
from ecomsite import tracing
tracing.begin()
import django
django.setup()
from django.test import Client
Client().get("/api/v1/users/anna?secret=1", headers={"host": "localhost"})
from opentelemetry import trace
trace.get_tracer_provider().shutdown()
sent = b"".join(got)
assert b"users/<id:user_id>" in sent, sent
assert b"anna" not in sent and b"secret" not in sent, sent
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_line_of_log_is_an_object():
    code = (
        "import os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'ecomsite.settings'); import "
        "django; django.setup(); import logging; logging.getLogger('x').warning('hello')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )
    line = json.loads(done.stderr.splitlines()[-1])
    assert (line["message"], line["level"], line["request_id"]) == ("hello", "WARNING", "")
