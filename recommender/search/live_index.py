"""Live index: the lexical index of a shop on this host, kept true to the database.

Each host follows the change feed into an index of its own. Of its processes one writes; the others
read what it commits. A process that becomes the writer compares the index with the database first,
so that nothing is lost that the writer before it did not finish.
"""

import logging
import threading
import time
from abc import ABC, abstractmethod

from django.conf import settings
from django.db import connection

from recommender.inference.search_engine import IndexReader
from recommender.inference.search_index import HostIndex, IndexNotReady, WriterBusy
from recommender.infrastructure import process_caches
from recommender.infrastructure.availability import UNREACHABLE, database
from recommender.models import Change, Shop
from recommender.search.documents import (
    all_documents,
    digests_of,
    documents_by_id,
    documents_of,
    languages_of,
)
from recommender.serving.shop_state import MOST_SHOPS, register_part, state_of

log = logging.getLogger(__name__)

PART = "search_index"
TAKE_OVER_SECONDS = 1.0
"""How often a process that only reads tries to become the writer."""


class FollowedIndex(ABC):
    """An index of one shop in this process, a part of its state. What it indexes is a matter of
    its subclasses.
    """

    is_needed = True
    """A host is ready once it has this index."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self.host = HostIndex(settings.VITRINE_INDEXES / self.folder_of(shop_id))
        self._lock, self._writing = threading.RLock(), threading.RLock()
        self._is_closed = False
        self._changed: set[str] = set()
        self._any = True
        """Any row may differ from the index: they are compared before the next update."""
        indexer.add(self)

    @staticmethod
    @abstractmethod
    def folder_of(shop_id: int) -> str:
        """The folder below VITRINE_INDEXES."""

    @abstractmethod
    def invalidate(self, change: Change) -> None:
        """Mark what a change outdates, and wake the indexer."""

    @abstractmethod
    def update(self, shop: Shop, any_changed: bool, changed: set[str]) -> int:
        """Index what has changed; returns how many rows. Raises IndexNotReady to build it."""

    @abstractmethod
    def build(self, shop: Shop) -> int:
        """Build the index; returns the number of its rows."""

    def load(self) -> None:  # noqa: B027  nothing to do is what it does
        """Nothing: the indexer builds it, and processes share it."""

    def mark(self, changed: set[str] | None) -> None:
        """Mark rows as changed; None: any may have."""
        with self._lock:
            self._any = self._any or changed is None
            self._changed |= changed or set()
        indexer.wake()

    def read(self) -> IndexReader:
        """The index to search in. Raises IndexNotReady while it is built for the first time.

        Where no thread keeps it true, such as in a command, this call does.
        """
        if not indexer.is_running and not database.gone:
            self.catch_up()
        return self.host.read()

    def catch_up(self) -> None:
        """Bring the index up to the database, where this process is, or becomes, the writer; one
        thread at a time, or a rebuild would delete what another one builds.
        """
        with self._writing:
            self._catch_up()

    def _catch_up(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            if not self.host.is_writer:
                if not self.host.become_writer():
                    self._changed.clear()  # the writer reads them from its own feed
                    self._any = True
                    return
                self._any = True
            any_changed, changed = self._any, self._changed
            self._any, self._changed = False, set()
        if not (any_changed or changed or not self.host.is_ready):
            return
        try:
            shop = Shop.objects.select_related("search_settings").filter(pk=self.shop_id).first()
            if shop is not None:
                self._write(shop, any_changed, changed)
        except BaseException:
            with self._lock:
                self._any, self._changed = self._any or any_changed, self._changed | changed
            raise

    def _write(self, shop: Shop, any_changed: bool, changed: set[str]) -> None:
        started = time.monotonic()
        try:
            count = self.update(shop, any_changed, changed)
        except WriterBusy as error:
            log.warning("shop %s: the search index is updated later: %s", shop.pk, error)
            with self._lock:
                self._any = True
            self.host.release()
            return
        except IndexNotReady as error:
            log.info("shop %s: the search index is built: %s", shop.pk, error)
            count = self.build(shop)
        if count:
            seconds = time.monotonic() - started
            log.info("%s: %d rows indexed in %.2f s", self.host.folder.name, count, seconds)

    def release(self) -> None:
        self.host.release()

    def close(self) -> None:
        """The shop leaves the memory of this process; another one may write its index."""
        with self._lock:
            self._is_closed = True
        indexer.remove(self)
        self.release()


class LiveIndex(FollowedIndex):
    """The index of a shop's products."""

    @staticmethod
    def folder_of(shop_id: int) -> str:
        return f"shop-{shop_id}"

    def invalidate(self, change: Change) -> None:
        if change.kind == Change.PRODUCT:
            item_ids = change.item_ids()
            self.mark(None if item_ids is None else set(item_ids))
        elif change.kind == Change.SEARCH:
            self.mark(None)  # the languages may be others

    def build(self, shop: Shop) -> int:
        self.host.rebuild(all_documents(shop), languages_of(shop))
        return len(self.host.read())

    def update(self, shop: Shop, any_changed: bool, changed: set[str]) -> int:
        if not any_changed:
            return self._update(shop, changed)
        if self.host.languages() != languages_of(shop):
            raise IndexNotReady("the languages have changed")
        return self._compare(shop)

    def _compare(self, shop: Shop) -> int:
        """Index the products whose texts differ from the index; returns their number."""
        known = self.host.digests()
        differing = []
        for key, digest in digests_of(shop):
            if known.pop(key, None) != digest:
                differing.append(key)
        if differing or known:
            self.host.update(documents_of(shop, differing), known)
        return len(differing) + len(known)

    def _update(self, shop: Shop, item_ids: set[str]) -> int:
        """Index these products, where their texts have changed; returns their number."""
        documents = list(documents_by_id(shop, item_ids))
        stored = self.host.read().digests_of([one.key for one in documents])
        differing = [one for one in documents if stored.get(one.key) != one.digest]
        gone = item_ids - {one.item_id for one in documents}
        if differing or gone:
            self.host.update(differing, deleted_ids=gone)
        return len(differing) + len(gone)


class Indexer:
    """The thread of a process that keeps its shops' indexes true."""

    def __init__(self) -> None:
        self._indexes: dict[tuple[type, int], FollowedIndex] = {}
        self._lock = threading.Lock()
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._was_ready = False

    @property
    def is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def add(self, index: FollowedIndex) -> None:
        key = (type(index), index.shop_id)
        with self._lock:
            if older := self._indexes.pop(key, None):
                older.release()
            self._indexes[key] = index
        self._wake.set()

    def remove(self, index: FollowedIndex) -> None:
        key = (type(index), index.shop_id)
        with self._lock:
            if self._indexes.get(key) is index:
                del self._indexes[key]

    def wake(self) -> None:
        self._wake.set()

    def start(self) -> None:
        """Keep indexes true in a daemon thread from now on."""
        if not self.is_running:
            self._thread = threading.Thread(target=self._run, name="search index", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread, and give the writer's locks back."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self.clear()

    def clear(self) -> None:
        with self._lock:
            for index in self._indexes.values():
                index.release()
            self._indexes.clear()

    @property
    def is_ready(self) -> bool:
        """False while a thread builds the first indexes of this host.

        A later rebuild leaves the old index in use, or makes searches wait, but not the host.
        """
        if self.is_running and not self._was_ready:
            with self._lock:
                indexes = list(self._indexes.values())
            needed = [index for index in indexes if index.is_needed]
            self._was_ready = bool(needed) and all(index.host.is_ready for index in needed)
        return self._was_ready or not self.is_running

    def _run(self) -> None:
        while not self._know_shops() and not self._stopped.is_set():
            self._stopped.wait(TAKE_OVER_SECONDS)
        while not self._stopped.is_set():
            self._wake.wait(TAKE_OVER_SECONDS)
            self._wake.clear()
            with self._lock:
                indexes = list(self._indexes.values())
            for index in indexes:
                self._catch_up(index)

    def _know_shops(self) -> bool:
        """Make the state of the newest shops, whose indexes add themselves; False to try again."""
        try:
            shops = list(Shop.objects.order_by("-id")[:MOST_SHOPS])
            for shop in reversed(shops):
                state_of(shop)
            self._was_ready = not shops
        except UNREACHABLE:
            database.note_gone()
            return False
        finally:
            connection.close()
        return True

    def _catch_up(self, index: FollowedIndex) -> None:
        if database.gone:
            return
        try:
            index.catch_up()
        except UNREACHABLE:
            database.note_gone()
        except Exception:
            log.exception("shop %s: the search index could not be written", index.shop_id)
        finally:
            connection.close()


indexer = Indexer()
register_part(PART, LiveIndex)
process_caches.register(indexer.clear)
