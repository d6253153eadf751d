"""Events that came by REST: copied in a few questions, since the next list waits for them.

Where one of them turns out to be known already, or another call brings the same ones in another order, the call goes the longer way of files, on
which the database tells new from known.
"""

from collections.abc import Iterable
from datetime import timedelta
from operator import itemgetter

from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from psycopg2.errors import DeadlockDetected

from recommender.ingest.events import CLOCK_TOLERANCE, COLUMNS, checked_lines, import_events
from recommender.ingest.fields import Parser
from recommender.ingest.report import Report, RowError
from recommender.ingest.staging import copy_rows
from recommender.models import Shop

ROW, LINE, EVENT_ID, USER_ID, SESSION_ID, ITEM_ID, _, AT = range(8)
STORED = ("shop_id", "shopper_id", "product_id", "line", "event_id", "session_id", *list(COLUMNS)[6:])


def post_events(shop: Shop, events: list, parser: Parser) -> tuple[Report, set[str]]:
    """Store events, each whole; returns the report and the ids that were new. Same ids again change nothing."""
    report = Report()
    lines = list(checked_lines(enumerate(events), parser, timezone.now() + CLOCK_TOLERANCE, timedelta(), report))
    try:
        with transaction.atomic():
            new_ids = _store(shop, lines, report)
    except (IntegrityError, OperationalError) as error:
        if isinstance(error, OperationalError) and not isinstance(error.__cause__, DeadlockDetected):
            raise
        return import_events(shop, enumerate(events), parser)
    report.new = len(new_ids)
    report.same = len(events) - len({error.line for error in report.errors}) - report.new
    return report, new_ids


def _store(shop: Shop, lines: list[tuple], report: Report) -> set[str]:
    """Raises IntegrityError where one is known."""
    with connection.cursor() as cursor:
        products = _found(cursor, PRODUCTS, shop, {line[ITEM_ID] for line in lines} - {None})
        lines = _of_known_products(lines, products, report)
        first: dict[str, int] = {}
        for line in lines:
            first.setdefault(line[EVENT_ID], line[ROW])
        lines = [line for line in lines if first[line[EVENT_ID]] == line[ROW]]
        if not lines:
            return set()
        shoppers = _shoppers(cursor, shop, lines)
        rows = [
            (shop.pk, shoppers.get(line[USER_ID]), products.get(line[ITEM_ID]), line[LINE], line[EVENT_ID], line[SESSION_ID], *line[6:])
            for line in lines
        ]
        said = [i for i, values in enumerate(zip(*rows, strict=True)) if any(value is not None for value in values)]
        copy_rows(cursor, "recommender_event", [STORED[i] for i in said], map(itemgetter(*said), rows))
    return set(first)


PRODUCTS = "SELECT item_id, id FROM recommender_product WHERE shop_id = %s AND item_id = ANY(%s)"
NEW_SHOPPERS = """
    INSERT INTO recommender_shopper (shop_id, user_id, attributes, consent_personalisation, consent_training, first_seen)
    SELECT %s, user_id, '{}', true, true, first_seen FROM unnest(%s::text[], %s::timestamptz[]) AS new (user_id, first_seen)
    ORDER BY user_id ON CONFLICT (shop_id, user_id) DO NOTHING"""
REVISED = """
    WITH touched AS (SELECT id FROM recommender_shopper WHERE shop_id = %s AND user_id = ANY(%s) ORDER BY id FOR NO KEY UPDATE)
    UPDATE recommender_shopper s SET revision = revision + 1 FROM touched WHERE s.id = touched.id RETURNING s.user_id, s.id"""


def _found(cursor, question: str, shop: Shop, ids: Iterable[str]) -> dict[str, int]:
    """Rows by what the shop calls them."""
    ids = list(ids)
    if not ids:
        return {}
    cursor.execute(question, [shop.pk, ids])
    return dict(cursor.fetchall())


def _of_known_products(lines: list[tuple], products: dict[str, int], report: Report) -> list[tuple]:
    """Without the events that name a product that the shop does not have."""
    refused: set[int] = set()
    for line in lines:
        if line[ITEM_ID] is not None and line[ITEM_ID] not in products and line[ROW] not in refused:
            report.errors.append(RowError(line[ROW], f"items[{line[LINE]}].item_id", "is no known product"))
            refused.add(line[ROW])
    return [line for line in lines if line[ROW] not in refused] if refused else lines


def _shoppers(cursor, shop: Shop, lines: list[tuple]) -> dict[str, int]:
    """The shoppers of these events, whose lists so far are out of date now; those that were not known are made."""
    seen = {}
    for line in lines:
        if line[USER_ID] is not None:
            seen[line[USER_ID]] = min(seen.get(line[USER_ID], line[AT]), line[AT])
    found = _found(cursor, REVISED, shop, seen)
    missing = [user_id for user_id in seen if user_id not in found]
    if missing:
        cursor.execute(NEW_SHOPPERS, [shop.pk, missing, [seen[user_id] for user_id in missing]])
        found |= _found(cursor, REVISED, shop, missing)
        if any(user_id not in found for user_id in missing):
            raise IntegrityError("a shopper was erased at this moment")
    return found
