"""Import of events: idempotent by event id, an event's lines all or none, rejected ones named."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from recommender.catalog import product_names
from recommender.ingest.event_validation import CLOCK_TOLERANCE, COLUMNS, event_lines
from recommender.ingest.files import check_whole
from recommender.ingest.owners import ERASED, erased_among, restore_refusals
from recommender.ingest.parsing import FieldError, Parser
from recommender.ingest.report import Report, RowError
from recommender.ingest.staging import stage
from recommender.models import Erasure, Event, Shop

CONTENT = (
    "user_id",
    "item_id",
    "type",
    "occurred_at",
    "quantity",
    "value",
    "price",
    "rating",
    "session_id",
    "query",
)


def with_content_keys(
    rows: Iterable[tuple[int, dict[str, Any]]],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give rows without event_id a key from their content and their number among identical rows."""
    seen: Counter[bytes] = Counter()
    for line, row in rows:
        if not row.get("event_id"):
            content = "\x1f".join(str(row.get(name, "")) for name in CONTENT)
            digest = hashlib.blake2b(
                content.encode("utf-8", "surrogatepass"), digest_size=12
            ).digest()
            row = {**row, "event_id": f"c-{digest.hex()}-{seen[digest]}"}
            seen[digest] += 1
        yield line, row


def import_events(
    shop: Shop,
    rows: Iterable[tuple[int, dict[str, Any]]],
    parser: Parser,
    shift: timedelta = timedelta(),
    dry_run: bool = False,
    from_page: bool = False,
    replaces: bool = False,
) -> tuple[Report, set[str]]:
    """Store events; returns the report and, for typed (REST) rows, the new ids. Idempotent.

    replaces: an event that is stored with other content is replaced, as an edited order
    """
    report, latest = Report(), timezone.now() + CLOCK_TOLERANCE
    with transaction.atomic(), connection.cursor() as cursor:
        stage(
            cursor,
            "staged_event",
            COLUMNS,
            checked_lines(rows, parser, latest, shift, report),
            again=True,
        )
        cursor.execute("ANALYZE staged_event")
        cursor.execute(TO_OWNERS, [shop.pk])
        product_names.resolve_staged(cursor, shop, "staged_event", has_variants=True)
        _refuse_unknown_products(
            cursor, shop, report, "items[{}].item_id" if parser.typed else "item_id"
        )
        erased = _refuse_erased(cursor, shop, report)
        cursor.execute("SELECT count(DISTINCT row) FROM staged_event")
        staged = cursor.fetchone()[0]
        if not parser.typed:
            cursor.execute("SELECT type, count(*) FROM staged_event GROUP BY type ORDER BY type")
            report.lines_by_type = dict(cursor.fetchall())
        replaced = _remove_replaced(cursor, shop) if replaces else 0
        new_ids = _insert(cursor, shop, parser.typed, from_page)
        restore_refusals(shop, erased)
        report.new = len(new_ids) if parser.typed else cursor.fetchone()[0]
        report.changed = replaced
        report.new -= replaced
        report.same = staged - report.new - report.changed
        if parser.typed and report.same:
            cursor.execute(DIFFERING, [shop.pk])
            report.differing = {row[0] for row in cursor.fetchall()}
        if dry_run:
            transaction.set_rollback(True)
    return report, new_ids


def checked_lines(
    rows: Iterable[tuple[int, dict[str, Any]]],
    parser: Parser,
    latest: datetime,
    shift: timedelta,
    report: Report,
) -> Iterator[tuple]:
    """Staged rows. File rows that share an event_id are the lines of one event, in their order.
    Raises FieldError.
    """
    seen: Counter[str] = Counter()
    for row_number, row in rows:
        try:
            if not isinstance(row, dict):
                raise FieldError("event", "must be an object")
            check_whole(row)
            lines = event_lines(parser, row, latest, shift)
        except FieldError as error:
            report.errors.append(RowError(row_number, error.field, error.message))
        else:
            if not parser.typed:
                lines = [(seen[row["event_id"]], *line[1:]) for line in lines]
                seen[row["event_id"]] += 1
            for line in lines:
                yield (row_number, *line)


def _refuse_unknown_products(cursor, shop: Shop, report: Report, field: str) -> None:
    """Reject events of unknown products, and lock the others against deletion."""
    reported: set[int] = set()
    held, wanted = -1, 0
    while held < wanted:  # a product was deleted between the two statements
        _reject_unknown(cursor, shop, report, field, reported)
        cursor.execute(
            """WITH held AS (SELECT 1 FROM recommender_product WHERE shop_id = %s
                AND item_id IN (SELECT item_id FROM staged_event)
               ORDER BY id FOR KEY SHARE) SELECT count(*), (
                   SELECT count(DISTINCT item_id) FROM staged_event) FROM held""",
            [shop.pk],
        )
        held, wanted = cursor.fetchone()


def _reject_unknown(cursor, shop: Shop, report: Report, field: str, reported: set[int]) -> None:
    """Reject staged rows of unknown products. reported: rows that were rejected."""
    cursor.execute(
        """SELECT s.row, s.line, s.item_id FROM staged_event s
           LEFT JOIN recommender_product p ON p.shop_id = %s AND p.item_id = s.item_id
           WHERE s.item_id IS NOT NULL AND p.id IS NULL ORDER BY s.row, s.line""",
        [shop.pk],
    )
    unknown = cursor.fetchall()
    for row, line, _ in unknown:
        if row not in reported:
            report.errors.append(RowError(row, field.format(line), "is not a known product"))
            reported.add(row)
    if unknown:
        rows = list({row for row, _, _ in unknown})
        cursor.execute("DELETE FROM staged_event WHERE row = ANY(%s)", [rows])


INSERT = """
    WITH inserted AS (
        INSERT INTO recommender_event (shop_id, event_id, line, shopper_id, session_id, product_id,
            variant_id, type, occurred_at,
            quantity, value, rating, query, position, recommendation_id, placement, simulated,
                from_page)
        SELECT %(shop)s, e.event_id, e.line, s.id, e.session_id, p.id, e.variant_id, e.type,
            e.occurred_at, e.quantity, e.value, e.rating, e.query, e.position, e.recommendation_id,
                e.placement, e.simulated, %(from_page)s
        FROM {source} e
        LEFT JOIN recommender_shopper s ON s.shop_id = %(shop)s AND s.user_id = e.user_id
        LEFT JOIN recommender_product p ON p.shop_id = %(shop)s AND p.item_id = e.item_id
        WHERE {fresh}
        ORDER BY e.row, e.line
        ON CONFLICT (shop_id, event_id, line) DO NOTHING
        RETURNING event_id)
"""
WHOLE_EVENTS = {
    "source": "(SELECT *, min(row) OVER (PARTITION BY event_id) AS first_row FROM staged_event)",
    "fresh": (
        "e.row = e.first_row AND NOT EXISTS (SELECT 1 FROM recommender_event o WHERE o.shop_id "
        "= %(shop)s AND o.event_id = e.event_id)"
    ),
}
"""SQL for REST: an event is complete, and its id is new or known."""
SINGLE_LINES = {"source": "staged_event", "fresh": "true"}
"""SQL for files: a row is one line of an event."""
DIFFERING = """
    SELECT DISTINCT e.event_id FROM staged_event e
    LEFT JOIN recommender_event o ON o.shop_id = %s AND o.event_id = e.event_id AND o.line = e.line
    LEFT JOIN recommender_product p ON p.id = o.product_id
    LEFT JOIN recommender_shopper s ON s.id = o.shopper_id
    WHERE (o.type, p.item_id, s.user_id, o.session_id, o.occurred_at, o.quantity, o.value, o.rating)
        IS DISTINCT FROM (e.type, e.item_id, e.user_id, e.session_id, e.occurred_at, e.quantity,
            e.value, e.rating)"""
"""SQL: events whose id is stored with other content."""
TO_OWNERS = """
    UPDATE staged_event e SET user_id = s.user_id
    FROM recommender_sessionlink l JOIN recommender_shopper s ON s.id = l.shopper_id
    WHERE e.user_id IS NULL AND l.shop_id = %s AND l.session_id = e.session_id"""
"""SQL: assign anonymous events of a shopper's sessions to the shopper."""


REPLACED = """
    SELECT o.id FROM recommender_event o WHERE o.shop_id = %(shop)s AND o.event_id IN (
        SELECT coalesce(e.event_id, k.event_id) FROM staged_event e
        FULL JOIN (
            SELECT o.*, p.item_id AS known_id, s.user_id AS known_user FROM recommender_event o
            LEFT JOIN recommender_product p ON p.id = o.product_id
            LEFT JOIN recommender_shopper s ON s.id = o.shopper_id
            WHERE o.shop_id = %(shop)s AND o.event_id IN (SELECT event_id FROM staged_event)) k
        ON k.event_id = e.event_id AND k.line = e.line
        WHERE (e.event_id IS NOT NULL OR k.event_id IS NOT NULL)
            AND (e.item_id, e.type, e.user_id, e.session_id, e.occurred_at, e.quantity, e.value)
            IS DISTINCT FROM (k.known_id, k.type, k.known_user, k.session_id, k.occurred_at,
                k.quantity, k.value))"""
"""SQL: lines of stored events that are staged with other content, or with other lines."""


def _remove_replaced(cursor, shop: Shop) -> int:
    """Delete stored events that come again with other content; returns the lines of their new
    state that replace a stored one.
    """
    cursor.execute(REPLACED, {"shop": shop.pk})
    keys = [row[0] for row in cursor.fetchall()]
    if not keys:
        return 0
    cursor.execute(
        """SELECT count(*) FROM staged_event e WHERE EXISTS (SELECT FROM recommender_event o
            WHERE o.id = ANY(%s) AND o.event_id = e.event_id AND o.line = e.line)""",
        [keys],
    )
    (replaced,) = cursor.fetchone()
    Event.objects.filter(pk__in=keys).remove()
    return replaced


def _refuse_erased(cursor, shop: Shop, report: Report) -> dict[str, Erasure]:
    """Reject events of erased shoppers from before the erasure.

    Returns the receipts of shoppers who are created again.
    """
    if not Erasure.objects.of(shop).exists():
        return {}
    cursor.execute(
        """SELECT DISTINCT e.user_id FROM staged_event e LEFT
            JOIN recommender_shopper s ON s.shop_id = %s AND s.user_id = e.user_id
           WHERE e.user_id IS NOT NULL AND s.id IS NULL""",
        [shop.pk],
    )
    erased = erased_among(shop, [row[0] for row in cursor.fetchall()])
    for user_id, receipt in erased.items():
        cursor.execute(
            "DELETE FROM staged_event WHERE user_id = %s AND occurred_at <= %s RETURNING row",
            [user_id, receipt.created_at],
        )
        report.errors += [
            RowError(row, "user_id", ERASED)
            for row in sorted({row[0] for row in cursor.fetchall()})
        ]
    return erased


def _insert(cursor, shop: Shop, keep_ids: bool, from_page: bool) -> set[str]:
    """Insert the staged events.

    With `keep_ids` returns the new ids; otherwise the caller fetches their number.
    """
    _hold_shoppers(cursor, shop)
    values = {"shop": shop.pk, "from_page": from_page}
    if keep_ids:
        statement = INSERT.format(**WHOLE_EVENTS) + "SELECT DISTINCT event_id FROM inserted"
        cursor.execute(statement, values)
        return {row[0] for row in cursor.fetchall()}
    cursor.execute(INSERT.format(**SINGLE_LINES) + "SELECT count(*) FROM inserted", values)
    return set()


def _hold_shoppers(cursor, shop: Shop) -> None:
    """Create unknown shoppers of the staged events, and lock all of them against erasure."""
    cursor.execute("SELECT count(DISTINCT user_id) FROM staged_event")
    wanted, held = cursor.fetchone()[0], -1
    while held < wanted:
        cursor.execute(
            """INSERT INTO recommender_shopper (shop_id, user_id, attributes,
                consent_personalisation, consent_training, first_seen)
               SELECT %s, user_id, '{}', true, true, min(occurred_at) FROM staged_event
                   WHERE user_id IS NOT NULL
               GROUP BY user_id ORDER BY user_id ON CONFLICT (shop_id, user_id) DO NOTHING""",
            [shop.pk],
        )
        cursor.execute(
            """WITH held AS (SELECT 1 FROM recommender_shopper WHERE shop_id = %s
                AND user_id IN (SELECT user_id FROM staged_event)
               ORDER BY id FOR KEY SHARE) SELECT count(*) FROM held""",
            [shop.pk],
        )
        held = cursor.fetchone()[0]
