"""Import reviews from a file; the recipes rating, sentiment and topic learn from them."""

from recommender.ingest import KINDS, upsert_labelled
from recommender.management.import_command import ImportCommand, columns_of


class Command(ImportCommand):
    help = __doc__
    noun = "reviews"
    fields = ("review_id", *KINDS["reviews"].table.columns)

    def take(self, shop, rows, parser, options):
        return upsert_labelled(
            "reviews", shop, rows, columns_of(options, self.fields), parser, options["dry_run"]
        )
