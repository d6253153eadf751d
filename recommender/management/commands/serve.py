"""Serve the site: granian with this project's settings, in the foreground."""

import os

from django.core.management.base import BaseCommand

from recommender.infrastructure.web_server import allow_many_connections, server_command


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8000))
        parser.add_argument(
            "--workers", type=int, default=2, help="processes; one for each core that serves"
        )

    def handle(self, **options):
        command = server_command(
            "ecomsite.rsgi:application",
            options["port"],
            options["workers"],
            options["host"],
            preload=True,
        )
        allow_many_connections()
        os.execv(command[0], command)
