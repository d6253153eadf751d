"""Create an API key; prints only the key, which is not stored and cannot be shown again."""

from django.core.management.base import BaseCommand, CommandError

from recommender.management.import_command import find_shop
from recommender.models import ApiKey, AuditEntry, Shop
from recommender.models.api_keys import SCOPES

COMMAND = "manage.py create_key"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--shop")
        parser.add_argument(
            "--scope", nargs="+", action="extend", default=[], help=", ".join(SCOPES)
        )
        parser.add_argument("--name", default="command line")
        parser.add_argument(
            "--public",
            action="store_true",
            help="for the shop's pages: it can send events, and request lists of --placement",
        )
        parser.add_argument(
            "--placement",
            nargs="+",
            action="extend",
            default=[],
            metavar="KEY",
            help="of a public key: placements whose lists pages of the shop's origins may request",
        )
        parser.add_argument(
            "--search", action="store_true", help="of a public key: pages may search and suggest"
        )
        parser.add_argument(
            "--assist",
            action="store_true",
            help="of a public key: pages may put questions to the service desk",
        )
        parser.add_argument("--days", type=int, help="expires after so many days")
        parser.add_argument(
            "--rotate",
            metavar="PREFIX",
            help="the successor of this key: the same name, scopes and limit",
        )
        parser.add_argument(
            "--overlap",
            type=int,
            default=7,
            metavar="DAYS",
            help="the old key ends after so many days (7)",
        )

    def handle(self, **options):
        if options["rotate"]:
            self.stdout.write(self._successor(options))
            return
        unknown = [scope for scope in options["scope"] if scope not in SCOPES]
        if unknown or not (options["scope"] or options["public"]):
            raise CommandError(
                f"--scope: {unknown[0]!r} is not one of {', '.join(SCOPES)}"
                if unknown
                else f"--scope: at least one of {', '.join(SCOPES)}"
            )
        shop = find_shop(options["shop"])
        self._check_placements(shop, options)
        key, secret = ApiKey.objects.issue(
            shop,
            options["name"],
            options["scope"],
            options["days"],
            options["public"],
            options["placement"],
            search=options["search"],
            assist=options["assist"],
        )
        AuditEntry.objects.note(
            key.shop, COMMAND, AuditEntry.ADDED, f"API key {key}", detail=", ".join(key.scopes)
        )
        self.stdout.write(secret)

    @staticmethod
    def _check_placements(shop: Shop, options: dict) -> None:
        if options["placement"] and not options["public"]:
            raise CommandError("--placement: only a --public key is limited to placements")
        for name, scope in (("search", "search:read"), ("assist", "assist:write")):
            if options[name] and not options["public"]:
                raise CommandError(f"--{name}: other keys than --public ones have --scope {scope}")
        known = set(shop.placements.values_list("key", flat=True))
        if unknown := [key for key in options["placement"] if key not in known]:
            raise CommandError(
                f"--placement: {unknown[0]!r} is not one of {', '.join(sorted(known))}"
            )

    def _successor(self, options: dict) -> str:
        keys = list(
            ApiKey.objects.filter(shop=find_shop(options["shop"]), prefix=options["rotate"])
        )
        if len(keys) != 1:
            raise CommandError(
                f"--rotate: {len(keys)} keys of this shop begin with "
                f"{options['rotate']!r}; give a longer prefix from the table of keys"
            )
        if options["overlap"] < 0:
            raise CommandError("--overlap: must be 0 or more days")
        key, secret = keys[0].rotate(options["overlap"], options["days"])
        AuditEntry.objects.note(
            key.shop,
            COMMAND,
            AuditEntry.ADDED,
            f"API key {key}",
            before=str(keys[0]),
            after=str(key),
        )
        return secret
