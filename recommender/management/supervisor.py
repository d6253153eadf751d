"""Runs the site's processes in the foreground: web, worker, beat. They die with us, and come back when they fall."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from django.conf import settings

FALLS_ALLOWED = 5


class Supervisor:
    """Named child processes with a log each below VITRINE_HOME/logs."""

    def __init__(self, port: int) -> None:
        self.logs = settings.VITRINE_HOME / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.storefront_port = _free_port(port + 1)
        celery = [Path(sys.executable).parent / "celery", "-A", "ecomsite"]
        worker = [*celery, "worker", "-l", "INFO", "--without-gossip", "--without-mingle"]
        self.commands = {
            "web": [*_server(port, 2), "ecomsite.wsgi:application"],
            "worker": [*worker, "-Q", "train,score", "-c", "2", "-n", "learning@%h"],
            "worker-short": [*worker, "-Q", "default", "-c", "1", "-n", "short@%h"],
            "beat": [*celery, "beat", "-l", "INFO", "--pidfile="],
            "storefront": [*_server(self.storefront_port, 1), "ecomsite.storefront_wsgi:application"],
        }
        self.once = {"replay": [sys.executable, "manage.py", "replay", "-v", "0"]}
        """Commands that end by themselves."""
        self.groups = settings.VITRINE_HOME / "processes.txt"
        self.running: dict[str, subprocess.Popen] = {}
        self.falls = dict.fromkeys(self.commands, 0)

    def start(self, *names: str) -> None:
        for name in names:
            self._start(name)

    def _start(self, name: str) -> None:
        with (self.logs / f"{name}.log").open("ab") as log:
            command = [str(part) for part in (self.commands | self.once)[name]]
            self.running[name] = subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=log, stderr=subprocess.STDOUT, preexec_fn=_child)

        self.groups.write_text("".join(f"{process.pid}\n" for process in self.running.values()))

    def clear_leftovers(self) -> None:
        """End what an earlier supervisor left when it was killed: a server's own children do not die with it. Measures begin anew."""
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
        """Start again what has fallen; returns names. Raises RuntimeError where one falls again and again."""
        fallen = [name for name, process in self.running.items() if name in self.commands and process.poll() is not None]
        for name in fallen:
            self.falls[name] += 1
            if self.falls[name] > FALLS_ALLOWED:
                tail = (self.logs / f"{name}.log").read_text(errors="replace")[-1500:]
                raise RuntimeError(f"{name} stopped {self.falls[name]} times; the end of its log:\n{tail}")
            self._start(name)
        return fallen

    def stop(self) -> None:
        """Ask all to end, the worker without waiting for its tasks; then make sure."""
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
    """In the child: a session of its own, so that ctrl-C reaches only us, and death with us."""
    os.setsid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _server(port: int, workers: int) -> list[str | Path]:
    granian = Path(sys.executable).parent / "granian"
    address = ["--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)]
    return [granian, *address, "--workers", str(workers), "--blocking-threads", "2" if workers > 1 else "4", "--no-ws"]


def _free_port(wanted: int) -> int:
    """This port, or where it is in use any other."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
    return wanted
