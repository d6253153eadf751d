"""Run everything on one machine in the foreground, with a real shop's data; Ctrl-C stops it."""

import hashlib
import json
import os
import secrets
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from ecomsite import embedded
from recommender.demo import check
from recommender.demo.supervisor import Supervisor

LONGEST_CHECK = 25 * 60
USERNAME = "merchandiser"


class Stopped(Exception):
    """The demo was stopped, by Ctrl-C or `make stop`."""


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument(
            "--check",
            action="store_true",
            help="stop with status 0 once a list and a page were served",
        )
        parser.add_argument(
            "--stop", action="store_true", help="stop the demo that runs in another shell"
        )
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))

    def handle(self, **options):
        self.pid_file = settings.VITRINE_HOME / "demo.pid"
        if options["stop"]:
            return self._stop_other()
        self._refuse_second()
        supervisor = Supervisor(options["port"])
        supervisor.clear_leftovers()
        _refuse_port_in_use(options["port"])
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, _raise_stopped)
        try:
            self._run(supervisor, options)
        except Stopped:
            self.stdout.write("\nstopping …")
        finally:
            for name in (signal.SIGINT, signal.SIGTERM):
                signal.signal(name, signal.SIG_IGN)
            supervisor.stop()
            embedded.stop(settings.VITRINE_HOME)
            self.pid_file.unlink(missing_ok=True)

    def _run(self, supervisor: Supervisor, options: dict) -> None:
        self.pid_file.write_text(str(os.getpid()))
        self._prepare(supervisor)
        supervisor.start("web")
        self.base_url = f"http://127.0.0.1:{options['port']}"
        self._wait_until_ready(supervisor)
        supervisor.start("worker", "worker-short", "worker-webhooks", "beat")
        self.storefront_url = f"http://127.0.0.1:{supervisor.storefront_port}"
        self._let_storefront_send()
        demo = self._write_demo_file()
        supervisor.start("storefront")
        self._tell(demo)
        self._bring_data()
        demo = self._write_demo_file()
        self._begin_training()
        if options["check"]:
            self._check(supervisor, demo)
            return
        from recommender.demo import sample_desk
        from recommender.infrastructure import availability

        announced = False
        while True:
            self._tend(supervisor)
            with availability.while_reachable():
                if not announced and self._tell_when_live(demo):
                    announced = True
                    sample_desk.open_desk(self.shop)  # its models are trained after the ranking
                    supervisor.start("replay")
            time.sleep(0.5)

    def _refuse_second(self) -> None:
        settings.VITRINE_HOME.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (pid := _running(self.pid_file)) is not None:
            raise CommandError(
                f"a demo of this folder runs already (process {pid}); `make stop` ends it"
            )

    def _stop_other(self) -> None:
        if (pid := _running(self.pid_file)) is not None:
            os.kill(pid, signal.SIGTERM)
            while _running(self.pid_file) is not None:
                time.sleep(0.2)
        embedded.stop(settings.VITRINE_HOME)
        self.stdout.write("stopped")

    def _prepare(self, supervisor: Supervisor) -> None:
        if not (settings.DATABASE_URL and os.environ.get("REDIS_URL")):
            try:
                embedded.start(settings.VITRINE_HOME)
            except embedded.ServiceError as error:
                raise CommandError(str(error)) from None
            supervisor.watch_embedded()
        call_command("migrate", verbosity=0)
        _collect_static()
        from recommender.demo import sample_shop

        self.shop = sample_shop.create_shop()
        _restore_queue()

    def _wait_until_ready(self, supervisor: Supervisor) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.base_url}/api/v1/health/ready", timeout=5):
                    return
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    raise CommandError(
                        f"the site does not answer: {error}; see {supervisor.logs}/web.log"
                    ) from None
            self._tend(supervisor)
            time.sleep(0.3)

    def _tend(self, supervisor: Supervisor) -> None:
        try:
            for name in supervisor.tend():
                self.stderr.write(
                    f"{name} stopped and was started again; see {supervisor.logs}/{name}.log"
                )
        except RuntimeError as error:
            raise CommandError(str(error)) from None

    def _write_demo_file(self) -> dict:
        """Write addresses, login, a key and some shoppers; readable by this user only."""
        path = settings.VITRINE_HOME / "demo.json"
        known = _read_json(path)
        demo = {
            "base_url": self.base_url,
            "console_url": f"{self.base_url}/console/s/{self.shop.key}/",
            "username": USERNAME,
            "password": self._password(known.get("password")),
            "api_key": self._key(known.get("api_key")),
            "shop": self.shop.key,
            "user_ids": self._user_ids(),
            "public_key": self._public_key(known.get("public_key")),
            "storefront_url": self.storefront_url,
            "metrics_token": settings.METRICS_TOKEN,
        }
        part = path.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(json.dumps(demo, indent=1))
        part.replace(path)
        return demo

    def _password(self, known: str | None) -> str:
        from django.contrib.auth import get_user_model

        user = get_user_model().objects.filter(username=USERNAME).first()
        if user and known and user.check_password(known):
            return known
        password = secrets.token_urlsafe(9)
        user = user or get_user_model()(
            username=USERNAME, is_staff=True, is_superuser=True, first_name="Demo"
        )
        user.set_password(password)
        user.save()
        return password

    def _key(self, known: str | None) -> str:
        from recommender.models import ApiKey
        from recommender.models.api_keys import SCOPES

        if known and (row := ApiKey.objects.find(known)):
            ApiKey.objects.filter(pk=row.pk).update(scopes=SCOPES)  # an earlier build had fewer
            return known
        return ApiKey.objects.issue(self.shop, "demo", SCOPES)[1]

    def _public_key(self, known: str | None) -> str:
        from recommender.models import ApiKey

        if known and (row := ApiKey.objects.find(known)) and "assist:write" in row.scopes:
            return known  # an earlier build's key may not search, or put questions
        return ApiKey.objects.issue(
            self.shop, "storefront", [], public=True, search=True, assist=True
        )[1]

    def _let_storefront_send(self) -> None:
        self.shop.origins = [
            self.storefront_url,
            self.storefront_url.replace("127.0.0.1", "localhost"),
        ]
        self.shop.save(update_fields=["origins"])

    def _user_ids(self) -> list[str]:
        shoppers = self.shop.shoppers.filter(revision__gt=0).order_by("user_id")
        return list(shoppers.values_list("user_id", flat=True)[100:110]) or list(
            shoppers.values_list("user_id", flat=True)[:10]
        )

    def _tell(self, demo: dict) -> None:
        self.stdout.write(f"""
  console   {demo["console_url"]}
  sign in   {demo["username"]} / {demo["password"]}
  shopfront {demo["storefront_url"]}
  API docs  {demo["base_url"]}/api/docs
  API key   {demo["api_key"]}
  all of it in {settings.VITRINE_HOME / "demo.json"}; ctrl-C stops everything
""")

    def _bring_data(self) -> None:
        from recommender.demo import sample_shop

        if self.shop.events.exists():
            return
        for noun, report in sample_shop.load(self.shop):
            self.stdout.write(f"{noun}: {report}")

    def _begin_training(self) -> None:
        from recommender.model_lifecycle.runs import start_run

        if self.shop.champion() is None and not self.shop.runs.active().exists():
            start_run(self.shop, preset="quick")
            self.stdout.write(
                "The first training run has begun: watch it in the console under Train. "
                "Until then shoppers see what is popular."
            )

    def _tell_when_live(self, demo: dict) -> bool:
        version = self.shop.champion()
        if version and demo["user_ids"]:
            body = {"placement": "home_top", "user_id": demo["user_ids"][0], "limit": 5}
            call = (
                f"curl -s {demo['base_url']}/api/v1/recommendations"
                f' -H "Authorization: Bearer {demo["api_key"]}" \\\n'
                f"""       -H "Content-Type: application/json" -d '{json.dumps(body)}'"""
            )
            self.stdout.write(f"{version} serves. Try:\n  {call}")
        return version is not None

    def _check(self, supervisor: Supervisor, demo: dict) -> None:
        from recommender.recommendations import batch_scoring

        deadline = time.monotonic() + LONGEST_CHECK
        while (version := self.shop.champion()) is None or batch_scoring.counts(version)[0] == 0:
            self._tend(supervisor)
            last = self.shop.runs.filter(recipe="fusion").first()
            if version is None and last and not last.is_active:
                raise CommandError(
                    f"run {last.pk} {last.status}: {last.error}\n{last.log_tail[-3000:]}"
                )
            if time.monotonic() > deadline:
                raise CommandError(
                    f"no list after {LONGEST_CHECK // 60} minutes; see {supervisor.logs}"
                )
            time.sleep(1)
        time.sleep(2)
        try:
            for seen in check.check(demo):
                self.stdout.write(f"ok: {seen}")
        except check.CheckFailed as error:
            raise CommandError(str(error)) from None


def _refuse_port_in_use(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for attempt in range(10):
            try:
                probe.bind(("127.0.0.1", port))
                return
            except OSError:
                if attempt == 9:
                    raise CommandError(
                        f"port {port} is in use; choose another: make demo PORT={port + 1}"
                    ) from None
                time.sleep(0.2)


def _collect_static() -> None:
    """Collect static files, if the own or the packages' files have changed."""
    files = sorted(p for p in (settings.BASE_DIR / "static").rglob("*") if p.is_file())
    state = (
        "".join(f"{p} {p.stat().st_mtime_ns}\n" for p in files)
        + (settings.BASE_DIR / "requirements.txt").read_text()
    )
    stamp = settings.STATIC_ROOT / ".collected"
    digest = hashlib.sha256(state.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        call_command("collectstatic", interactive=False, verbosity=0)
        stamp.write_text(digest)


def _raise_stopped(*_) -> None:
    raise Stopped


def _running(pid_file: Path) -> int | None:
    """The process that holds this file, if it is still a demo."""
    try:
        pid = int(pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"demo" in command else None


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def _restore_queue() -> None:
    """End the run that an earlier demo left running, and queue those that wait."""
    from recommender.models import TrainingRun
    from recommender.models.registry import RunStatus
    from recommender.tasks import train

    for run in TrainingRun.objects.filter(status=RunStatus.RUNNING):
        run.finish(
            RunStatus.FAILED,
            f"Everything was stopped during “{run.stage or 'start'}”. Nothing live has "
            "changed; the run can be started again.",
        )
    for run in TrainingRun.objects.filter(status=RunStatus.QUEUED):
        train.delay(run.pk)
