"""Supervisor: runs web, worker and beat in the foreground, restarts them, watches embedded
servers.
"""

import contextlib
import ctypes
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import psycopg2
from django.conf import settings

from ecomsite import embedded
from recommender.infrastructure.web_server import allow_many_connections, server_command

log = logging.getLogger(__name__)

FALLS_ALLOWED, FALLS_WITHIN = 5, 60.0
"""A process that dies more often within this time is not restarted."""
AT_HOME = {"VITRINE_HTTPS": "0", "VITRINE_ENVIRONMENT": "DEMO"}
"""Defaults of settings for one machine over plain HTTP."""
EMBEDDED_EVERY = 1.0
"""Seconds between checks of the embedded servers."""


class Supervisor:
    """Named child processes, each with a log below VITRINE_HOME/logs."""

    def __init__(self, port: int) -> None:
        for name, value in AT_HOME.items():
            os.environ.setdefault(name, value)
        self.logs = settings.VITRINE_HOME / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.storefront_port = _free_port(port + 1)
        celery = [Path(sys.executable).parent / "celery", "-A", "ecomsite"]
        worker = [*celery, "worker", "-l", "INFO", "--without-gossip", "--without-mingle"]
        self.commands = {
            "web": server_command("ecomsite.rsgi:application", port, workers=2, preload=True),
            "worker": [*worker, "-Q", "train,score", "-c", "2", "-n", "learning@%h"],
            "worker-short": [*worker, "-Q", "default", "-c", "1", "-n", "short@%h"],
            "worker-webhooks": [
                *(*worker, "-Q", "webhooks", "-n", "webhooks@%h"),
                *("-c", "4", "-P", "threads"),
            ],
            "beat": [*celery, "beat", "-l", "INFO", "--pidfile="],
            "storefront": server_command(
                "ecomsite.storefront_rsgi:application", self.storefront_port
            ),
        }
        self.once = {"replay": [sys.executable, "manage.py", "replay", "-v", "0"]}
        """Commands that end by themselves."""
        self.groups = settings.VITRINE_HOME / "processes.txt"
        self.running: dict[str, subprocess.Popen] = {}
        self.falls = {name: deque(maxlen=FALLS_ALLOWED + 1) for name in self.commands}
        """When each fell, the last times."""
        self.stopping, self.watcher = threading.Event(), None

    def start(self, *names: str) -> None:
        for name in names:
            self._start(name)

    def _start(self, name: str) -> None:
        with (self.logs / f"{name}.log").open("ab") as log:
            command = [str(part) for part in (self.commands | self.once)[name]]
            self.running[name] = subprocess.Popen(
                command,
                cwd=settings.BASE_DIR,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_child,
            )

        self.groups.write_text("".join(f"{process.pid}\n" for process in self.running.values()))

    def clear_leftovers(self) -> None:
        """End processes that an earlier supervisor left when it was killed, and reset metrics."""
        shutil.rmtree(settings.VITRINE_HOME / "metrics", ignore_errors=True)
        groups = set(self.groups.read_text().split()) if self.groups.exists() else set()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                group = (process / "stat").read_text().rpartition(")")[2].split()[2]
                if group in groups and b"ecomsite" in (process / "cmdline").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                continue  # it ended meanwhile
        self.groups.unlink(missing_ok=True)

    def tend(self) -> list[str]:
        """Restart dead processes; returns their names. Raises RuntimeError where one dies
        repeatedly.
        """
        fallen = [
            name
            for name, process in self.running.items()
            if name in self.commands and process.poll() is not None
        ]
        for name in fallen:
            falls, now = self.falls[name], time.monotonic()
            falls.append(now)
            if len(falls) > FALLS_ALLOWED and now - falls[0] < FALLS_WITHIN:
                tail = (self.logs / f"{name}.log").read_text(errors="replace")[-1500:]
                raise RuntimeError(
                    f"{name} stopped {len(falls)} times within a minute; the end of its "
                    f"log:\n{tail}"
                )
            self._start(name)
        return fallen

    def watch_embedded(self) -> None:
        """Restart embedded servers that die, until `stop`."""
        self.watcher = threading.Thread(target=self._keep_embedded, name="embedded", daemon=True)
        self.watcher.start()

    def _keep_embedded(self) -> None:
        home = settings.VITRINE_HOME
        while not self.stopping.wait(EMBEDDED_EVERY):
            if dead := [name for name in embedded.PID_FILES if not embedded.is_running(home, name)]:
                log.error("%s died and is started again", " and ".join(dead))
                try:
                    embedded.start(home)
                except (embedded.ServiceError, OSError, psycopg2.Error) as error:
                    log.error("%s; it is tried again", error)

    def stop(self) -> None:
        """End all processes, the worker without waiting for its tasks; nothing is restarted
        afterwards.
        """
        self.stopping.set()
        if self.watcher:
            self.watcher.join()
        for name, process in self.running.items():
            if process.poll() is None:
                process.send_signal(signal.SIGQUIT if name.startswith("worker") else signal.SIGTERM)
        deadline = time.monotonic() + 10
        for process in self.running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.clear_leftovers()


def _child() -> None:
    """In the child: a session of its own, so that ctrl-C reaches only the parent; it dies with the
    parent.
    """
    os.setsid()
    allow_many_connections()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _free_port(wanted: int) -> int:
    """This port, or another free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
    return wanted
