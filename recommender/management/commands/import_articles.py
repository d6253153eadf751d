"""Import articles from a file: help pages that answers of the service desk quote."""

from recommender.ingest.articles import FIELDS, upsert_articles
from recommender.management.import_command import ImportCommand, columns_of


class Command(ImportCommand):
    help = __doc__
    noun = "articles"
    fields = FIELDS

    def take(self, shop, rows, parser, options):
        columns = columns_of(options, self.fields)
        return upsert_articles(shop, rows, columns, parser, options["dry_run"])
