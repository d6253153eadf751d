"""Following the Change feed: how every process hears, within a second, that something it keeps in memory is out of date.

Each process looks at the table at most once a second, when it is asked for something. Transactions commit out of the order
of their ids, so a look also covers the ids of the last minutes again and leaves out those it has seen.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from recommender.models import Change

LOOK_EVERY = 1.0
LATE_COMMITS = timedelta(minutes=10)


class Feed:
    """Calls `on_change(change)` once for each Change that was committed since this process began to follow."""

    def __init__(self, on_change: Callable[[Change], None]) -> None:
        self.on_change = on_change
        self.lock = threading.Lock()
        self.looked = 0.0
        self.floor: int | None = None
        self.seen: dict[int, float] = {}

    def look(self) -> None:
        """Read news, unless another thread does or did so within the second."""
        if time.monotonic() - self.looked < LOOK_EVERY or not self.lock.acquire(blocking=False):
            return
        try:
            self._read()
            self.looked = time.monotonic()
        finally:
            self.lock.release()

    def _read(self) -> None:
        now = timezone.now()
        first_look = self.floor is None
        if first_look:
            older = Change.objects.filter(created_at__lt=now - LATE_COMMITS).order_by("-id").first()
            self.floor = older.pk if older else 0
        for change in Change.objects.filter(pk__gt=self.floor).order_by("pk"):
            if change.pk not in self.seen:
                self.seen[change.pk] = change.created_at.timestamp()
                if not first_look:
                    self.on_change(change)
        settled = [pk for pk, at in self.seen.items() if at < (now - LATE_COMMITS).timestamp()]
        for pk in settled:
            del self.seen[pk]
        self.floor = max([self.floor, *settled])
