"""How records of each kind are stored: products, shoppers, events, reviews, judgements."""

import tempfile
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

import orjson
from django.db import connection

from recommender.catalog import product_names
from recommender.ingest.connectors.core import (
    EVENTS,
    JUDGEMENTS,
    PRODUCTS,
    REVIEWS,
    SHOPPERS,
    Format,
)
from recommender.ingest.connectors.orders import WITHDRAWN
from recommender.ingest.events import import_events, with_content_keys
from recommender.ingest.file_report import FileReport
from recommender.ingest.labeled_texts import KINDS as LABELED
from recommender.ingest.labeled_texts import upsert_labelled
from recommender.ingest.parsing import Parser
from recommender.ingest.products import upsert_products
from recommender.ingest.report import Report, RowError
from recommender.ingest.shoppers import upsert_shoppers
from recommender.models import Shop

CHUNK = 5_000
"""Events whose products are looked up at once."""
OTHER_IDS, TITLE = ("or_item_id", "and_item_id"), "item_title"
"""Further ids of the product of an event, of which the first known one counts, and its title."""


@dataclass
class Spool:
    """Records of the other kinds, on disk, while those of one kind are stored."""

    file: IO[bytes]

    def add(self, record: tuple[int, dict[str, Any]]) -> None:
        self.file.write(orjson.dumps(record, default=str, option=orjson.OPT_NON_STR_KEYS) + b"\n")

    def read(self) -> Iterator[tuple[int, dict[str, Any]]]:
        self.file.seek(0)
        for text in self.file:
            line, row = orjson.loads(text)
            yield line, row


def _store_products(
    shop: Shop, one: Format, rows: Iterator, parser: Parser, report: FileReport
) -> Report:
    variants: dict[int, int] = {}

    def counted() -> Iterator[tuple[int, dict[str, Any]]]:
        for line, row in rows:
            if n := len(row.get("variants") or ()):
                variants[line] = n
            yield line, row

    with tempfile.TemporaryFile() as file:
        chosen = counted()
        if one.only_known:
            chosen = _spooled(_only_known(shop, chosen, report), file)
        stored = upsert_products(shop, chosen, one.product_columns, parser)
    rejected = {error.line for error in (*stored.errors, *report.errors)}
    report.counts["variants"] += sum(n for line, n in variants.items() if line not in rejected)
    return stored


def _only_known(shop: Shop, rows: Iterator, report: FileReport) -> Iterator:
    """Products that the shop has, by their own ids."""
    for chunk in _chunks(rows):
        ids = {str(row["item_id"]) for _, row in chunk if row.get("item_id") is not None}
        known = set(shop.products.filter(item_id__in=ids).values_list("item_id", flat=True))
        with connection.cursor() as cursor:
            named = product_names.resolve(cursor, shop, ids - known)
        for line, row in chunk:
            item_id = str(row.get("item_id"))
            if item_id in named:
                yield line, {**row, "item_id": named[item_id].item_id}
            elif item_id in known:
                yield line, row
            else:
                message = "is not a known product: import the products first"
                report.errors.append(RowError(line, "item_id", message))


def _store_events(
    shop: Shop, one: Format, rows: Iterator, parser: Parser, report: FileReport
) -> Report:
    withdrawn: list[str] = []
    lines = array("q")

    def numbered() -> Iterator[tuple[int, dict[str, Any]]]:
        """Records by their number, because a line of the file may hold several events."""
        for line, row in rows:
            if WITHDRAWN in row:
                withdrawn.extend(row[WITHDRAWN])
                continue
            lines.append(line)
            yield len(lines) - 1, row

    with tempfile.TemporaryFile() as file:
        events = numbered()
        if one.looks_up:
            events = _spooled(_with_known_ids(shop, events), file)
        stored, _ = import_events(shop, with_content_keys(events), parser, replaces=one.replaces)
    stored.errors = [RowError(lines[e.line], e.field, e.message) for e in stored.errors]
    for kind, count in stored.lines_by_type.items():
        report.counts["events"][kind] = report.counts["events"].get(kind, 0) + count
    if withdrawn and (gone := shop.events.filter(event_id__in=withdrawn).remove()):
        report.warnings.append(f"{gone:,} stored lines of orders are withdrawn")
    return stored


def _with_known_ids(
    shop: Shop, rows: Iterator[tuple[int, dict[str, Any]]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Events with that of their product's ids by which the shop knows it."""
    for chunk in _chunks(rows):
        names = ("item_id", *OTHER_IDS)
        ids = {str(row[n]) for _, row in chunk for n in names if row.get(n) is not None}
        known = set(shop.products.filter(item_id__in=ids).values_list("item_id", flat=True))
        with connection.cursor() as cursor:
            known |= product_names.resolve(cursor, shop, ids - known).keys()
        titled = _by_title(shop, [row.get(TITLE) for _, row in chunk if row.get(TITLE)])
        for line, row in chunk:
            own = [str(row[n]) for n in names if row.get(n) is not None]
            rest = {n: value for n, value in row.items() if n not in (*OTHER_IDS, TITLE)}
            chosen = next((i for i in own if i in known), None) or titled.get(row.get(TITLE))
            yield line, {**rest, "item_id": chosen or (own[0] if own else row.get(TITLE))}


def _by_title(shop: Shop, titles: list[str]) -> dict[str, str]:
    """By the name of a line, the only product with this title; the variant may stand behind it."""
    wanted = {title: (title, title.rpartition(" - ")[0]) for title in titles}
    found = shop.products.filter(title__in={one for pair in wanted.values() for one in pair if one})
    by_title: dict[str, list[str]] = {}
    for title, item_id in found.values_list("title", "item_id"):
        by_title.setdefault(title, []).append(item_id)
    known = {title: ids[0] for title, ids in by_title.items() if len(ids) == 1}
    chosen = {
        name: next((known[one] for one in pair if one in known), None)
        for name, pair in wanted.items()
    }
    return {name: item_id for name, item_id in chosen.items() if item_id}


def _spooled(rows: Iterator[tuple[int, dict[str, Any]]], file: IO[bytes]) -> Iterator:
    """The rows, all read before the first is returned: while rows are copied into the database,
    nothing else can be read from it.
    """
    spool = Spool(file)
    for row in rows:
        spool.add(row)
    return spool.read()


def _chunks(rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[list]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _store_shoppers(
    shop: Shop, one: Format, rows: Iterator, parser: Parser, report: FileReport
) -> Report:
    rows = list(rows)
    columns = {name for _, row in rows for name in row} - {"user_id"}
    return upsert_shoppers(shop, rows, columns, parser)


def _store_labeled(kind: str) -> Callable[..., Report]:
    def store(
        shop: Shop, one: Format, rows: Iterator, parser: Parser, report: FileReport
    ) -> Report:
        columns = LABELED[kind].table.columns
        distinct = _without_repeats(kind, rows, report) if kind == REVIEWS else rows
        return upsert_labelled(kind, shop, distinct, columns, parser)

    return store


def _without_repeats(kind: str, rows: Iterator, report: FileReport) -> Iterator:
    """Reviews; one that comes again word by word, for several variants, counts once."""
    content = (*LABELED[kind].content, "rating")
    seen: set[int] = set()
    repeated = 0
    for line, row in rows:
        said = hash(tuple(str(row.get(name, "")) for name in content if name != "rating"))
        if said in seen and not row.get("review_id"):
            repeated += 1
            continue
        seen.add(said)
        yield line, row
    if repeated:
        report.warnings.append(f"{repeated:,} reviews come again word by word: each counts once")


STORES: dict[str, Callable[..., Report]] = {
    PRODUCTS: _store_products,
    SHOPPERS: _store_shoppers,
    EVENTS: _store_events,
    REVIEWS: _store_labeled(REVIEWS),
    JUDGEMENTS: _store_labeled(JUDGEMENTS),
}
