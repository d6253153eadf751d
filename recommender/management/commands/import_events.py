"""Import events (purchases, views, …) from a file. Idempotent."""

from datetime import timedelta

from recommender.ingest import import_events
from recommender.ingest.event_validation import EVENT_FIELDS
from recommender.ingest.events import with_content_keys
from recommender.management.import_command import ImportCommand


class Command(ImportCommand):
    help = __doc__
    noun = "events"
    fields = EVENT_FIELDS

    def add_arguments(self, parser):
        super().add_arguments(parser)
        parser.add_argument(
            "--shift-weeks",
            type=int,
            default=0,
            help="move all dates by whole weeks; for sample data",
        )

    def take(self, shop, rows, parser, options):
        shift = timedelta(weeks=options["shift_weeks"])
        return import_events(shop, with_content_keys(rows), parser, shift, options["dry_run"])[0]
