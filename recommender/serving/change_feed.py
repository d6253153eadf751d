"""Change feed: cache invalidation across processes by LISTEN/NOTIFY.

Code that changes cached data inserts a `Change` row in the same transaction. A trigger sends NOTIFY
on commit; a process that listens reads the new rows before its next answer. Other processes poll
once a second, as does a listener that lost its connection. Transactions commit out of the order of
their ids, so a poll reads the ids of the last minutes again and skips those it has seen.
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

POLL_SECONDS = 1.0
LATE_COMMITS = timedelta(minutes=10)
CHANNEL = "vitrine_changes"
RECONNECT_SECONDS = 2.0
GATHER_SECONDS = 0.02
"""How long the listener waits for more changes before it polls; they often come in runs."""


class ChangeFeed:
    """Calls `on_change(change)` once for each Change committed since this process follows it.

    on_poll: called by the listener after each poll, also in a process without requests
    """

    def __init__(
        self, on_change: Callable[[Change], None], on_poll: Callable[[], None] = lambda: None
    ) -> None:
        self.on_change, self.on_poll = on_change, on_poll
        self.lock = threading.Lock()
        self.polled_at = 0.0
        self.floor: int | None = None
        self.seen: dict[int, float] = {}
        self.pending, self.stopped = threading.Event(), threading.Event()

    def poll(self) -> None:
        """Read new changes, unless another thread does, or the last poll is younger than a second.

        A notification makes the next poll due at once.
        """
        due = self.pending.is_set() or time.monotonic() - self.polled_at >= POLL_SECONDS
        if not due or database.gone or not self.lock.acquire(blocking=False):
            return
        try:
            self.pending.clear()
            self._read()
            self.polled_at = time.monotonic()
        except UNREACHABLE:
            database.note_gone()
            self.pending.set()
        finally:
            self.lock.release()

    def _read(self) -> None:
        now = timezone.now()
        is_first = self.floor is None
        if is_first:
            older = Change.objects.filter(created_at__lt=now - LATE_COMMITS).order_by("-id").first()
            self.floor = older.pk if older else 0
        recent = Change.objects.filter(pk__gt=self.floor).values_list("pk", flat=True)
        unseen = [pk for pk in recent if pk not in self.seen]
        for change in Change.objects.filter(pk__in=unseen).order_by("pk") if unseen else ():
            self.seen[change.pk] = change.created_at.timestamp()
            if not is_first:
                self.on_change(change)
        settled = [pk for pk, at in self.seen.items() if at < (now - LATE_COMMITS).timestamp()]
        for pk in settled:
            del self.seen[pk]
        self.floor = max([self.floor, *settled])

    def listen(self) -> threading.Thread:
        """Listen to notifications in a daemon thread, until `stopped` is set."""
        thread = threading.Thread(target=self._keep_listening, name="changes", daemon=True)
        thread.start()
        return thread

    def _keep_listening(self) -> None:
        while not self.stopped.is_set():
            wrapper = connections.create_connection("default")
            try:
                wrapper.ensure_connection()
                with wrapper.cursor() as cursor:
                    cursor.execute(f"LISTEN {CHANNEL}")
                # Django opened a connection to look up the type numbers of PostgreSQL.
                connection.close()
                self.pending.set()
                self._poll_now()  # changes committed before
                self._wait_for_notifications(wrapper.connection)
            except Exception as error:
                log.info("no LISTEN, changes are polled each second: %s", type(error).__name__)
            wrapper.close()
            self.stopped.wait(RECONNECT_SECONDS)

    def _wait_for_notifications(self, raw) -> None:
        """Poll after each notification, until the connection breaks."""
        while not self.stopped.is_set():
            select.select([raw], [], [], 1)
            raw.poll()
            if raw.notifies:
                raw.notifies.clear()
                self.pending.set()
                self._poll_now()

    def _poll_now(self) -> None:
        """Poll and refresh, so that an idle process is current too when the database fails."""
        time.sleep(GATHER_SECONDS)
        self.poll()
        try:
            self.on_poll()
        except UNREACHABLE:
            database.note_gone()
        finally:
            connection.close()
