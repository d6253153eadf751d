"""Events by REST while others send the same, shoppers are erased, and ids are odd."""

import threading

import pytest
from django.db import IntegrityError, connections, transaction

from recommender.api.http.strict_fields import STRICT
from recommender.ingest import post_events
from recommender.ingest.rest_events import known_products
from recommender.models import Event, Product, Shop, Shopper
from recommender.shoppers.erasure import erase


@pytest.fixture
def counter(transactional_db) -> Shop:
    shop = Shop.objects.create(key="counter", name="Counter")
    Product.objects.bulk_create(
        Product(shop=shop, item_id=f"p{i}", title=f"Product {i}") for i in range(5)
    )
    return shop


def events(n: int, **more) -> list[dict]:
    return [
        {
            "event_id": f"e{i}",
            "type": "view",
            "user_id": f"u{i % 7}",
            "item_id": f"p{i % 5}",
            "occurred_at": "2026-01-01T10:00:00Z",
            **more,
        }
        for i in range(n)
    ]


def at_once(*calls) -> list:
    """What these give, called in threads that begin together."""
    barrier, result = threading.Barrier(len(calls)), [None] * len(calls)

    def call(i: int) -> None:
        barrier.wait()
        try:
            result[i] = calls[i]()
        except Exception as error:
            result[i] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return result


def test_what_several_calls_bring_at_once_is_new_in_one_of_them(counter):
    batch = events(60)
    result = at_once(
        *[
            lambda turn=turn: post_events(counter, batch[turn * 5 :] + batch[: turn * 5], STRICT)
            for turn in range(6)
        ]
    )
    assert all(isinstance(one, tuple) for one in result), result
    assert (
        sum(report.new for report, _ in result) == 60
        and sum(report.same for report, _ in result) == 300
    )
    assert sorted(i for _, new in result for i in new) == sorted(e["event_id"] for e in batch)
    assert (
        Event.objects.filter(shop=counter).count() == 60
        and Shopper.objects.filter(shop=counter).count() == 7
    )


def test_calls_that_bring_the_same_in_another_order_do_not_block_each_other(counter):
    post_events(counter, [{**e, "event_id": f"first-{e['event_id']}"} for e in events(7)], STRICT)
    for turn in range(8):
        batch = [{**e, "event_id": f"{turn}-{e['event_id']}"} for e in events(80)]
        result = at_once(
            lambda batch=batch: post_events(counter, batch, STRICT),
            lambda batch=batch: post_events(counter, batch[::-1], STRICT),
        )
        assert not [one for one in result if isinstance(one, Exception)], result
        assert sorted(report.new for report, _ in result) == [0, 80]


def test_a_known_event_among_new_ones(counter):
    assert post_events(counter, events(3), STRICT)[1] == {"e0", "e1", "e2"}
    before = dict(Shopper.objects.values_list("user_id", "revision"))
    report, new = post_events(
        counter, [*events(4), {**events(1)[0], "event_id": "e3"}, {"event_id": "bad"}], STRICT
    )
    assert (new, report.new, report.same, len(report.errors)) == ({"e3"}, 1, 4, 1)
    after = dict(Shopper.objects.values_list("user_id", "revision"))
    assert {u: after[u] - before.get(u, 0) for u in after} == {"u0": 0, "u1": 0, "u2": 0, "u3": 1}


def test_a_shopper_erased_meanwhile_leaves_no_event_behind(counter):
    post_events(counter, events(7), STRICT)
    shoppers = list(Shopper.objects.filter(shop=counter))
    fresh = [{**e, "event_id": f"later-{e['event_id']}"} for e in events(7)]
    result = at_once(
        lambda: post_events(counter, fresh, STRICT),
        *[lambda one=one: erase(one) for one in shoppers],
    )
    assert not [f for f in result if isinstance(f, Exception)], result
    known = set(Shopper.objects.filter(shop=counter).values_list("pk", flat=True))
    assert all(e.shopper_id in known for e in Event.objects.filter(shop=counter))


def test_ids_and_words_come_back_as_they_were_sent(counter):
    odd = {
        "event_id": 'a\t"b"\\N\n',
        "user_id": "\\.",
        "session_id": "ü\r\\t",
        "type": "search",
        "query": "50 % \\N red\tlantern\n",
    }
    post_events(counter, [{**odd, "occurred_at": "2026-01-01T10:00:00Z"}], STRICT)
    event = Event.objects.select_related("shopper").get(shop=counter)
    assert {
        "event_id": event.event_id,
        "user_id": event.shopper.user_id,
        "session_id": event.session_id,
        "type": event.type,
        "query": event.query,
    } == odd


@pytest.mark.parametrize("missing", ["shopper_id", "product_id"])
def test_no_event_refers_to_what_is_not_there(counter, missing):
    post_events(counter, events(3), STRICT)
    with pytest.raises(IntegrityError, match="does not exist"), transaction.atomic():
        Event.objects.create(
            shop=counter,
            event_id="odd",
            type="view",
            occurred_at="2026-01-01T10:00:00Z",
            **{missing: 10**9},
        )
    with pytest.raises(IntegrityError, match="does not exist"), transaction.atomic():
        Event.objects.filter(event_id="e0").update(**{missing: 10**9})
    assert Event.objects.filter(event_id="e0").exclude(**{missing: None}).count() == 1


@pytest.mark.parametrize("model", [Shopper, Product])
def test_nothing_that_events_refer_to_goes_without_them(counter, model):
    post_events(counter, events(30), STRICT)
    with pytest.raises(IntegrityError, match="events refer to a deleted row"), transaction.atomic():
        model.objects.all()._raw_delete("default")
    model.objects.first().delete()
    assert model.objects.count() < 7 and 0 < Event.objects.count() < 30


def test_a_product_that_goes_while_its_events_come_is_missing_or_has_them(counter):
    for turn in range(10):
        product = Product.objects.create(shop=counter, item_id=f"gone-{turn}", title="Soon gone")
        batch = [
            {**e, "event_id": f"{turn}-{e['event_id']}", "item_id": product.item_id}
            for e in events(40)
        ]
        at_once(lambda batch=batch: post_events(counter, batch, STRICT), product.delete)
        present = Product.objects.filter(pk=product.pk).exists()
        assert Event.objects.filter(product_id=product.pk).count() == (40 if present else 0)


def test_whoever_stores_events_their_shoppers_are_marked(counter):
    shopper, other = (Shopper.objects.create(shop=counter, user_id=u) for u in ("u1", "u2"))
    Event.objects.create(
        shop=counter, event_id="a", type="view", occurred_at="2026-01-01T10:00:00Z", shopper=shopper
    )
    Event.objects.create(
        shop=counter, event_id="b", type="view", occurred_at="2026-01-01T10:00:00Z", session_id="s1"
    )
    assert shopper.take_over(["s1"]) == 1
    assert [Shopper.objects.get(pk=one.pk).revision for one in (shopper, other)] == [2, 0]


def test_a_product_that_went_and_came_again_is_the_new_one(counter):
    post_events(counter, events(5), STRICT)
    assert known_products.keys[counter.pk].keys() == {f"p{i}" for i in range(5)}
    Product.objects.get(shop=counter, item_id="p1").delete()
    batch = [{**e, "event_id": f"later-{e['event_id']}"} for e in events(5)]
    report, new = post_events(counter, batch, STRICT)
    assert [(e.line, e.message) for e in report.errors] == [(1, "is not a known product")] and len(
        new
    ) == 4
    again = Product.objects.create(shop=counter, item_id="p1", title="Here again")
    assert post_events(counter, batch, STRICT)[1] == {"later-e1"}
    assert Event.objects.get(event_id="later-e1").product_id == again.pk


def test_a_process_knows_so_many_products_at_most(counter, monkeypatch):
    monkeypatch.setattr(known_products, "MOST", 3)
    post_events(counter, events(5), STRICT)
    post_events(counter, [{**events(1)[0], "event_id": "one more"}], STRICT)
    assert known_products.keys == {counter.pk: {"p0": Product.objects.get(item_id="p0").pk}}
    assert Event.objects.count() == 6
