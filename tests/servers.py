"""A pytest plugin: an own VITRINE_HOME with its PostgreSQL and Valkey, before Django reads its settings."""

import os
import shutil
import tempfile
from pathlib import Path

_own = "VITRINE_HOME" not in os.environ
if _own:
    os.environ["VITRINE_HOME"] = tempfile.mkdtemp(prefix="vitrine-tests-")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_configure(config) -> None:
    from ecomsite import embedded

    if not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        embedded.start(Path(os.environ["VITRINE_HOME"]).resolve())


def pytest_unconfigure(config) -> None:
    from ecomsite import embedded

    home = Path(os.environ["VITRINE_HOME"]).resolve()
    embedded.stop(home)
    if _own:
        shutil.rmtree(home, ignore_errors=True)
