"""Import of REST events by a few COPY statements, because the next list waits for them.

Where an event is known already, or a concurrent call sends the same ones, the call falls back to
the import of files, in which the database tells new from known.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from recommender.catalog import product_names
from recommender.infrastructure import process_caches
from recommender.infrastructure.availability import comes_between
from recommender.infrastructure.prepared_statements import Prepared, text_array
from recommender.ingest.event_validation import CLOCK_TOLERANCE, COLUMNS
from recommender.ingest.events import checked_lines, import_events
from recommender.ingest.owners import (
    ERASED,
    came_too_late,
    erased_among,
    owners_of,
    restore_refusals,
)
from recommender.ingest.parsing import Parser
from recommender.ingest.report import Report, RowError
from recommender.ingest.staging import copy_columns
from recommender.models import Shop

STAGED = tuple(COLUMNS)
ROW, LINE, EVENT_ID, USER_ID, SESSION_ID, ITEM_ID, _, AT = range(8)
VARIANT_ID = STAGED.index("variant_id")
PLAIN = {"line": 0, "simulated": False}
"""Defaults of columns; the others are empty."""


def post_events(
    shop: Shop, events: list, parser: Parser, from_page: bool = False
) -> tuple[Report, set[str]]:
    """Store events, each whole; returns the report and the new ids. Idempotent.

    from_page: they came with the public key of the shop's pages
    """
    report, parser = Report(), replace(parser, currency=shop.currency)
    lines = list(
        checked_lines(
            enumerate(events), parser, timezone.now() + CLOCK_TOLERANCE, timedelta(), report
        )
    )
    try:
        with transaction.atomic():
            new_ids = _store(shop, lines, report, from_page)
    except (IntegrityError, OperationalError) as error:
        if not comes_between(error):
            raise
        known_products.forget(shop)
        return _the_longer_way(shop, events, parser, from_page)
    report.new = len(new_ids)
    report.same = len(events) - len({error.line for error in report.errors}) - report.new
    return report, new_ids


def _the_longer_way(
    shop: Shop, events: list, parser: Parser, from_page: bool
) -> tuple[Report, set[str]]:
    for _ in range(2):
        try:
            return import_events(shop, enumerate(events), parser, from_page=from_page)
        except (IntegrityError, OperationalError) as error:
            if not comes_between(error):
                raise
    return import_events(shop, enumerate(events), parser, from_page=from_page)


def _store(shop: Shop, lines: list[tuple], report: Report, from_page: bool) -> set[str]:
    """Raises IntegrityError where an event is known."""
    with connection.cursor() as cursor:
        products = known_products.of(cursor, shop, {line[ITEM_ID] for line in lines} - {None})
        lines, products = _by_other_names(cursor, shop, lines, products)
        lines = _once(
            _of_known_products(_with_owners(cursor, shop, lines), products, report), report
        )
        if not lines:
            return set()
        shoppers, lines = _shoppers(cursor, shop, lines, report)
        if not lines:
            return set()
        columns = dict(zip(STAGED, zip(*lines, strict=True), strict=True))
        del columns["row"]
        columns["shopper_id"] = tuple(map(shoppers.get, columns.pop("user_id")))
        columns["product_id"] = tuple(map(products.get, columns.pop("item_id")))
        statuses = {
            name: values
            for name, values in columns.items()
            if values.count(PLAIN.get(name)) < len(values)
        }
        if from_page:
            statuses["from_page"] = (True,) * len(lines)
        copy_columns(cursor, "recommender_event", {"shop_id": (shop.pk,) * len(lines), **statuses})
    return set(columns["event_id"])


def _once(lines: list[tuple], report: Report) -> list[tuple]:
    """Drop events whose id occurs earlier in the request."""
    first: dict[str, int] = {}
    for line in lines:
        first.setdefault(line[EVENT_ID], line[ROW])
    first_lines = [line for line in lines if first[line[EVENT_ID]] == line[ROW]]
    if len(first_lines) < len(lines):
        contents = {(line[EVENT_ID], line[LINE]): line[1:] for line in first_lines}
        report.differing = {
            line[EVENT_ID]
            for line in lines
            if contents.get((line[EVENT_ID], line[LINE])) != line[1:]
        }
    return first_lines


class KnownProducts:
    """Cache of primary keys of products by shop and id.

    An id never moves to another row; the database rejects rows that are gone.
    """

    MOST = 200_000
    """Number of entries of all shops at which the cache is cleared."""

    def __init__(self) -> None:
        self.keys: dict[int, dict[str, int]] = {}

    def of(self, cursor, shop: Shop, item_ids: set[str]) -> dict[str, int]:
        """item id -> primary key, at least of those of these products that the shop has."""
        if sum(map(len, self.keys.values())) > self.MOST:
            self.keys = {}
        known = self.keys.setdefault(shop.pk, {})
        known.update(
            _ids_by_key(
                cursor, PRODUCTS, shop, [item_id for item_id in item_ids if item_id not in known]
            )
        )
        return known

    def clear(self) -> None:
        self.keys = {}

    def forget(self, shop: Shop) -> None:
        self.keys.pop(shop.pk, None)


known_products = KnownProducts()
process_caches.register(known_products.clear)
PRODUCTS = Prepared(
    "products_by_id",
    ("bigint", "text[]"),
    "SELECT item_id, id FROM recommender_product WHERE shop_id = $1 AND item_id = ANY($2)",
)
NEW_SHOPPERS = """
    INSERT INTO recommender_shopper (shop_id, user_id, attributes, consent_personalisation,
        consent_training, first_seen)
    SELECT %s, user_id, '{}', true, true, first_seen FROM unnest(%s::text[],
        %s::timestamptz[]) AS new (user_id, first_seen)
    ORDER BY user_id ON CONFLICT (shop_id, user_id) DO NOTHING"""
SHOPPERS = Prepared(
    "shoppers_by_id",
    ("bigint", "text[]"),
    "SELECT user_id, id FROM recommender_shopper WHERE shop_id = $1 AND user_id = ANY($2)",
)


def _ids_by_key(cursor, question: Prepared, shop: Shop, ids: Collection[str]) -> dict[str, int]:
    """Primary keys by the shop's own ids."""
    if not ids:
        return {}
    question.execute(cursor, [shop.pk, text_array(ids)])
    return dict(cursor.fetchall())


def _by_other_names(
    cursor, shop: Shop, lines: list[tuple], products: dict[str, int]
) -> tuple[list[tuple], dict[str, int]]:
    """The lines with the variants that they name, and the products with those named otherwise."""
    unknown = {line[ITEM_ID] for line in lines} - products.keys() - {None}
    named = product_names.resolve(cursor, shop, unknown) if unknown else {}
    if not named:
        return lines, products
    lines = [
        (*line[:VARIANT_ID], line[VARIANT_ID] or named[line[ITEM_ID]].variant_id)
        if line[ITEM_ID] in named
        else line
        for line in lines
    ]
    return lines, products | {name: product.key for name, product in named.items()}


def _of_known_products(lines: list[tuple], products: dict[str, int], report: Report) -> list[tuple]:
    """Drop events that name an unknown product."""
    refused: set[int] = set()
    for line in lines:
        if line[ITEM_ID] is not None and line[ITEM_ID] not in products and line[ROW] not in refused:
            report.errors.append(
                RowError(line[ROW], f"items[{line[LINE]}].item_id", "is not a known product")
            )
            refused.add(line[ROW])
    return [line for line in lines if line[ROW] not in refused] if refused else lines


def _with_owners(cursor, shop: Shop, lines: list[tuple]) -> list[tuple]:
    """Assign anonymous events of a shopper's sessions to the shopper."""
    anonymous = {line[SESSION_ID] for line in lines if line[USER_ID] is None}
    owners = owners_of(cursor, shop, anonymous) if anonymous else None
    if not owners:
        return lines
    return [
        (*line[:USER_ID], owners[line[SESSION_ID]], *line[USER_ID + 1 :])
        if line[USER_ID] is None and line[SESSION_ID] in owners
        else line
        for line in lines
    ]


def _shoppers(
    cursor, shop: Shop, lines: list[tuple], report: Report
) -> tuple[dict[str, int], list[tuple]]:
    """The shoppers of these events, created where unknown; and the events without rejected ones."""
    user_ids = {line[USER_ID] for line in lines} - {None}
    shopper_ids = _ids_by_key(cursor, SHOPPERS, shop, user_ids)
    if len(shopper_ids) < len(user_ids):
        first = {}
        erased = erased_among(shop, user_ids - shopper_ids.keys())
        late = {
            line[ROW] for line in lines if erased and came_too_late(erased, line[USER_ID], line[AT])
        }
        report.errors += [RowError(row, "user_id", ERASED) for row in sorted(late)]
        lines = [line for line in lines if line[ROW] not in late]
        user_ids = {line[USER_ID] for line in lines} - {None}
        for line in lines:
            if line[USER_ID] in user_ids and line[USER_ID] not in shopper_ids:
                first[line[USER_ID]] = min(first.get(line[USER_ID], line[AT]), line[AT])
        cursor.execute(NEW_SHOPPERS, [shop.pk, list(first), list(first.values())])
        shopper_ids |= _ids_by_key(cursor, SHOPPERS, shop, first)
        if len(shopper_ids) < len(user_ids):
            raise IntegrityError("a shopper was erased at this moment")
        restore_refusals(
            shop, {user_id: receipt for user_id, receipt in erased.items() if user_id in first}
        )
    return shopper_ids, lines
