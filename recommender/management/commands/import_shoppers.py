"""Import shoppers and their attributes from a file."""

from recommender.ingest import upsert_shoppers
from recommender.ingest.shoppers import COLUMNS
from recommender.management.import_command import ImportCommand, columns_of


class Command(ImportCommand):
    help = __doc__
    noun = "shoppers"
    fields = {"user_id", *COLUMNS}

    def take(self, shop, rows, parser, options):
        return upsert_shoppers(shop, rows, columns_of(options, COLUMNS), parser, options["dry_run"])
