"""Live index: follows the database through damage, kills, takeovers, and changes without news."""

import shutil
import threading
import time

import pytest
from django.db import connection

from recommender.inference.search_index import HostIndex, IndexNotReady
from recommender.ingest import Parser, upsert_products
from recommender.models import Change, Product
from recommender.search import live_index
from recommender.search.live_index import Indexer, LiveIndex
from recommender.search.requests import SearchRequest
from recommender.search.search import search
from recommender.serving import change_feed
from recommender.serving.shop_state import state_of
from training.search.index_writer import LexicalWriter


@pytest.fixture(autouse=True)
def _polls_at_once(monkeypatch):
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 0.0)


def put(shop, *rows):
    upsert_products(shop, enumerate(rows), list(rows[0]), Parser(shop.zone))


def found(shop, query):
    return [hit.item_id for hit in search(shop, SearchRequest(query)).hits]


@pytest.fixture
def catalog(shop):
    put(shop, {"item_id": "A", "title": "red lantern"}, {"item_id": "B", "title": "blue teapot"})
    assert found(shop, "lantern") == ["A"]
    return shop


def index_of(shop) -> LiveIndex:
    return state_of(shop).parts[live_index.PART]


def folders(shop):
    return sorted(path.name for path in index_of(shop).host.folder.glob("index-*"))


@pytest.mark.parametrize("pattern", ["documents/meta.json", "documents/*.term", "about.json"])
def test_a_damaged_index_is_built_again_by_itself(catalog, pattern):
    host, before = index_of(catalog).host, folders(catalog)
    for path in host.folder.glob(f"index-*/{pattern}"):
        path.write_bytes(b"torn")
    host._opened = None  # as in another process
    for _ in range(2):  # the first search may still find the damage
        try:
            assert found(catalog, "lantern") == ["A"]
        except IndexNotReady:
            continue
    assert folders(catalog) != before
    assert len(folders(catalog)) == 1


def test_a_killed_build_leaves_the_old_index_and_no_rest(catalog, settings):
    host, before = index_of(catalog).host, folders(catalog)
    half = host.folder / "index-half"
    (half / "documents").mkdir(parents=True)
    assert found(catalog, "lantern") == ["A"]

    def torn():
        yield from ()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        host.rebuild(torn(), ("en",))
    assert before[0] in folders(catalog)
    assert found(catalog, "lantern") == ["A"]
    host.rebuild([], ("en",))
    assert len(folders(catalog)) == 1
    assert not half.exists()


def test_one_process_of_a_host_writes(catalog):
    first = index_of(catalog).host
    second = HostIndex(first.folder)
    assert first.is_writer
    assert not second.become_writer()
    assert second.digests() == first.digests()
    first.release()
    assert second.become_writer()
    second.release()


def test_a_new_writer_compares_the_index_with_the_database(catalog):
    old = index_of(catalog)
    old.release()
    Product.objects.filter(item_id="A").update(title="velvet curtain")
    Product.objects.filter(item_id="B").delete()
    Product.objects.create(shop=catalog, item_id="C", title="brass bell")
    before = folders(catalog)
    new = LiveIndex(catalog.pk)
    new.catch_up()
    assert sorted(new.host.digests()) == sorted(
        Product.objects.filter(shop=catalog).values_list("pk", flat=True)
    )
    assert folders(catalog) == before
    Change.objects.tell_products(catalog, None)
    assert found(catalog, "velvet") == ["A"]
    assert found(catalog, "teapot") == []


def test_what_could_not_be_written_is_written_later(catalog, monkeypatch):
    index = index_of(catalog)
    with monkeypatch.context() as patch:

        def full(*args, **kwargs):
            raise OSError("no space left on device")

        patch.setattr(HostIndex, "update", full)
        put(catalog, {"item_id": "D", "title": "oak table"})
        with pytest.raises(OSError, match="no space"):
            found(catalog, "oak")
    assert found(catalog, "oak") == ["D"]
    assert index.host.is_writer


def test_a_price_alone_writes_nothing(catalog, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("written")

    monkeypatch.setattr(HostIndex, "update", refuse)
    put(catalog, {"item_id": "A", "price": 5})
    assert found(catalog, "lantern") == ["A"]


def test_a_reader_waits_while_another_process_builds(shop):
    writer = HostIndex(index_of(shop).host.folder)
    assert writer.become_writer()
    with pytest.raises(IndexNotReady):
        found(shop, "lantern")
    writer.rebuild([], ("en",))
    assert found(shop, "lantern") == []
    writer.release()


@pytest.mark.django_db(transaction=True)
def test_a_thread_keeps_the_index_true(shop, monkeypatch):
    runner = Indexer()
    monkeypatch.setattr(live_index, "indexer", runner)
    monkeypatch.setattr(live_index, "TAKE_OVER_SECONDS", 0.05)
    put(shop, {"item_id": "A", "title": "red lantern"})
    runner.start()
    assert until(lambda: runner.is_ready)
    assert found(shop, "lantern") == ["A"]
    put(shop, {"item_id": "A", "title": "velvet curtain"})
    assert until(lambda: found(shop, "velvet") == ["A"])
    runner.stop()


def until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_another_writer_delays_an_update_and_damages_nothing(catalog):
    host, before = index_of(catalog).host, folders(catalog)
    with LexicalWriter(host.read()):
        put(catalog, {"item_id": "C", "title": "green curtain"})
        assert found(catalog, "curtain") == []
        assert found(catalog, "lantern") == ["A"]
    assert found(catalog, "curtain") == ["C"]
    assert folders(catalog) == before


def test_the_lock_of_a_deleted_folder_is_none(catalog):
    host = index_of(catalog).host
    assert host.is_writer
    shutil.rmtree(host.folder)
    assert not host.is_writer
    assert found(catalog, "lantern") == ["A"]
    assert host.is_writer


def test_a_shop_that_leaves_memory_gives_its_lock_back(catalog):
    index = index_of(catalog)
    assert index.host.is_writer
    index.close()
    assert not index.host.is_writer and HostIndex(index.host.folder).become_writer()
    index.catch_up()
    assert not index.host.is_writer


def test_threads_build_the_first_index_one_after_the_other(transactional_db, shop):
    put(shop, {"item_id": "A", "title": "red lantern"}, {"item_id": "B", "title": "blue teapot"})
    index, found, ready = LiveIndex(shop.pk), [], threading.Barrier(3)

    def read() -> None:
        ready.wait()
        try:
            found.append(len(index.read()))
        finally:
            connection.close()

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2, 2, 2]
