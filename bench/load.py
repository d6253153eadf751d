"""A small load generator: each client has one connection and asks again as soon as it has its
answer.
"""

import socket
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Make = Callable[[int], bytes]
"""The bytes of the nth request."""


@dataclass(frozen=True)
class Load:
    """What a load gave: requests a second, milliseconds each, answers that were not 2xx."""

    per_second: float
    milliseconds: list[float]
    errors: int

    def p(self, percent: int) -> float:
        return statistics.quantiles(self.milliseconds, n=100)[percent - 1]


def request(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
        f"{key}\r\nContent-Type: application/json\r\n"
    )
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, message: bytes) -> tuple[int, bytes]:
        """(status, body)"""
        self.socket.sendall(message)
        got = self._more(65536)
        while b"\r\n\r\n" not in got:
            got += self._more(65536)
        head, _, body = got.partition(b"\r\n\r\n")
        length_text = head.lower().partition(b"content-length:")[2]
        length = int(length_text.partition(b"\r\n")[0]) if length_text else 0  # 204 has none
        parts = [body]
        missing = length - len(body)
        while missing > 0:
            parts.append(self._more(min(missing, 1 << 20)))
            missing -= len(parts[-1])
        return int(head[9:12]), b"".join(parts)

    def _more(self, most: int) -> bytes:
        """Raises ConnectionError where the server closed the connection in the middle."""
        part = self.socket.recv(most)
        if not part:
            raise ConnectionError("closed by the server")
        return part


def run_load(port: int, make: Make, seconds: float, clients: int = 4) -> Load:
    """So many clients for so long."""
    result: list[tuple[list[float], int]] = []
    until = time.perf_counter() + seconds

    def work(number: int) -> None:
        client, taken, errors, n = Client(port), [], 0, number
        while (begun := time.perf_counter()) < until:
            status, _ = client.ask(make(n))
            taken.append((time.perf_counter() - begun) * 1000)
            errors += not 200 <= status < 300
            n += clients
        result.append((taken, errors))

    begun = time.perf_counter()
    threads = [threading.Thread(target=work, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [value for values, _ in result for value in values]
    return Load(
        len(taken) / (time.perf_counter() - begun), taken, sum(errors for _, errors in result)
    )
