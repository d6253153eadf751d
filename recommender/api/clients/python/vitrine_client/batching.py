"""Events in batches: collected in memory, sent together, each once."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from .failures import ApiError, Unreachable, VitrineError

REFUSED = frozenset({400, 413, 422})
"""Statuses of a call that is refused again however often it is sent."""
LARGEST = 10_000
"""Most events of one call."""


class Closed(VitrineError):
    """The batch was closed, or holds too many events."""


class EventBatch:
    """Collects events and sends them at `size`, each `seconds`, and at the end.

    Events get an `event_id` and `occurred_at` where they have none, at once, so that a repeated
    call counts once. Events of a call that fails stay, and are sent with the next one. Use it as a
    context manager; from any thread.

    rejected: `{event_id, status, error}` of events that were refused, with the reason
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
        self.rejected: list[dict[str, Any]] = []
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
                raise Closed("the batch is closed")
            if len(self.waiting) >= self.most_waiting:
                raise Closed(f"{len(self.waiting):,} events wait already")
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
                self._send_or_split(events)
                with self._lock:
                    del self.waiting[: len(events)]

    def _send_or_split(self, events: list[dict[str, Any]]) -> None:
        """Send events; where they are refused as a whole, halves of them, down to the one."""
        try:
            reply = self._send(events)
        except ApiError as error:
            if error.status not in REFUSED:
                raise
            self._split(events, error.problem.detail if error.problem else str(error))
        except (Unreachable, Closed):
            raise
        except VitrineError as error:  # it is no JSON
            self._split(events, str(error))
        else:
            self.accepted += reply.accepted
            self.duplicate += reply.duplicate
            self.rejected += [row.to_dict() for row in reply.results if row.status == "rejected"]

    def _split(self, events: list[dict[str, Any]], reason: str) -> None:
        if len(events) == 1:
            refused = {"event_id": events[0]["event_id"], "status": "rejected"}
            self.rejected.append(refused | {"error": {"field": "event", "message": reason}})
            return
        middle = len(events) // 2
        self._send_or_split(events[:middle])
        self._send_or_split(events[middle:])

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
