"""The command line of a web server process: granian in front of an RSGI application."""

import os
import resource
import sys
from pathlib import Path

BACKPRESSURE = 4000
"""Requests that one process holds at once, including those whose bodies are still arriving."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def server_command(
    application: str, port: int, workers: int = 1, host: str = "127.0.0.1", preload: bool = False
) -> list[str]:
    """granian for this application.

    A worker process that dies is replaced by its parent while the others go on serving. `preload`:
    import the site's packages before workers are forked, so that they share memory.
    """
    granian = [str(Path(sys.executable).parent / "granian")]
    return [
        *([sys.executable, "-m", "ecomsite.preloaded"] if preload else granian),
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


def compute_in_one_thread() -> None:
    """Limit numeric packages to one thread each; call it before they are imported.

    Several requests at once use the cores better than threads that wait for each other.
    """
    for name in THREADS:
        os.environ.setdefault(name, "1")


def allow_many_connections() -> None:
    """Raise this process's soft limit of open files to the hard one: each connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
