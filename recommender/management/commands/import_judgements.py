"""Import judged queries from a file; the recipe search learns from them."""

from recommender.ingest import KINDS, upsert_labelled
from recommender.management.import_command import ImportCommand, columns_of


class Command(ImportCommand):
    help = __doc__
    noun = "judgements"
    fields = ("judgement_id", *KINDS["judgements"].table.columns)

    def take(self, shop, rows, parser, options):
        return upsert_labelled(
            "judgements", shop, rows, columns_of(options, self.fields), parser, options["dry_run"]
        )
