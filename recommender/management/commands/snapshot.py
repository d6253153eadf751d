"""Export a shop's data as a snapshot folder that `python -m training` reads."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from recommender.management.import_command import find_shop
from recommender.model_lifecycle.snapshot_export import NothingToLearn, snapshot_shop


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("out", type=Path)
        parser.add_argument("--shop")

    def handle(self, out, **options):
        try:
            manifest = snapshot_shop(find_shop(options["shop"]), out)
        except NothingToLearn as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{out}: {manifest['counts']}, {manifest['digest']}")
