"""Check configuration and dependencies: one line each; status 1 if anything is wrong."""

from collections.abc import Iterator

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from recommender.inference import checkpoint_files, verification
from recommender.infrastructure import availability
from recommender.models import ModelVersion, TrainingRun


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def handle(self, **options):
        wrong = 0
        for name, problem, note in self._findings():
            wrong += bool(problem)
            self.stdout.write(f"{'WRONG' if problem else 'ok   '} {name}: {problem or note}")
        if wrong:
            raise CommandError(f"{wrong} of these are wrong")

    def _findings(self) -> Iterator[tuple[str, str, str]]:
        """(what, what is wrong or "", note)"""
        states = availability.dependencies()
        for name, brought in (
            ("database", settings.DATABASE_URL),
            ("queue", not settings.REDIS_URL.startswith(f"redis+socket://{settings.VITRINE_HOME}")),
        ):
            yield (
                name,
                "" if states[name] == "ok" else states[name],
                "answers" + ("" if brought else " (embedded)"),
            )
        if states["database"] != "ok":
            return
        pending = MigrationExecutor(connection).migration_plan(
            MigrationExecutor(connection).loader.graph.leaf_nodes()
        )
        yield (
            "migrations",
            f"{len(pending)} are to be applied: manage.py migrate" if pending else "",
            "complete",
        )
        yield (
            "https",
            "",
            "cookies are sent over HTTPS alone"
            if settings.VITRINE_HTTPS
            else "off: cookies are sent over plain HTTP",
        )
        proxies = ", ".join(map(str, settings.TRUSTED_PROXIES))
        yield (
            "trusted proxies",
            "",
            proxies
            or "none: behind a proxy all shoppers would count as one address; set TRUSTED_PROXIES",
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT datctype FROM pg_database WHERE datname = current_database()")
            letters = cursor.fetchone()[0]
        message = f"LC_CTYPE is {letters}" + (
            ": letters beyond ASCII are none to it; a new database with C.UTF-8 knows them"
            if letters in ("C", "POSIX")
            else ""
        )
        yield "letters", "", message
        yield "debug", "DEBUG is on" if settings.DEBUG else "", "off"
        silent = TrainingRun.objects.silent().count()
        yield "training runs", f"{silent} have a silent worker" if silent else "", "none is stuck"
        for version in ModelVersion.objects.filter(status="champion").select_related("shop", "run"):
            yield f"champion {version.label} of {version.shop.key}", self._broken(version), "whole"

    def _broken(self, version: ModelVersion) -> str:
        try:
            verification.verify(version.folder, version.purpose)
        except checkpoint_files.BrokenCheckpoint as error:
            return str(error)
        return ""
