"""Export products, events, the lists of all shoppers, or judgements.

A file of products or events that is imported again changes nothing.
"""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recommender.exports import FORMATS, KINDS, ExportError, rows_of, write
from recommender.management.import_command import find_shop


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=KINDS)
        parser.add_argument("out", type=Path, help="the file to write")
        parser.add_argument("--shop", help="key of the shop; needed where there are several")
        parser.add_argument("--format", choices=FORMATS, default="csv")
        parser.add_argument(
            "--filter", default="", help="only products that pass, such as: price < 20"
        )
        parser.add_argument(
            "--vectors", action="store_true", help="products with the vectors of their texts"
        )

    def handle(self, **options) -> None:
        shop, what, form = find_shop(options["shop"]), options["what"], options["format"]
        if form == "google" and what != "products":
            raise CommandError("--format: a Google feed holds products")
        more = {"currency": shop.currency} if form == "google" else {}
        hidden = options["verbosity"] == 0 or None
        try:
            columns, rows = rows_of(what, shop, options["filter"], options["vectors"])
            rows = iter(tqdm(rows, unit=" rows", unit_scale=True, disable=hidden))
            count = write(options["out"], form, columns, rows, **more)
        except ExportError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{options['out']}: {error.strerror}") from None
        self.stdout.write(f"{what}: {count:,} rows in {options['out']}")
