"""Import a shop's own files, as its platform exports them: products with variants, orders, events,
shoppers, reviews, judgements.

The format is recognized by the content. Orders that were imported before are replaced by their new
state. Nothing is stored where a file cannot be taken.
"""

from argparse import ArgumentParser
from pathlib import Path

import orjson
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recommender.ingest.connectors import FORMATS
from recommender.ingest.connectors.core import EVENTS
from recommender.ingest.containers import FileError
from recommender.ingest.file_report import FileReport
from recommender.ingest.file_warnings import preview_text
from recommender.ingest.shop_files import NeedsConsent, Wish, import_files
from recommender.ingest.shop_values import ORDERS
from recommender.management.import_command import find_shop, pairs, parser_of, write_rejected

MOST_COLUMNS = 30
"""Columns that are listed."""


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files",
            type=Path,
            nargs="+",
            help="delimited text, JSON, XML, Parquet or .xlsx, also as .gz or .zip; files that "
            "belong together, such as orders and their lines, in one call",
        )
        parser.add_argument(
            "--shop", help="key of the shop; may be left out where there is one shop"
        )
        parser.add_argument(
            "--as", dest="format", default="", metavar="FORMAT", help=f"one of {', '.join(FORMATS)}"
        )
        parser.add_argument(
            "--map",
            nargs="+",
            action="extend",
            default=[],
            metavar="FIELD=COLUMN",
            help="what fills a field of a file of no known format, as in import_products",
        )
        parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
        parser.add_argument(
            "--yes", action="store_true", help="also where most of the catalog changes"
        )
        parser.add_argument(
            "--anonymous",
            action="store_true",
            help="an e-mail is no identity: orders that name a shopper by it alone are anonymous",
        )
        parser.add_argument("--timezone", help="zone of dates without one; default: the shop's")
        parser.add_argument(
            "--dates", choices=ORDERS, default="", help="order of day and month in dates"
        )
        parser.add_argument("--report", type=Path, help="write the result to this file, as JSON")
        parser.add_argument(
            "--rejected",
            type=Path,
            help="file for rejected rows; default: FILE.rejected.csv in the working folder",
        )

    def handle(self, **options) -> None:
        shop = find_shop(options["shop"])
        parser = parser_of(shop, options)
        wish = Wish(
            options["format"],
            pairs(options["map"], "--map"),
            options["dry_run"],
            options["yes"],
            not options["anonymous"],
            lambda rows: iter(
                tqdm(
                    rows,
                    unit=" rows",
                    unit_scale=True,
                    disable=options["verbosity"] == 0 or None,
                    mininterval=0.5,
                )
            ),
        )
        try:
            report = import_files(shop, options["files"], parser, wish)
        except FileError as error:
            raise CommandError(str(error)) from None
        except NeedsConsent as error:
            raise CommandError(f"{error}; run it again with --yes to do so") from None
        self._tell(report, options)

    def _tell(self, report: FileReport, options: dict) -> None:
        say = self.stdout.write
        say(f"format: {report.why}")
        for column, fields in list(report.filled.items())[:MOST_COLUMNS]:
            say(f"  {column} -> {', '.join(f for f in fields if f) or 'looked at'}")
        if report.unused_columns:
            listed = report.unused_columns[:MOST_COLUMNS]
            more = len(report.unused_columns) - len(listed)
            say(f"not used: {', '.join(map(str, listed))}{f' and {more} more' if more else ''}")
        for kind, row in report.preview[:10]:
            values = ", ".join(f"{name}: {preview_text(value)}" for name, value in row.items())
            say(f"  {kind}: {values}")
        prefix = "dry run: " if options["dry_run"] else ""
        for kind, outcomes in report.outcomes.items():
            numbers = ", ".join(f"{outcomes[n]:,} {n}" for n in ("new", "changed", "same"))
            say(f"{prefix}{kind}: {numbers}{_details(kind, report)}")
        say(f"{prefix}rejected: {report.rejected:,} rows")
        for reason in report.reasons():
            say(f"  {reason.count:,}: {reason.reason} ({reason.example})")
        for warning in report.warnings:
            say(f"warning: {warning}")
        if options["report"]:
            written = orjson.dumps(report.json(), option=orjson.OPT_INDENT_2)
            options["report"].write_bytes(written)
        self._write_rejected(report, options)

    def _write_rejected(self, report: FileReport, options: dict) -> None:
        """Write the rejected rows; a file of an earlier run without any is removed."""
        path = options["rejected"] or Path(f"{options['files'][0].name}.rejected.csv")
        if not report.errors:
            path.unlink(missing_ok=True)
            return
        write_rejected(path, report.errors)
        self.stdout.write(f"every rejected row with its reason: {path}")


def _details(kind: str, report: FileReport) -> str:
    if kind == EVENTS:
        types = ", ".join(f"{n:,} {name}" for name, n in report.counts["events"].items())
        return f" ({types})" if types else ""
    variants = report.counts["variants"] if kind == "products" else 0
    return f" with {variants:,} variants" if variants else ""
