"""Start, stop or show the embedded PostgreSQL and Valkey."""

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ecomsite import embedded


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("action", choices=["start", "stop", "status"])

    def handle(self, action, **options):
        try:
            if action == "start":
                embedded.start(settings.VITRINE_HOME)
            elif action == "stop":
                embedded.stop(settings.VITRINE_HOME)
        except embedded.ServiceError as error:
            raise CommandError(str(error)) from None
        for name, running in embedded.status(settings.VITRINE_HOME).items():
            self.stdout.write(f"{name}: {'running' if running else 'stopped'}")
