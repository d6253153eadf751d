"""The gateway in a real server: slow, endless, chunked and oversized bodies, lanes, and a
process that is killed.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from recommender.infrastructure.web_server import server_command

ROOT = Path(__file__).resolve().parents[2]


class Server:
    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            server_command("tests.infrastructure.gateway_site:application", self.port), cwd=ROOT
        )
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                if self.ask("GET", "/live")[0] == 200:
                    return
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def connect(self, data: bytes = b"") -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=15)
        connection.sendall(data)
        return connection

    def ask(self, method: str, path: str, body: bytes = b"", *headers: str) -> tuple[int, dict]:
        length = (
            [f"Content-Length: {len(body)}"]
            if body and "Transfer-Encoding: chunked" not in headers
            else []
        )
        head = "\r\n".join(
            [
                f"{method} {path} HTTP/1.1",
                "Host: shop",
                *length,
                *headers,
                "Connection: close",
                "",
                "",
            ]
        )
        with self.connect(head.encode("latin-1") + body) as connection:
            return read_reply(connection)

    def half_a_body(self) -> socket.socket:
        return self.connect(b"POST /x HTTP/1.1\r\nHost: shop\r\nContent-Length: 100\r\n\r\nhalf")


def read_reply(connection: socket.socket) -> tuple[int, dict]:
    """(status, JSON)"""
    got = b""
    while part := connection.recv(65536):
        got += part
        head, _, body = got.partition(b"\r\n\r\n")
        if body and body.endswith(b"}"):
            break
    assert got, "the connection was closed without a reply"
    return int(head[9:12]), json.loads(body)


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.process.terminate()
    server.process.wait(20)


def test_a_request_reaches_the_site_whole(server):
    status, seen = server.ask(
        "POST",
        "/a%20b%2Fc/%C3%A9?q=%20x",
        b"body",
        "X-Two: 1",
        "X-Two: 2",
        "Cookie: a=1",
        "Cookie: b=2",
    )
    assert (
        status == 200
        and seen["path"] == "/a b/c/é"
        and seen["query"] == "q=%20x"
        and seen["body"] == "body"
        and seen["length"] == "4"
    )
    assert (
        seen["headers"]["HTTP_X_TWO"] == "1,2"
        and seen["headers"]["HTTP_COOKIE"] == "a=1; b=2"
        and seen["headers"]["HTTP_HOST"] == "shop"
    )
    assert seen["address"] == "127.0.0.1"


def test_a_chunked_body_is_read(server):
    status, seen = server.ask(
        "POST", "/x", b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", "Transfer-Encoding: chunked"
    )
    assert status == 200 and seen["body"] == "abcdefg" and seen["length"] == "7"


def test_half_sent_bodies_hold_up_nobody_and_are_refused_in_time(server):
    slow = [server.half_a_body() for _ in range(64)]
    begun = time.monotonic()
    assert [server.ask("POST", "/x", b"quick")[0] for _ in range(50)] == [200] * 50
    assert time.monotonic() - begun < 2, "while the bodies are still awaited"
    replies = [read_reply(connection) for connection in slow]
    assert {status for status, _ in replies} == {
        408
    } and "did not arrive within 2 seconds" in replies[0][1]["detail"]
    assert time.monotonic() - begun < 8
    for connection in slow:
        connection.close()


def test_of_too_many_half_sent_bodies_the_oldest_is_refused(server):
    slow = [server.half_a_body() for _ in range(101)]
    begun = time.monotonic()
    assert read_reply(slow[0])[0] == 408 and time.monotonic() - begun < 1.5
    for connection in slow:
        connection.close()
    assert server.ask("POST", "/x", b"quick")[0] == 200


@pytest.mark.parametrize("headers", [(), ("Transfer-Encoding: chunked",)])
def test_a_body_that_is_too_large_is_refused(server, headers):
    body = b"x" * 10_001
    if headers:
        body = (
            b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:6000], body[6000:]))
            + b"0\r\n\r\n"
        )
    status, problem = server.ask("POST", "/x", body, *headers)
    assert status == 413 and problem["status"] == 413 and problem["title"]


def test_a_client_that_leaves_in_the_middle_is_forgotten(server):
    for _ in range(5):
        server.half_a_body().close()
    assert server.ask("POST", "/x", b"quick")[0] == 200


def test_an_address_that_is_not_utf8_is_refused(server):
    status, problem = server.ask("GET", "/items/%FF%FE")
    assert status == 400 and "UTF-8" in problem["detail"]


def test_what_the_site_raises_is_a_problem_json(server):
    status, problem = server.ask("GET", "/raise")
    assert status == 500 and problem == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "Something went wrong here.",
    }


def test_slow_calls_wait_for_each_other_and_for_nobody_else(server):
    slow = [server.connect(b"GET /slow?0.7 HTTP/1.1\r\nHost: shop\r\n\r\n") for _ in range(8)]
    begun = time.monotonic()
    assert [server.ask("GET", "/quick")[0] for _ in range(20)] == [
        200
    ] * 20 and time.monotonic() - begun < 0.6
    statuses = [read_reply(connection)[0] for connection in slow]
    assert statuses.count(503) >= 1 and statuses.count(200) in (3, 4), (
        "one is served, three wait, the others get a 503"
    )


def test_the_liveness_probe_needs_no_thread(server):
    held = [server.connect(b"GET /sleep?1 HTTP/1.1\r\nHost: shop\r\n\r\n") for _ in range(2)]
    time.sleep(0.1)
    begun = time.monotonic()
    assert server.ask("GET", "/live") == (200, {"status": "ok"}) and time.monotonic() - begun < 0.5
    assert [read_reply(connection)[0] for connection in held] == [200, 200]


def test_a_process_that_is_killed_is_replaced(server):
    [worker] = (
        Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    )
    os.kill(int(worker), signal.SIGKILL)
    time.sleep(0.1)
    server.wait_until_it_answers()
    assert (
        server.ask("POST", "/x", b"again")[1]["body"] == "again" and server.process.poll() is None
    )


def test_many_clients_at_once_are_all_answered(server):
    result = []

    def work(n: int) -> None:
        result.extend(
            server.ask("POST", "/x", f"{n}-{i}".encode())[1]["body"] == f"{n}-{i}"
            for i in range(40)
        )

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert result == [True] * 320
