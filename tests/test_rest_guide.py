"""docs/rest.md: its first day, pasted into a shell, against a running server; and its examples."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.servers import environment_of_tests

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/rest.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines() if line]
MARK = "=== reply ==="


@pytest.fixture
def address(transactional_db, checkpoints, tmp_path):
    """A server of its own on the test database, as `manage.py serve` starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", "1"]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment_of_tests(checkpoints),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{url}/api/v1/health/ready", timeout=5).close()
            break
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < deadline, (tmp_path / "server.log").read_text()[-2000:]
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait(30)


def test_the_first_day_goes_from_an_empty_shop_to_an_attributed_purchase(
    address, checkpoints, tmp_path
):
    assert len(COMMANDS) <= 30
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tools / "python").chmod(0o755)
    (tmp_path / "manage.py").symlink_to(ROOT / "manage.py")
    script = "shopt -s expand_aliases\nset -e\n"
    for command in COMMANDS:
        script += f"{command}\necho; echo '{MARK}'\n"
        if "analytics" in COMMANDS[min(COMMANDS.index(command) + 1, len(COMMANDS) - 1)]:
            script += "sleep 1\n"  # whoever pastes by hand takes longer
    environment = environment_of_tests(checkpoints) | {
        "VITRINE": address,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    replies = {
        command: reply.strip()
        for command, reply in zip(COMMANDS, done.stdout.split(MARK), strict=False)
    }
    earned = reply_to(replies, "analytics")["rows"]
    (home_top,) = [row for row in earned if row["placement"] == "home_top" and row["purchases"]]
    assert (home_top["clicks"], home_top["purchases"], home_top["revenue"]) == (1, 1, 3.38)
    listed = reply_to(replies, "items?fields")
    assert [row["item_id"] for row in listed["items"]] == ["22423", "47566", "84879", "85123A"]
    assert listed["items"][0]["price"] == {"amount": "12.75"}
    events = reply_to(replies, "events?user_id")["items"]
    assert {row["event_id"] for row in events} >= {"order-1002", "click-1", "order-1001"}
    rejected = reply_to(replies, "dry_run")["results"][0]
    assert rejected["error"]["field"] == "price"


def reply_to(replies, part):
    (command,) = [command for command in replies if part in command]
    return json.loads(replies[command])


def test_every_call_of_the_guide_exists():
    """Each `METHOD /api/v1/…` and each path in a table is an operation of the schema."""
    schema = SchemaGenerator().get_schema(request=None, public=True)
    patterns = {
        (method.upper(), re.compile(re.sub(r"{[a-z_]+}", "[^/?]+", path)))
        for path, methods in schema["paths"].items()
        for method in methods
    }
    calls = re.findall(r"^(GET|PUT|POST|PATCH|DELETE) +(/api/v1/[^\s?]+)", PAGE, re.MULTILINE)
    named = re.findall(r"`(GET|PUT|POST|PATCH|DELETE) ([a-z][^\s`?]*)", PAGE)
    calls += [(method, f"/api/v1/{path}") for method, path in named]
    assert len(calls) > 50
    for method, path in calls:
        path = re.sub(r"{[a-z_]+}", "x", path)
        assert any(m == method and p.fullmatch(path) for m, p in patterns), (method, path)
