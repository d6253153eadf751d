"""Following the Change feed: how every process hears at once that something it keeps in memory is
out of date.

The database notifies when news is committed (a trigger on the table), and a process that listens
looks at the table before its next answer. Others look once a second, when they are asked for
something; so does a listener, should its connection have been lost. Transactions commit out of the
order of their ids, so a look also covers the ids of the last minutes again and leaves out those it
has seen.
"""

import logging
import select
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.db import connection, connections
from django.utils import timezone

from recommender.infrastructure.availability import UNREACHABLE, database
from recommender.models import Change

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0
LATE_COMMITS = timedelta(minutes=10)
CHANNEL = "vitrine_changes"
LISTEN_AGAIN_SECONDS = 2.0
GATHER_SECONDS = 0.02
"""News often comes in runs; so long the listener waits for more before it looks."""


class Feed:
    """Calls `on_change(change)` once for each Change that was committed since this process
    began to follow.
    """

    def __init__(
        self, on_change: Callable[[Change], None], on_heard: Callable[[], None] = lambda: None
    ) -> None:
        self.on_change, self.on_heard = on_change, on_heard
        self.lock = threading.Lock()
        self.looked = 0.0
        self.floor: int | None = None
        self.seen: dict[int, float] = {}
        self.news, self.deaf = threading.Event(), threading.Event()

    def look(self) -> None:
        """Read news, unless another thread does, or did so within the second and nothing was
        heard since.
        """
        due = self.news.is_set() or time.monotonic() - self.looked >= LOOK_EVERY
        if not due or database.gone or not self.lock.acquire(blocking=False):
            return
        try:
            self.news.clear()
            self._read()
            self.looked = time.monotonic()
        except UNREACHABLE:
            database.note_gone()
            self.news.set()
        finally:
            self.lock.release()

    def _read(self) -> None:
        now = timezone.now()
        first_look = self.floor is None
        if first_look:
            older = Change.objects.filter(created_at__lt=now - LATE_COMMITS).order_by("-id").first()
            self.floor = older.pk if older else 0
        there = Change.objects.filter(pk__gt=self.floor).values_list("pk", flat=True)
        fresh = [pk for pk in there if pk not in self.seen]
        for change in Change.objects.filter(pk__in=fresh).order_by("pk") if fresh else ():
            self.seen[change.pk] = change.created_at.timestamp()
            if not first_look:
                self.on_change(change)
        settled = [pk for pk, at in self.seen.items() if at < (now - LATE_COMMITS).timestamp()]
        for pk in settled:
            del self.seen[pk]
        self.floor = max([self.floor, *settled])

    def listen(self) -> threading.Thread:
        """Begin to hear of news as it is committed, in a thread of its own that ends with the
        process, or soon after `deaf` is set.
        """
        thread = threading.Thread(target=self._keep_listening, name="news", daemon=True)
        thread.start()
        return thread

    def _keep_listening(self) -> None:
        while not self.deaf.is_set():
            wrapper = connections.create_connection("default")
            try:
                wrapper.ensure_connection()
                with wrapper.cursor() as cursor:
                    cursor.execute(f"LISTEN {CHANNEL}")
                # Django opened a connection to look up the type numbers of PostgreSQL.
                connection.close()
                self.news.set()
                self._take_in()  # what was committed before
                self._hear(wrapper.connection)
            except Exception as error:
                log.info(
                    "news is looked for each second, since it cannot be listened to: %s",
                    type(error).__name__,
                )
            wrapper.close()
            self.deaf.wait(LISTEN_AGAIN_SECONDS)

    def _hear(self, raw) -> None:
        """Until the connection breaks."""
        while not self.deaf.is_set():
            select.select([raw], [], [], 1)
            raw.poll()
            if raw.notifies:
                raw.notifies.clear()
                self.news.set()
                self._take_in()

    def _take_in(self) -> None:
        """Read the feed now and refresh stale state, so that an idle process is current too
        when the database fails.
        """
        time.sleep(GATHER_SECONDS)
        self.look()
        try:
            self.on_heard()
        except UNREACHABLE:
            database.note_gone()
        finally:
            connection.close()
