"""A pytest plugin: an own VITRINE_HOME with its PostgreSQL and Valkey, before Django reads its
settings. Each process of pytest-xdist has its own. The servers start with the first test that is
not one of the library's.
"""

import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest

LIBRARY = Path(__file__).resolve().parent / "training"
STARTED = pytest.StashKey[bool]()
"""True from the first attempt to start servers."""

_own = "PYTEST_XDIST_WORKER" in os.environ or "VITRINE_HOME" not in os.environ
if _own:
    os.environ["VITRINE_HOME"] = tempfile.mkdtemp(prefix="vitrine-tests-")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("VITRINE_HTTPS", "0")
HOME = Path(os.environ["VITRINE_HOME"]).resolve()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    brought_along = os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")
    if brought_along or STARTED in item.config.stash or item.path.is_relative_to(LIBRARY):
        return
    item.config.stash[STARTED] = True
    from ecomsite import embedded

    try:
        embedded.start(HOME)
    except embedded.ServiceError as error:
        pytest.exit(f"no servers for the tests: {error}", returncode=3)
    if _own:
        _no_autovacuum(embedded.postgres_dsn(HOME))


def _no_autovacuum(dsn: dict[str, str]) -> None:
    """Between tests, whose rows are never committed, it would note that all tables are empty,
    and queries would be planned for that.
    """
    import psycopg2

    connection = psycopg2.connect(**dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET autovacuum = off")
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()


def pytest_unconfigure(config: pytest.Config) -> None:
    if STARTED in config.stash:
        from ecomsite import embedded

        embedded.stop(HOME)
    if _own:
        shutil.rmtree(HOME, ignore_errors=True)


def environment_of_tests(checkpoints: Path) -> dict[str, str]:
    """For a process beside this one, on the test database and these checkpoints."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    host = f"{quote(database['HOST'], safe='')}:{database['PORT'] or 5432}"
    url = f"postgres://{database['USER']}@{host}/{database['NAME']}"
    if database.get("PASSWORD"):
        url = url.replace("@", f":{quote(database['PASSWORD'], safe='')}@", 1)
    return {**os.environ, "DATABASE_URL": url, "VITRINE_CHECKPOINTS": str(checkpoints)}
