"""Whose events are whose, who is erased, what sells, and deletes beside writes."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from recommender.models import ApiKey, Event, Product, ServedList, Shopper
from recommender.serving.best_sellers import begun_with, most_sold, most_sold_in
from recommender.serving.exposure_log import exposure_buffer

MONTH = timedelta(days=30)


def event(event_id: str, **fields):
    return {
        "event_id": event_id,
        "type": "view",
        "item_id": "A",
        "occurred_at": timezone.now().isoformat(),
        **fields,
    }


def send(api, *events, **more):
    reply = api("post", "events", {"events": list(events)}, **more)
    assert reply.status_code == 202, reply.content
    return reply.json()


def bought(api, user: str | None, item: str, **fields):
    n = Event.objects.count()
    reply = send(api, event(f"b-{n}", type="purchase", item_id=item, user_id=user, **fields))
    assert reply["accepted"] == 1, reply


def at_once(times: int, act: Callable[[], Any]) -> list:
    """What `act` returns in so many threads that begin at the same moment."""
    gate = threading.Barrier(times)

    def one() -> Any:
        gate.wait()
        try:
            return act()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return [future.result() for future in [pool.submit(one) for _ in range(times)]]


@pytest.fixture
def bare(shop):
    """A shop with four products and no events."""
    for name in ("A", "B", "C", "D"):
        Product.objects.create(shop=shop, item_id=name, title=name)
    return shop


def test_what_sells_is_counted_by_buyers_who_kept_it(bare, api):
    for _ in range(30):
        bought(api, "one", "A")
    for n in range(4):
        bought(api, f"u{n}", "B")
    for n in range(6):
        bought(api, f"u{n}", "C", quantity=2)
        send(
            api,
            event(f"r-{n}", type="return", item_id="C", user_id=f"u{n}", quantity=2 if n else 1),
        )
    bought(api, None, "D", session_id="s1")
    bought(api, None, "D", session_id="s2")
    assert most_sold(bare.pk, 10) == ["B", "D", "A", "C"]
    assert most_sold(bare.pk, 10, MONTH) == ["B", "D", "A", "C"] and most_sold(bare.pk, 1) == ["B"]
    assert begun_with(bare.pk, 10, MONTH) == ["B", "A", "C"]
    Shopper.objects.filter(user_id__in=["u0", "one"]).update(attributes={"country": "SE"})
    assert most_sold_in(bare.pk, "SE", 10, MONTH) == ["A", "B", "C"]
    Shopper.objects.filter(user_id__in=["u1", "u2", "u3"]).update(consent_training=False)
    assert most_sold(bare.pk, 10)[0] == "D"


def test_purchases_from_pages_do_not_fill_everybodys_lists(bare, api):
    _, public = ApiKey.objects.issue(bare, "pages", [], public=True)
    bought(api, "u", "A")
    for n in range(5):
        send(api, event(f"p-{n}", type="purchase", item_id="B", user_id=f"p{n}"), key=public)
    send(
        api,
        event("p-0", type="purchase", item_id="B", user_id="p0"),
        event("p-9", type="purchase", item_id="B", user_id="p9"),
        key=public,
    )
    assert Event.objects.filter(from_page=True).count() == 6 and most_sold(bare.pk, 10) == ["A"]
    bare.trusts_pages = True
    bare.save()
    assert most_sold(bare.pk, 10) == ["B", "A"]


def test_what_a_session_does_after_it_was_merged_is_the_shoppers(bare, api):
    send(api, event("e-1", session_id="s"))
    assert api("put", "users/anna", {"merged_from": ["s"]}).json()["merged_from"] == ["s"]
    reply = send(
        api,
        event("e-2", session_id="s"),
        event("e-3", session_id="other"),
        event("e-1", session_id="s"),
    )
    assert (reply["accepted"], reply["duplicate"]) == (2, 1)
    send(
        api,
        event("e-4", session_id="s"),
        event("e-4", session_id="s"),
        event("e-2", session_id="s"),
    )
    owners = dict(Event.objects.values_list("event_id", "shopper__user_id"))
    assert owners == {"e-1": "anna", "e-2": "anna", "e-3": None, "e-4": "anna"}
    assert api("get", "users/anna").json()["merged_from"] == ["s"]


def test_a_sessions_second_shopper_has_what_comes_from_then_on(bare, api):
    api("put", "users/anna", {"merged_from": ["s"]})
    send(api, event("e-1", session_id="s"))
    api("put", "users/ben", {"merged_from": ["s"]})
    send(api, event("e-2", session_id="s"))
    assert dict(Event.objects.values_list("event_id", "shopper__user_id")) == {
        "e-1": "anna",
        "e-2": "ben",
    }


def test_erasing_takes_the_anonymous_part_of_own_sessions_along(bare, api):
    send(
        api,
        event("e-1", session_id="s"),
        event("e-2", session_id="s", user_id="anna"),
        event("e-3", session_id="t"),
        event("e-4", session_id="other"),
    )
    for session in ("s", "other"):
        api("post", "recommendations", {"placement": "home_top", "session_id": session})
    exposure_buffer.flush()
    api("put", "users/anna", {"merged_from": ["t"]})
    receipt = api("delete", "users/anna").json()
    assert receipt["erased"]["events"] == 3 and receipt["erased"]["served"] == 1
    assert list(Event.objects.values_list("event_id", flat=True)) == ["e-4"]
    assert list(ServedList.objects.values_list("session_id", flat=True)) == ["other"]


def test_late_events_of_an_erased_shopper_are_refused_and_a_refusal_is_remembered(bare, api):
    api("put", "users/anna", {"consent": {"personalisation": False, "training": True}})
    before = (timezone.now() - timedelta(minutes=1)).isoformat()
    api("delete", "users/anna")
    late = send(api, event("e-1", user_id="anna", occurred_at=before), event("e-2", user_id="ben"))
    assert [r["status"] for r in late["results"]] == ["rejected", "accepted"] and late["results"][
        0
    ]["error"]["field"] == "user_id"
    again = send(api, event("e-2", user_id="ben"), event("e-3", user_id="anna", occurred_at=before))
    assert (again["duplicate"], again["rejected"]) == (1, 1), "also on the longer way"
    assert not Shopper.objects.filter(user_id="anna").exists()
    assert send(api, event("e-4", user_id="anna"))["accepted"] == 1
    anna = Shopper.objects.get(user_id="anna")
    assert (anna.consent_personalisation, anna.consent_training) == (False, True)
    api("delete", "users/anna")
    assert api("put", "users/anna", {"attributes": {}}).json()["consent"] == {
        "personalisation": False,
        "training": True,
    }
    api("delete", "users/anna")
    assert (
        api("put", "users/anna", {"consent": {"personalisation": True}}).json()["consent"][
            "personalisation"
        ]
        is True
    )


def test_a_shopper_is_changed_in_part(bare, api):
    assert api("patch", "users/anna", {"attributes": {}}).status_code == 404
    api("put", "users/anna", {"attributes": {"country": "SE"}, "consent": {"training": False}})
    user = api("patch", "users/anna", {"consent": {"personalisation": False}}).json()
    assert user["attributes"] == {"country": "SE"} and user["consent"] == {
        "personalisation": False,
        "training": False,
    }
    assert "first_seen" in user and api("patch", "users/anna", {"attributes": {"a": 1}}).json()[
        "attributes"
    ] == {"country": "SE", "a": 1}


@pytest.mark.parametrize(
    "item_id", ["related", "shoppers", "a\nb", "a\r\nb/c", "\n", "batch", "a b\t"]
)
def test_whatever_an_id_holds_it_is_reached_and_removed(bare, api, item_id):
    address = f"items/{quote(item_id, safe='')}"
    assert api("put", address, {"title": "Odd"}).status_code == 201
    assert (
        api("get", address).json()["item_id"] == item_id
        and api("patch", address, {"hidden": True}).json()["hidden"] is True
    )
    send(api, event("e", user_id=item_id, item_id=item_id))
    user = f"users/{quote(item_id, safe='')}"
    assert api("get", user).json()["user_id"] == item_id and api("delete", user).status_code == 200
    assert api("delete", address).status_code == 204 and api("get", address).status_code == 404


def test_reading_needs_no_scope_for_writing(live_shop, api):
    run = live_shop.runs.first()
    for area, reads, writes in (
        ("users", ("get", "users/shopper-003"), ("delete", "users/shopper-003")),
        (
            "training",
            ("get", f"training-jobs/job-{run.pk}"),
            ("post", f"training-jobs/job-{run.pk}/cancel"),
        ),
        ("models", ("get", "models"), ("post", "models/1/promote")),
    ):
        _, reader = ApiKey.objects.issue(live_shop, "r", [f"{area}:read"])
        _, writer = ApiKey.objects.issue(live_shop, "w", [f"{area}:write"])
        _, other = ApiKey.objects.issue(live_shop, "o", ["recs:read"])
        assert api(*reads, key=reader).status_code == api(*reads, key=writer).status_code == 200
        assert api(*writes, {} if writes[0] == "post" else None, key=reader).status_code == 403
        assert api(*reads, key=other).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_product_is_deleted_while_events_on_it_come_in(live_shop, api, client):
    """Events are taken or refused by name; the delete answers 204, and nothing answers 500."""
    stop, statuses, outcomes = threading.Event(), [], []

    def post() -> None:
        n = 0
        try:
            while not stop.is_set():
                n += 1
                events = [
                    event(f"{threading.get_ident()}-{n}-{i}", user_id=f"u{i}", item_id="X")
                    for i in range(5)
                ]
                reply = api("post", "events", {"events": events})
                statuses.append(reply.status_code)
                outcomes.extend(result["status"] for result in reply.json()["results"])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=post) for _ in range(2)]
    for thread in threads:
        thread.start()
    deleted = []
    for _ in range(12):
        assert api("put", "items/X", {"title": "x"}).status_code in (200, 201)
        deleted.append(api("delete", "items/X").status_code)
    stop.set()
    for thread in threads:
        thread.join()
    assert deleted == [204] * 12 and set(statuses) == {202} and {"rejected"} <= set(outcomes)
    assert not Event.objects.filter(product=None, type="view").exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_deletes_at_once_each_has_an_answer(live_shop, api):
    api("put", "items/X", {"title": "x"})
    outcome = at_once(2, lambda: api("delete", "items/X").status_code)
    assert sorted(outcome) in ([204, 204], [204, 404])


def test_an_event_that_was_sent_before_with_other_content_says_so(bare, api):
    def outcomes(reply):
        return [(result["status"], "error" in result) for result in reply["results"]]

    first = event("e-1", user_id="u")
    assert outcomes(send(api, first)) == [("accepted", False)]
    assert outcomes(send(api, first, {**first, "type": "click"}, event("e-2", user_id="u"))) == [
        ("duplicate", True),
        ("duplicate", True),
        ("accepted", False),
    ]
    assert outcomes(send(api, first)) == [("duplicate", False)]
    twice = event("e-3", user_id="u")
    assert outcomes(send(api, twice, twice)) == [("accepted", False), ("duplicate", False)]
    twice = event("e-4", user_id="u")
    assert outcomes(send(api, twice, {**twice, "item_id": "B"})) == [
        ("accepted", False),
        ("duplicate", True),
    ]


def test_small_limits_are_counted_exactly_by_all_processes_together(settings):
    from recommender.api.http.throttling import _Counters

    name = f"test-{timezone.now().timestamp()}"
    processes = [_Counters(settings.REDIS_URL) for _ in range(3)]
    assert [processes[n % 3].count(name, True) for n in range(30)] == list(range(1, 31))


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_at_once_start_one_run(live_shop, monkeypatch):
    from recommender import tasks

    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    before = live_shop.runs.count()
    at_once(3, tasks.learn_on_every_shop)
    assert live_shop.runs.count() == before + 1


def test_only_errors_of_concurrent_writes_are_tried_again(bare):
    from recommender.infrastructure.availability import comes_between

    with (
        pytest.raises(IntegrityError) as missing,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE recommender_product SET title = NULL WHERE item_id = 'A'")
    with pytest.raises(IntegrityError) as twice, transaction.atomic():
        Product.objects.create(shop=bare, item_id="A", title="A")
    assert comes_between(twice.value) and not comes_between(missing.value)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"quantity": 1_000_000_000_000, "price": "99999999999"}, "quantity"),
        ({"quantity": 2, "price": "9999999999"}, "value"),
        ({"quantity": 1_000_001, "price": "1"}, "quantity"),
        ({"value": "99999999999"}, "value"),
    ],
)
def test_one_absurd_purchase_is_refused_before_it_is_all_of_the_revenue(
    live_shop, api, line, field
):
    item = {"item_id": live_shop.products.first().item_id, **line}
    event = {
        "event_id": "e-1",
        "type": "purchase",
        "user_id": "u",
        "occurred_at": "2026-01-01T00:00:00Z",
        "items": [item],
    }
    result = api("post", "events", {"events": [event]}).json()["results"][0]
    assert result["status"] == "rejected" and result["error"]["field"] == f"items[0].{field}"


def test_errors_of_stock_name_what_was_sent(shop, api):
    for stock, field in (({"state": "zzz"}, "stock.state"), ({"quantity": 1.5}, "stock.quantity")):
        assert (
            api("put", "items/p", {"title": "x", "stock": stock}).json()["errors"][0]["field"]
            == field
        )
        batch = api(
            "post", "items:batch", {"items": [{"item_id": "p", "title": "x", "stock": stock}]}
        ).json()
        assert batch["results"][0]["error"]["field"] == field
