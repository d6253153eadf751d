"""Create a key of the REST API; prints only the key, which is not kept and cannot be shown again."""

from django.core.management.base import BaseCommand, CommandError

from recommender.management.importing import find_shop
from recommender.models import ApiKey
from recommender.models.access import SCOPES


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--shop")
        parser.add_argument("--scope", nargs="+", action="extend", default=[], help=", ".join(SCOPES))
        parser.add_argument("--name", default="command line")
        parser.add_argument("--public", action="store_true", help="for the shop's pages: it can send events and nothing else")
        parser.add_argument("--days", type=int, help="expires after so many days")

    def handle(self, **options):
        unknown = [scope for scope in options["scope"] if scope not in SCOPES]
        if unknown or not (options["scope"] or options["public"]):
            raise CommandError(
                f"--scope: {unknown[0]!r} is none of {', '.join(SCOPES)}" if unknown else f"--scope: at least one of {', '.join(SCOPES)}"
            )
        _, secret = ApiKey.objects.issue(find_shop(options["shop"]), options["name"], options["scope"], options["days"], options["public"])
        self.stdout.write(secret)
