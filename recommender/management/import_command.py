"""Base of the import commands: arguments, progress bar, report, file of rejected rows."""

import csv
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from recommender.ingest import Parser, Report, RowError
from recommender.ingest.files import FileError, has_one_header, read_rows
from recommender.ingest.mapping import mapped, words_of
from recommender.ingest.shop_values import ORDERS
from recommender.models import Shop


def find_shop(key: str | None) -> Shop:
    """The shop with this key; without a key, the only shop. Raises CommandError."""
    if key:
        shop = Shop.objects.filter(key=key).first()
        if shop is None:
            raise CommandError(f"--shop: there is no shop {key!r}")
        return shop
    shops = list(Shop.objects.all()[:2])
    if len(shops) != 1:
        raise CommandError(
            "--shop: name the shop"
            if shops
            else "there is no shop yet; create one in the console or with `create_shop`"
        )
    return shops[0]


def pairs(values: list[str], option: str) -> dict[str, str]:
    """{"a": "b"} of ["a=b"]."""
    wrong = [v for v in values if "=" not in v]
    if wrong:
        raise CommandError(f"{option}: {wrong[0]!r} is not of the form field=column")
    return dict(v.split("=", 1) for v in values)


def parser_of(shop: Shop, options: dict) -> Parser:
    """How values are read: by --timezone, --dates and the shop. Raises CommandError."""
    try:
        zone = ZoneInfo(options["timezone"]) if options["timezone"] else shop.zone
    except (ZoneInfoNotFoundError, ValueError):
        raise CommandError(f"--timezone: {options['timezone']!r} is not a time zone") from None
    return Parser(zone, currency=shop.currency, date_order=options["dates"], notes=Counter())


def write_rejected(path: Path, errors: Collection[RowError]) -> None:
    """Write the rejected rows with their reasons, by file and line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "field", "reason"])
        ordered = sorted(errors, key=lambda e: (e.source, e.line))
        writer.writerows((e.line, e.field, e.message) for e in ordered)


def _not_words(text: str) -> CommandError:
    return CommandError(f"--values: {text!r} is not of the form field:word=value")


class ImportCommand(BaseCommand):
    """`import_… FILE`; subclasses store the rows."""

    noun = "rows"
    fields: Collection[str] = ()
    """Fields that rows may have, each a column of the file or named with --map."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            type=Path,
            help="delimited text, JSON, Parquet or .xlsx, also as .gz or .zip",
        )
        parser.add_argument(
            "--shop", help="key of the shop; may be left out where there is one shop"
        )
        parser.add_argument(
            "--map",
            nargs="+",
            action="extend",
            default=[],
            metavar="FIELD=COLUMN",
            help="what fills a field: a column, !COLUMN, a path such as items[].sku, or a "
            "constant such as \"currency='EUR'\"",
        )
        parser.add_argument(
            "--values",
            nargs="+",
            action="extend",
            default=[],
            metavar="FIELD:WORD=VALUE",
            help="what a word of the file stands for, such as type:watch=view",
        )
        parser.add_argument(
            "--where",
            nargs="+",
            action="extend",
            default=[],
            metavar="COLUMN=VALUE",
            help="take only rows with this value, or with another one (COLUMN!=VALUE)",
        )
        parser.add_argument("--timezone", help="zone of dates without one; default: the shop's")
        parser.add_argument(
            "--dates", choices=ORDERS, default="", help="order of day and month in dates"
        )
        parser.add_argument("--dry-run", action="store_true", help="check and count, write nothing")
        parser.add_argument(
            "--rejected",
            type=Path,
            help="file for rejected rows; default: FILE.rejected.csv in the working folder",
        )

    def handle(self, **options) -> None:
        shop = find_shop(options["shop"])
        parser = parser_of(shop, options)
        try:
            rows = self.rows_of(options)
            report = self.take(shop, self._counted(rows, options), parser, options)
            self._tell_nothing(report, options)
        except FileError as error:
            raise CommandError(str(error)) from None
        self._tell(report, options)
        for text, count in parser.notes.items():
            self.stdout.write(f"  {text}: {count:,} rows")

    def rows_of(self, options: dict) -> Iterator:
        """(line, row) of the file, with our names of the columns. Raises FileError."""
        return mapped(
            read_rows(options["file"]),
            pairs(options["map"], "--map"),
            pairs(options["where"], "--where"),
            self.fields,
            words_of(options["values"], _not_words),
        )

    def take(self, shop: Shop, rows: Iterator, parser: Parser, options: dict) -> Report:
        raise NotImplementedError

    def _counted(self, rows: Iterator, options: dict) -> Iterator:
        hidden = options["verbosity"] == 0
        return iter(
            tqdm(
                rows,
                unit=" rows",
                unit_scale=True,
                desc=options["file"].name,
                disable=hidden or None,
                mininterval=0.5,
            )
        )

    def _tell_nothing(self, report: Report, options: dict) -> None:
        """Say why no row was taken. Raises FileError."""
        if report.new or report.changed or report.same or report.rejected:
            return
        first = next(read_rows(options["file"]), None)
        if first is None:
            self.stdout.write("there are no rows below the column names")
        elif options["where"]:
            column = options["where"][0].partition("=")[0].removesuffix("!")
            values = sorted(
                {str(row.get(column)) for _, row in islice(read_rows(options["file"]), 1000)}
            )
            self.stdout.write(f"--where keeps no row; {column} holds {', '.join(values[:10])}")

    def _tell(self, report: Report, options: dict) -> None:
        prefix = "dry run: " if options["dry_run"] else ""
        self.stdout.write(f"{prefix}{self.noun}: {report}")
        for reason, count in report.reasons()[:10]:
            self.stdout.write(f"  rejected {count:,}: {reason}")
        if report.errors:
            path = options["rejected"] or Path(f"{options['file'].name}.rejected.csv")
            write_rejected(path, report.errors)
            self.stdout.write(f"  every rejected row with its reason: {path}")


def columns_of(options: dict, known: Collection[str] | None = None) -> list[str]:
    """The known fields (None: all) that the file fills: for JSON lines those of any row, else of
    the first.
    """
    rows = mapped(
        read_rows(options["file"]),
        pairs(options["map"], "--map"),
        pairs(options["where"], "--where"),
    )
    first = islice(rows, 1) if has_one_header(options["file"]) else rows
    names = {name for _, row in first for name in row}
    return [name for name in (names if known is None else known) if name in names]
