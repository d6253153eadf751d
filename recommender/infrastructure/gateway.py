"""HTTP gateway between granian (RSGI) and the site: buffers request bodies, dispatches to threads.

An event loop reads each body, within a deadline and a size, before a serving thread is taken; a
slow client holds a connection and no thread. Slow calls have a lane of their own, so that they wait
only for each other. The event loop itself answers the liveness probe.
"""

import asyncio
import contextlib
import logging
import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from io import BytesIO
from typing import Any

import orjson

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
SWEEP_SECONDS = 0.5
RESERVED = frozenset({"content-type", "content-length", "transfer-encoding"})
"""Request headers that WSGI names without HTTP_, or that the buffered body replaces."""
STATIC = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
    "SERVER_SOFTWARE": "granian",
}

WSGI = Callable[[dict[str, Any], Callable], Iterable[bytes]]


@dataclass(frozen=True)
class Lane:
    """Threads for requests whose path begins with one of `prefixes`.

    Up to `queued` requests wait; the next one gets a 503.
    """

    name: str
    threads: int
    prefixes: tuple[str, ...] = ()
    queued: int = 1000


@dataclass(frozen=True)
class Limits:
    """Limits of request bodies.

    body_bytes: largest body body_seconds: deadline of a body bodies: bodies that may be arriving at
    once; then the oldest is refused
    """

    body_bytes: int
    body_seconds: float
    bodies: int = 2000


class _Workers:
    """The running threads of a lane."""

    def __init__(self, lane: Lane) -> None:
        self.lane, self.waiting = lane, queue.SimpleQueue()
        for n in range(lane.threads):
            threading.Thread(target=self._work, name=f"{lane.name}-{n}", daemon=True).start()

    @property
    def is_full(self) -> bool:
        return self.waiting.qsize() >= self.lane.queued

    def _work(self) -> None:
        take = self.waiting.get
        while True:
            call, *values = take()
            call(*values)
            del call, values  # a reply of megabytes is not held until the next request


class Gateway:
    """The RSGI application.

    lanes: the first one serves paths that no other names live: path of the liveness probe, and the
    JSON of its reply
    """

    def __init__(
        self, site: WSGI, lanes: Sequence[Lane], limits: Limits, live: tuple[str, bytes]
    ) -> None:
        self.site, self.lanes, self.limits, self.live = site, lanes, limits, live
        self.finished: deque[asyncio.Future] = deque()
        """Of requests that have their reply.

        The event loop resolves them when it is awake anyway: to wake it costs as much as a small
        reply.
        """
        self.pending: OrderedDict[asyncio.Task, float] = OrderedDict()
        """Tasks that wait for a body, the oldest first, and until when."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.usual, *special = [_Workers(lane) for lane in self.lanes]
        self.special = [
            (prefix, workers) for workers in special for prefix in workers.lane.prefixes
        ]
        loop.call_later(SWEEP_SECONDS, self._sweep)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            protocol.close(None)
            return
        if scope.path == self.live[0]:
            protocol.response_bytes(200, [("content-type", "application/json")], self.live[1])
            return
        if "\ufffd" in scope.path:
            refuse(protocol, 400, "The address is not valid UTF-8.")
            return
        headers = scope.headers
        length = headers.get("content-length")
        try:
            body = (
                b""
                if length in (None, "0") and "transfer-encoding" not in headers
                else await self._body(protocol, length)
            )
        except asyncio.CancelledError:
            refuse(
                protocol,
                408,
                f"The body did not arrive within {self.limits.body_seconds:g} seconds.",
            )
            return
        except RuntimeError:  # granian's RSGIProtocolClosed: the client is gone
            return
        if body is None:
            refuse(
                protocol,
                413,
                f"The body is larger than {self.limits.body_bytes // 2**20} MB; send "
                "smaller batches.",
            )
            return
        workers = self._workers_of(scope.path)
        if workers.is_full:
            refuse(
                protocol,
                503,
                "Too many requests wait; try again in a moment.",
                ("retry-after", "5"),
            )
            return
        done = self.loop.create_future()
        self._let_go()
        workers.waiting.put((self._serve, scope, headers, body, protocol, done))
        await done

    async def _body(self, protocol: Any, length: str | None) -> bytes | None:
        """The whole body; None where it is too large. Raises CancelledError at the deadline."""
        most = self.limits.body_bytes
        if length is not None and (
            not length.isascii() or not length.isdigit() or int(length) > most
        ):
            return None
        task = asyncio.current_task()
        self.pending[task] = self.loop.time() + self.limits.body_seconds
        if len(self.pending) > self.limits.bodies:
            next(iter(self.pending)).cancel()
        try:
            if length is not None:
                return await protocol()
            return await _read_parts(protocol, most)
        finally:
            self.pending.pop(task, None)

    def _sweep(self) -> None:
        """Refuse bodies that are past their deadline."""
        self._let_go()
        self.loop.call_later(SWEEP_SECONDS, self._sweep)
        now = self.loop.time()
        for task, until in list(self.pending.items()):
            if until > now:
                break
            task.cancel()

    def _let_go(self) -> None:
        while self.finished:
            self.finished.popleft().set_result(None)

    def _workers_of(self, path: str) -> _Workers:
        for prefix, workers in self.special:
            if path.startswith(prefix):
                return workers
        return self.usual

    def _serve(
        self, scope: Any, headers: Any, body: bytes, protocol: Any, done: asyncio.Future
    ) -> None:
        """In a thread: pass one request to the site and its reply to the client."""
        try:
            status, reply_headers, reply = self._call(environ_of(scope, headers, body))
            protocol.response_bytes(status, reply_headers, reply)
        except Exception:
            log.exception("the site raised instead of replying")
            refuse(protocol, 500, "Something went wrong here.")
        finally:
            self.finished.append(done)

    def _call(self, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
        """The site's whole reply, so that a client that reads slowly holds no thread."""
        begun: list[Any] = []
        parts = self.site(
            environ, lambda status, headers, exc_info=None: begun.extend((int(status[:3]), headers))
        )
        try:
            reply = parts[0] if isinstance(parts, list) and len(parts) == 1 else b"".join(parts)
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return begun[0], begun[1], reply


async def _read_parts(protocol: Any, most: int) -> bytes | None:
    parts, size = [], 0
    async for part in protocol:
        parts.append(part)
        size += len(part)
        if size > most:
            return None
    return b"".join(parts)


def environ_of(scope: Any, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The WSGI environment (PEP 3333) of an RSGI request whose body is buffered."""
    host, _, port = scope.server.rpartition(":")
    environ = {
        **STATIC,
        "REQUEST_METHOD": scope.method,
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": headers.get("content-type", ""),
    }
    for name, value in headers.items():
        if name in RESERVED:
            continue
        key = _wsgi_name(name)
        if key in environ:
            value = f"{environ[key]}{'; ' if name == 'cookie' else ','}{value}"
        environ[key] = value
    if "HTTP_HOST" not in environ and scope.authority:
        environ["HTTP_HOST"] = scope.authority
    return environ


@lru_cache(maxsize=500)
def _wsgi_name(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def refuse(protocol: Any, status: int, detail: str, *headers: tuple[str, str]) -> None:
    """Send an error reply as problem+json (RFC 9457) from the gateway, without calling the site."""
    body = orjson.dumps(
        {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
        }
    )
    with contextlib.suppress(RuntimeError):  # the client is gone, or had its reply
        protocol.response_bytes(status, [("content-type", PROBLEM), *headers], body)
