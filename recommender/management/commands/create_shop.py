"""Create a shop with the usual placements."""

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from recommender.models import Placement, Shop


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("key")
        parser.add_argument("--name")
        parser.add_argument("--currency", default="EUR")
        parser.add_argument("--timezone", default="UTC")
        parser.add_argument(
            "--origin",
            nargs="+",
            action="extend",
            default=[],
            metavar="URL",
            help="pages from here may use public keys, such as https://shop.example",
        )

    def handle(self, key, **options):
        shop = Shop(
            key=key,
            name=options["name"] or key,
            currency=options["currency"],
            timezone=options["timezone"],
            origins=options["origin"],
        )
        try:
            shop.full_clean()
        except ValidationError as error:
            raise CommandError(
                "; ".join(
                    f"{field}: {' '.join(messages)}"
                    for field, messages in error.message_dict.items()
                )
            ) from None
        with transaction.atomic():
            shop.save()
            Placement.objects.create_usual(shop)
        self.stdout.write(
            f"shop {shop.key} created, with the placements "
            f"{', '.join(p.key for p in shop.placements.all())}"
        )
