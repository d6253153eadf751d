"""Import judged queries from a file; the recipe search learns from them, and the console measures
search on them.

Formats: columns query, item_id, grade (CSV, JSON lines, Parquet); ESCI (product_id, esci_label);
TREC qrels (.qrels, with --topics).
"""

from argparse import ArgumentParser
from pathlib import Path

from recommender.ingest import KINDS, upsert_labelled
from recommender.ingest.judgements import (
    columns_in,
    is_qrels,
    judged_rows,
    qrels_rows,
    read_topics,
)
from recommender.management.import_command import ImportCommand, columns_of


class Command(ImportCommand):
    help = __doc__
    noun = "judgements"
    fields = ("judgement_id", *KINDS["judgements"].table.columns)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--topics", type=Path, help="queries of a qrels file: id, tab, query on each line"
        )

    def rows_of(self, options):
        if not is_qrels(options["file"]):
            return judged_rows(super().rows_of(options))
        topics = read_topics(options["topics"]) if options["topics"] else None
        return qrels_rows(options["file"], topics)

    def take(self, shop, rows, parser, options):
        columns = (
            ["query", "item_id", "grade"]
            if is_qrels(options["file"])
            else columns_in(columns_of(options))
        )
        return upsert_labelled("judgements", shop, rows, columns, parser, options["dry_run"])
