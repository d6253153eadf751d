"""Import of a shop's own files: recognized, joined, checked and stored in one transaction."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.utils.crypto import salted_hmac

from recommender.catalog import product_names
from recommender.ingest.connectors.core import (
    EVENTS,
    KINDS,
    PRODUCTS,
    Format,
    Reading,
    Record,
)
from recommender.ingest.connectors.generic import generic_format, proposed
from recommender.ingest.containers import FileError
from recommender.ingest.file_report import FileReport
from recommender.ingest.file_warnings import add_warnings, questions
from recommender.ingest.mapping import mapped
from recommender.ingest.parsing import Parser
from recommender.ingest.recognition import Recognized, Source, recognized, source_of
from recommender.ingest.report import Report
from recommender.ingest.storing import STORES, Spool
from recommender.models import FileMapping, Shop
from recommender.models.file_mappings import columns_digest

LOCK = 7_311
"""Class of the advisory lock of imports: one at a time in a shop."""
SHOWN = 10
"""Rows of the preview."""


class NeedsConsent(ValueError):
    """The import would change or hide most of a catalog; the message says what."""


@dataclass
class Wish:
    """What is wished of an import.

    chosen: the name of a format; mapping: by field its source, for files of no known format
    mail_is_identity: an e-mail stands for a shopper, where a format has no other id of one
    agreed: the import may change most of the catalog
    """

    chosen: str = ""
    mapping: dict[str, str] = field(default_factory=dict)
    dry_run: bool = False
    agreed: bool = False
    mail_is_identity: bool = True
    progress: Callable[[Iterable], Iterator] = iter


def import_files(shop: Shop, paths: Sequence[Path], parser: Parser, wish: Wish) -> FileReport:
    """Import files of a shop, whole or not at all.

    Raises FileError for files that cannot be taken, NeedsConsent where the import would change most
    of the catalog.
    """
    reading = Reading(
        currency=shop.currency,
        shopper_of_mail=shopper_of_mail(shop) if wish.mail_is_identity else None,
        stored=stored_product(shop),
    )
    states = {path: _state(path) for path in paths}
    found = formats_of(shop, [source_of(path) for path in paths], wish)
    report = FileReport(
        format=" + ".join(one.format.name for one in found),
        title=" + ".join(one.format.title for one in found),
        why="; ".join(why(one) for one in found),
    )
    parser = replace(parser, notes=Counter())
    before = shop.products.count(), shop.products.showable().count()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, shop.pk])  # one at a time
        for one in sorted(found, key=lambda one: _order(one.format)):
            _store(shop, one, reading, parser, wish, report)
        for path, state in states.items():
            if _state(path) != state:
                raise FileError(f"{path.name}: was changed while it was read; import it again")
        report.filled = {name: sorted(fields) for name, fields in reading.used.items()}
        report.unused_columns = reading.unused()
        report.warnings += [f"{text} ({n:,} rows)" for text, n in parser.notes.items()]
        if not reading.rows and not report.errors:
            report.warnings.append("there are no rows below the column names")
        add_warnings(shop, found, reading, report)
        asked = questions(shop, before, report)
        if asked and not (wish.agreed or wish.dry_run):
            raise NeedsConsent(asked)
        report.warnings += [asked] if asked else []
        if wish.dry_run:
            transaction.set_rollback(True)
        elif wish.mapping:
            _remember(shop, found, wish.mapping)
    return report


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of a file; None where there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _remember(shop: Shop, found: Sequence[Recognized], mapping: dict[str, str]) -> None:
    """Store the mapping, for later files with the same columns."""
    for source in (source for one in found for source in one.sources["rows"]):
        columns = source.own_columns
        FileMapping.objects.update_or_create(
            shop=shop,
            digest=columns_digest(columns),
            defaults={"columns": columns, "mapping": mapping},
        )


def import_rows(
    shop: Shop, chosen: Format, rows: list[dict[str, Any]], parser: Parser
) -> FileReport:
    """Import rows of a format that did not come in a file, such as those of a hook."""
    reading = Reading(
        currency=shop.currency,
        shopper_of_mail=shopper_of_mail(shop),
        stored=stored_product(shop),
    )
    report = FileReport(format=chosen.name, title=chosen.title)
    source = Source(Path(chosen.name), "json", rows)
    source.rows = lambda: iter(enumerate(rows, 1))  # type: ignore[method-assign]
    one = Recognized(chosen, {next(iter(chosen.tables)): [source]}, {})
    with transaction.atomic():
        _store(shop, one, reading, parser, Wish(), report)
    report.warnings += [f"{text} ({note.count:,})" for text, note in reading.notes.items()]
    return report


def why(one: Recognized) -> str:
    """Why files have this format, in words."""
    parts = [
        f"{', '.join(s.path.name for s in sources)} ({one.by[name]})"
        for name, sources in one.sources.items()
    ]
    return f"{one.format.title}: {', '.join(parts)}"


def formats_of(shop: Shop, sources: Sequence[Source], wish: Wish) -> list[Recognized]:
    """The formats of the files; those of none have the mapping that was given, else the one of an
    earlier import, else a proposed one. Raises FileError.
    """
    if wish.mapping:
        found, left = [], list(sources)
    else:
        found, left = recognized(sources, wish.chosen)
    for source in left:
        columns = list(source.columns.values())
        known = FileMapping.objects.filter(shop=shop, digest=columns_digest(columns)).first()
        mapping = wish.mapping or (known.mapping if known else {})
        found.append(
            _generic(source, mapping, "by the mapping of an earlier import" if known else "")
        )
    return found


def _generic(source: Source, given: dict[str, str], by: str) -> Recognized:
    """A file of no known format, by the mapping that was given or is proposed."""
    name, columns = source.path.name, list(source.columns.values())
    if not source.sample:
        return Recognized(generic_format(PRODUCTS, {}), {"rows": [source]}, {"rows": "no rows"})
    if given:
        rows = mapped(source.rows(), given, {})
        sample = [row for _, row in islice(rows, 200)]
        columns = list(dict.fromkeys(str(name) for row in sample for name in row))
        read = source.rows
        source = Source(source.path, source.kind, sample, own_columns=source.own_columns)
        source.rows = lambda: mapped(read(), given, {})  # type: ignore[method-assign]
    kind, mapping = proposed(columns, source.sample)
    twice = next((str(c).partition(" (column ")[0] for c in columns if " (column " in str(c)), "")
    if not kind and twice:
        raise FileError(f"{name}: the column {twice!r} comes more than once: leave one out")
    if not kind:
        listed = ", ".join(map(str, columns[:12])) + (", …" if len(columns) > 12 else "")
        raise FileError(
            f"{name}: is of no known format, and its columns ({listed}) do not say what it holds: "
            "name them with --map, such as --map item_id=COLUMN title=COLUMN"
        )
    why_so = by or ("by the mapping" if given else "by the names of its columns")
    return Recognized(generic_format(kind, mapping), {"rows": [source]}, {"rows": why_so})


def _order(one: Format) -> int:
    return min((KINDS.index(kind) for kind in one.kinds), default=len(KINDS))


def shopper_of_mail(shop: Shop) -> Callable[[str], str]:
    """A keyed digest of an e-mail, in one case: the shopper's id holds no address."""

    def digest(mail: str) -> str:
        text = f"{shop.pk}/{mail.strip().casefold()}"
        return f"mail-{salted_hmac('vitrine.mail', text, algorithm='sha256').hexdigest()[:24]}"

    return digest


def stored_product(shop: Shop) -> Callable[[str], dict[str, Any] | None]:
    """The stored prices, images and attributes of a product, by its id or another one."""

    def read(item_id: str) -> dict[str, Any] | None:
        chosen = shop.products.filter(item_id=item_id)
        with connection.cursor() as cursor:
            named = product_names.resolve(cursor, shop, {item_id})
        if item_id in named and not chosen.exists():
            chosen = shop.products.filter(pk=named[item_id].key)
        found = chosen.values("price", "sale_price", "images", "attributes").first()
        if found is None:
            return None
        amounts = {name: found[name] and float(found[name]) for name in ("price", "sale_price")}
        return {**found, **amounts}

    return read


def _store(
    shop: Shop,
    one: Recognized,
    reading: Reading,
    parser: Parser,
    wish: Wish,
    report: FileReport,
) -> None:
    """Store the records of one format, kind by kind."""
    records = wish.progress(one.format.read(reading, one.tables(reading)))
    errors, report.errors = report.errors, []
    with ExitStack() as files:
        spools = {
            kind: Spool(files.enter_context(tempfile.TemporaryFile()))
            for kind in one.format.kinds[1:]
        }
        for kind in one.format.kinds:
            if kind in spools:
                rows = spools[kind].read()
            else:
                rows = _of_kind(kind, records, spools)
            _keep(
                report,
                kind,
                STORES[kind](shop, one.format, _shown(rows, kind, report), parser, report),
            )
    own = [*report.errors, *reading.rejected]
    report.errors = errors + [replace(error, source=one.format.name) for error in own]
    reading.rejected.clear()
    if not one.format.kinds:
        raise FileError(f"{one.format.title}: nothing can be learned from this file")


def _of_kind(
    kind: str, records: Iterator[Record], spools: dict[str, Spool]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Records of one kind; the others are kept for later."""
    for other, line, row in records:
        if other == kind:
            yield line, row
        else:
            spools[other].add((line, row))


def _shown(
    rows: Iterable[tuple[int, dict[str, Any]]], kind: str, report: FileReport
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, (line, row) in enumerate(rows):
        if number < SHOWN:
            report.preview.append((kind, row))
        yield line, row


def _keep(report: FileReport, kind: str, stored: Report) -> None:
    outcomes = report.outcomes.setdefault(kind, Counter())
    outcomes += Counter(new=stored.new, changed=stored.changed, same=stored.same)
    report.outcomes[kind] = outcomes
    report.errors += stored.errors
    if kind != EVENTS:
        report.counts[kind] += stored.new + stored.changed + stored.same
