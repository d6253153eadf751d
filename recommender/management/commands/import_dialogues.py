"""Import solved dialogues from a file; the recipe intent learns from them."""

from recommender.ingest import KINDS, upsert_labelled
from recommender.management.import_command import ImportCommand, columns_of


class Command(ImportCommand):
    help = __doc__
    noun = "dialogues"
    fields = ("dialogue_id", *KINDS["dialogues"].table.columns)

    def take(self, shop, rows, parser, options):
        return upsert_labelled(
            "dialogues", shop, rows, columns_of(options, self.fields), parser, options["dry_run"]
        )
