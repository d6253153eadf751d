"""Import products from a file."""

from recommender.ingest import upsert_products
from recommender.ingest.products import COLUMNS
from recommender.management.import_command import ImportCommand, columns_of


class Command(ImportCommand):
    help = __doc__
    noun = "products"
    fields = {"item_id", *COLUMNS}

    def take(self, shop, rows, parser, options):
        return upsert_products(shop, rows, columns_of(options, COLUMNS), parser, options["dry_run"])
