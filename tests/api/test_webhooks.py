"""Webhooks: registration, signatures, retries, networks, and what they tell."""

import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone
from standardwebhooks import Webhook as Receiver
from standardwebhooks.webhooks import WebhookVerificationError

from recommender.infrastructure.proxies import networks_of
from recommender.model_lifecycle import promotion, runs
from recommender.models import Alert, TrainingRun, Webhook, WebhookDelivery
from recommender.models.webhooks import RETRY_AFTER
from recommender.monitoring import operations
from recommender.webhooks import delivery as deliveries
from recommender.webhooks.addresses import RefusedAddress, resolve
from recommender.webhooks.delivery import deliver, deliver_due
from tests.api.request_bodies import field_of

ALL = ["training_job.ended", "model.promoted", "alert.raised", "conversation.handed_over"]


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    queued = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue", lambda *call: queued.append(call)
    )
    return queued


@pytest.fixture
def receiver(settings):
    """A server of the shop's; `answers` are the statuses of its replies, then 200."""
    settings.VITRINE_WEBHOOK_NETWORKS = networks_of("127.0.0.0/8")
    received, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((dict(self.headers), body))
            answer = answers.pop(0) if answers else 200
            if answer == "slow":
                time.sleep(1.5)
                return
            self.send_response(answer)
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.received, server.answers = received, answers
    server.url = f"http://127.0.0.1:{server.server_port}/hooks?a=b"
    yield server
    server.shutdown()


@pytest.fixture
def hook(shop, receiver, api):
    body = {"url": receiver.url, "event_types": ALL}
    reply = api("post", "webhooks", body)
    assert reply.status_code == 201, reply.content
    return reply.json()


def due_again():
    WebhookDelivery.objects.filter(status="pending").update(next_attempt_at=timezone.now())


def test_a_message_is_signed_and_its_delivery_logged(shop, api, hook, receiver):
    sent = api("post", f"webhooks/{hook['webhook_id']}/test").json()
    assert sent["status"] == "pending" and deliver_due() == 1
    headers, body = receiver.received[0]
    payload = Receiver(hook["secret"]).verify(body, headers)
    assert payload["type"] == "webhook.test" and payload["shop"] == "tiny"
    with pytest.raises(WebhookVerificationError):
        Receiver(hook["secret"]).verify(body.replace(b"tiny", b"tinY"), headers)
    log = api("get", f"webhooks/{hook['webhook_id']}/deliveries").json()
    (row,) = log["items"]
    assert (row["status"], row["attempts"], row["response_status"]) == ("delivered", 1, 200)
    assert row["message_id"] == headers["webhook-id"] and row["payload"]["data"]
    assert deliver_due() == 0 and len(receiver.received) == 1
    again = api("post", f"webhooks/{hook['webhook_id']}/deliveries/{row['delivery_id']}/redeliver")
    assert again.status_code == 202 and deliver_due() == 1
    assert receiver.received[1][0]["webhook-id"] == row["message_id"]
    listed = api("get", "webhooks").json()["items"]
    assert listed == [{k: v for k, v in hook.items() if k != "secret"}]


def test_a_failed_delivery_is_retried_and_then_dead(shop, api, hook, receiver):
    api("post", f"webhooks/{hook['webhook_id']}/test")
    row = WebhookDelivery.objects.get()
    receiver.answers += [500, 404, 302]
    for n, status in enumerate((500, 404, 302)):
        assert deliver_due() == 1
        row.refresh_from_db()
        assert (row.status, row.response_status, row.attempts) == ("pending", status, n + 1)
        wait = row.next_attempt_at - timezone.now()
        assert RETRY_AFTER[n] - timedelta(seconds=5) < wait <= RETRY_AFTER[n]
        assert deliver_due() == 0
        due_again()
    assert "redirects" in row.error and len(receiver.received) == 3
    receiver.answers += [503] * 10
    while row.status == "pending":
        due_again()
        assert deliver_due() == 1
        row.refresh_from_db()
    assert row.status == "dead" and row.attempts == len(RETRY_AFTER) + 1 and row.ended_at
    dead = api("get", f"webhooks/{hook['webhook_id']}/deliveries?status=dead").json()["items"]
    assert len(dead) == 1


def test_an_address_that_answers_slowly_or_never_is_left(shop, api, hook, receiver, monkeypatch):
    monkeypatch.setattr(deliveries, "SECONDS", 0.3)
    api("post", f"webhooks/{hook['webhook_id']}/test")
    receiver.answers.append("slow")
    started = time.monotonic()
    deliver(WebhookDelivery.objects.get().pk)
    row = WebhookDelivery.objects.get()
    assert time.monotonic() - started < 1.2
    assert row.status == "pending" and row.error == "no reply within 0.3 seconds"
    receiver.shutdown()
    receiver.server_close()
    due_again()
    deliver(row.pk)
    row.refresh_from_db()
    assert row.attempts == 2 and "ConnectError" in row.error


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://localhost/hooks",
        "https://10.0.0.1/",
        "https://192.168.1.1:8443/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:a00:1::]/",
        "https://[64:ff9b:1::a00:1]/",
        "https://[fec0::1]/",
        "https://[::127.0.0.1]/",
        "https://[3fff::1]/",
        "https://93.184.216.34/\r\nX: y",
        "https://93.184.216.34/a b",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "http://93.184.216.34/",
        "https://user:pass@93.184.216.34/",
        "https://93.184.216.34/#x",
        "ftp://93.184.216.34/",
        "https://",
        "shop.example/hooks",
        "https://93.184.216.34:99999/",
        "https://no-such-host.invalid/",
        "https://\udcff.example/",
        "https://a\x00b.example/",
        "",
    ],
)
def test_an_address_of_the_own_network_is_refused(shop, api, url):
    reply = api("post", "webhooks", {"url": url, "event_types": ALL})
    assert field_of(reply) == "url" and not Webhook.objects.exists()


def test_the_address_is_checked_again_at_each_attempt(shop, api, hook, receiver, settings):
    api("post", f"webhooks/{hook['webhook_id']}/test")
    settings.VITRINE_WEBHOOK_NETWORKS = ()  # as if the name pointed somewhere else by now
    deliver_due()
    row = WebhookDelivery.objects.get()
    assert row.status == "pending" and "private or reserved" in row.error
    assert receiver.received == []
    with pytest.raises(RefusedAddress):
        resolve(receiver.url)


def test_addresses_of_a_name_are_tried_in_turn(shop, api, hook, receiver, monkeypatch):
    from recommender.webhooks import addresses

    port = receiver.server_port
    found = [(2, 1, 6, "", (ip, port)) for ip in ("127.0.0.9", "127.0.0.1")]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: found)
    Webhook.objects.update(url=f"http://hooks.example:{port}/x")
    api("post", f"webhooks/{hook['webhook_id']}/test")
    deliver_due()
    assert WebhookDelivery.objects.get().status == "delivered"
    headers = {name.lower(): value for name, value in receiver.received[0][0].items()}
    assert headers["host"] == f"hooks.example:{port}"


@pytest.mark.parametrize("host", ["b\u00fccher.example", "hooks.example"])
def test_no_address_stops_the_deliveries_of_others(shop, api, hook, receiver, monkeypatch, host):
    from recommender.webhooks import addresses

    bad = Webhook.objects.create(
        shop=shop, url=f"http://{host}:1/\u00fc\x01?x=\u2028 y", event_types=ALL
    )
    api("post", f"webhooks/webhook-{bad.pk}/test")
    api("post", f"webhooks/{hook['webhook_id']}/test")
    found = [(2, 1, 6, "", ("127.0.0.1", 1))]
    real = addresses.socket.getaddrinfo
    monkeypatch.setattr(
        addresses.socket,
        "getaddrinfo",
        lambda name, *a, **m: found if "example" in str(name) else real(name, *a, **m),
    )
    assert deliver_due() == 2 and len(receiver.received) == 1
    row = WebhookDelivery.objects.get(webhook=bad)
    assert row.status == "pending" and row.error and row.next_attempt_at > timezone.now()


def test_a_webhook_that_fails_takes_no_time_from_others(shop, api, hook, receiver):
    dead = Webhook.objects.create(shop=shop, url="http://127.0.0.1:1/", event_types=ALL)
    for _ in range(3):
        api("post", f"webhooks/webhook-{dead.pk}/test")
    api("post", f"webhooks/{hook['webhook_id']}/test")
    assert deliver_due() == 2 and len(receiver.received) == 1


def test_what_changed_during_an_attempt_stays(shop, api, hook, receiver, monkeypatch):
    path = f"webhooks/{hook['webhook_id']}"
    api("post", f"{path}/test")
    row = WebhookDelivery.objects.get()

    def post(_):
        WebhookDelivery.objects.update(status="delivered", attempts=7)
        return 500

    monkeypatch.setattr(deliveries, "_post", post)
    deliver(row.pk)
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("delivered", 7)
    monkeypatch.setattr(deliveries, "_post", lambda _: Webhook.objects.all().delete() and 200)
    WebhookDelivery.objects.update(status="pending", next_attempt_at=timezone.now())
    deliver(row.pk)
    assert not WebhookDelivery.objects.exists()


def test_a_secret_is_rotated_with_an_overlap(shop, api, hook, receiver):
    path = f"webhooks/{hook['webhook_id']}"
    fresh = api("post", f"{path}/rotate-secret", {"overlap_hours": 1}).json()["secret"]
    api("post", f"{path}/test")
    deliver_due()
    headers, body = receiver.received[0]
    assert Receiver(fresh).verify(body, headers) and Receiver(hook["secret"]).verify(body, headers)
    Webhook.objects.update(previous_until=timezone.now() - timedelta(seconds=1))
    api("post", f"{path}/test")
    deliver_due()
    headers, body = receiver.received[1]
    assert Receiver(fresh).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Receiver(hook["secret"]).verify(body, headers)


def test_trainings_promotions_and_alerts_are_told(live_shop, api, hook, receiver, register):
    run = TrainingRun.objects.create(shop=live_shop, status="running")
    runs._end(run, "failed", "no events")
    version = register(live_shop)
    promotion.promote_version(version)
    promotion.roll_back(live_shop)
    operations.note_trainings(live_shop)
    assert Alert.objects.open().filter(kind="failed").count() == 1
    operations.note_trainings(live_shop)  # it is open already
    told = [row.payload for row in WebhookDelivery.objects.order_by("pk")]
    assert [row["type"] for row in told] == [
        "training_job.ended",
        "model.promoted",
        "model.promoted",
        "alert.raised",
    ]
    assert told[0]["data"] == {
        "job_id": f"job-{run.pk}",
        "recipe": "fusion",
        "status": "failed",
        "error": "no events",
        "model_version": None,
        "promoted": False,
    }
    assert told[1]["data"]["model_version"] == version.label
    assert told[1]["data"]["rolled_back"] is False and told[2]["data"]["rolled_back"] is True
    assert told[3]["data"]["kind"] == "failed"
    assert deliver_due() == 4 and len(receiver.received) == 4


def test_a_canceled_run_in_the_queue_is_told(live_shop, api, hook):
    run = TrainingRun.objects.create(shop=live_shop)
    api("post", f"training-jobs/job-{run.pk}/cancel")
    assert WebhookDelivery.objects.get().payload["data"]["status"] == "cancelled"


def test_only_wanted_types_and_active_addresses_are_told(live_shop, api, hook, queue):
    path = f"webhooks/{hook['webhook_id']}"
    assert api("patch", path, {"event_types": ["alert.raised"]}).json()["event_types"] == [
        "alert.raised"
    ]
    run = TrainingRun.objects.create(shop=live_shop, status="running")
    runs._end(run, "failed", "x")
    assert not WebhookDelivery.objects.exists()
    operations.note_trainings(live_shop)
    row = WebhookDelivery.objects.get()
    assert ("deliver_webhook", row.pk) in queue
    api("patch", path, {"active": False})
    assert deliver_due() == 0
    deliver(row.pk)
    row.refresh_from_db()
    assert row.attempts == 0
    reply = api("post", f"{path}/deliveries/delivery-{row.pk}/redeliver")
    assert reply.status_code == 409
    assert api("delete", path).status_code == 204 and not WebhookDelivery.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "https://93.184.216.34/"}, "event_types"),
        ({"url": "https://93.184.216.34/", "event_types": []}, "event_types"),
        ({"url": "https://93.184.216.34/", "event_types": ["x"]}, "event_types.0"),
        ({"url": "https://93.184.216.34/", "event_types": ALL, "secret": "x"}, "secret"),
    ],
)
def test_a_wrong_webhook_names_its_field(shop, api, body, field):
    assert field_of(api("post", "webhooks", body)) == field


def test_old_deliveries_are_forgotten(shop, api, hook):
    api("post", f"webhooks/{hook['webhook_id']}/test")
    WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=31))
    assert WebhookDelivery.objects.forget_old() == 0
    WebhookDelivery.objects.update(status="delivered")
    assert WebhookDelivery.objects.forget_old() == 1
