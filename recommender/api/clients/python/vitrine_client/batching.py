"""Events in batches: collected in memory, sent together, each once."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from .failures import VitrineError

LARGEST = 10_000
"""Most events of one call."""


class EventBatch:
    """Collects events and sends them at `size`, each `seconds`, and at the end.

    Events get an `event_id` and `occurred_at` where they have none, at once, so that a repeated
    call counts once. Events of a call that fails stay, and are sent with the next one. Use it as a
    context manager; from any thread.

    rejected: results of events that the server refused, with the field and the reason
    """

    def __init__(
        self,
        send: Callable[[list[dict[str, Any]]], Any],
        size: int = 500,
        seconds: float = 1.0,
        most_waiting: int = 100_000,
    ) -> None:
        if not 1 <= size <= LARGEST:
            raise ValueError(f"size must be from 1 to {LARGEST:,}")
        self._send, self.size, self.seconds, self.most_waiting = send, size, seconds, most_waiting
        self.waiting: list[dict[str, Any]] = []
        self.rejected: list[Any] = []
        self.accepted = self.duplicate = 0
        self._lock, self._sending = threading.Lock(), threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, event: Mapping[str, Any]) -> str:
        """Add an event; returns its id. Raises VitrineError where too many wait already."""
        whole = {
            "event_id": str(uuid.uuid4()),
            "occurred_at": datetime.now(UTC).isoformat(),
            **event,
        }
        with self._lock:
            if self._closed.is_set():
                raise VitrineError("the batch is closed")
            if len(self.waiting) >= self.most_waiting:
                raise VitrineError(f"{len(self.waiting):,} events wait already")
            self.waiting.append(whole)
            full = len(self.waiting) >= self.size
            if self._thread is None and self.seconds:
                self._thread = threading.Thread(target=self._keep_sending, daemon=True)
                self._thread.start()
        if full:
            with contextlib.suppress(VitrineError):  # they stay; the next flush tries again
                self.flush()
        return str(whole["event_id"])

    def flush(self) -> None:
        """Send what waits. Raises VitrineError; the events then still wait."""
        with self._sending:
            while True:
                with self._lock:
                    events = self.waiting[: self.size]
                if not events:
                    return
                reply = self._send(events)
                self.accepted += reply.accepted
                self.duplicate += reply.duplicate
                self.rejected += [row for row in reply.results if row.status == "rejected"]
                with self._lock:
                    del self.waiting[: len(events)]

    def _keep_sending(self) -> None:
        while not self._closed.wait(self.seconds):
            with contextlib.suppress(VitrineError):  # tried again after `seconds`
                self.flush()

    def close(self) -> None:
        """Send what waits and stop. Raises VitrineError where that fails."""
        self._closed.set()
        if self._thread:
            self._thread.join()
        self.flush()

    def __enter__(self) -> EventBatch:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
