"""The command line of a web server process: granian in front of an RSGI application."""

import resource
import sys
from pathlib import Path

BACKPRESSURE = 4000
"""Requests that one process holds at once, those whose bodies are awaited included."""


def server_command(
    application: str, port: int, workers: int = 1, host: str = "127.0.0.1"
) -> list[str]:
    """granian for this application.

    A worker process that dies is replaced by its parent while the others go on serving.
    """
    return [
        str(Path(sys.executable).parent / "granian"),
        "--interface",
        "rsgi",
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        str(workers),
        "--loop",
        "uvloop",
        "--backlog",
        "4096",
        "--backpressure",
        str(BACKPRESSURE),
        "--respawn-failed-workers",
        "--http1-header-read-timeout",
        "10000",
        "--no-ws",
        application,
    ]


def allow_many_connections() -> None:
    """Raise this process's soft limit of open files to the hard one: each connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
