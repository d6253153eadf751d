"""Import of shoppers."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from recommender.ingest.owners import erased_among, restore_refusals
from recommender.ingest.parsing import Parser
from recommender.ingest.report import Report
from recommender.ingest.upsert import Table, upsert, upsert_parts
from recommender.models import RecommendationList, Shop, Shopper
from recommender.shoppers.keyed_cache import digest_of, forget_lists

COLUMNS = {
    "attributes": "jsonb",
    "first_seen": "timestamptz",
    "consent_personalisation": "boolean",
    "consent_training": "boolean",
}
CONSENTS = frozenset({"consent_personalisation", "consent_training"})
TABLE = Table(
    "recommender_shopper",
    "user_id",
    COLUMNS,
    {"attributes": "'{}'", "consent_personalisation": "true", "consent_training": "true"},
    blank_keeps=CONSENTS,
)


def _value(parser: Parser, name: str, value: Any) -> Any:
    if name == "attributes":
        return parser.mapping(name, value) or {}
    if name == "first_seen":
        return parser.moment(name, value)
    return parser.boolean(name, value)


def _restore_refusals(shop: Shop, report: Report, given: frozenset[str]) -> None:
    """Restore refused consents of shoppers created again after an erasure, unless the import sets
    them.
    """
    names = (
        report.written
        if report.written is not None
        else Shopper.objects.of(shop).values_list("user_id", flat=True).iterator(5000)
    )
    restore_refusals(shop, erased_among(shop, names), except_for=given)


def upsert_parts_of_shoppers(
    shop: Shop, rows: Iterable[tuple[int, dict[str, Any]]], parser: Parser
) -> Report:
    """Insert or update shoppers that each name their own columns; the others stay unchanged."""
    rows = list(rows)
    report = upsert_parts(TABLE, shop, rows, parser, _value)
    if report.new:
        with_both = {row.get("user_id") for _, row in rows if row.keys() >= CONSENTS}
        names = set(report.written or [row.get("user_id") for _, row in rows]) - with_both
        for name in CONSENTS:
            given = {row.get("user_id") for _, row in rows if name in row}
            restore_refusals(shop, erased_among(shop, names - given), except_for=CONSENTS - {name})
    if any("consent_personalisation" in row for _, row in rows):
        _forget_lists_without_consent(shop)
    return report


def _forget_lists_without_consent(shop: Shop) -> None:
    """Delete precomputed lists of shoppers without consent; caches after the transaction."""
    unwanted = RecommendationList.objects.of(shop).filter(shopper__consent_personalisation=False)
    names = unwanted.values_list("shopper__user_id", flat=True)
    digests = [digest_of(shop.pk, user_id) for user_id in names]
    unwanted.delete()
    transaction.on_commit(lambda: forget_lists(shop.pk, digests))


def upsert_shoppers(
    shop: Shop,
    rows: Iterable[tuple[int, dict[str, Any]]],
    columns: Iterable[str],
    parser: Parser,
    dry_run: bool = False,
) -> Report:
    """Insert or update shoppers; columns that are not named, and blank consents, stay unchanged.

    Precomputed lists of shoppers without consent are deleted at once.
    """
    columns = list(columns)
    report = upsert(TABLE, shop, rows, columns, parser, _value, dry_run)
    if report.new and not dry_run and not set(columns) >= CONSENTS:
        _restore_refusals(shop, report, CONSENTS & set(columns))
    if "consent_personalisation" in columns and not dry_run:
        _forget_lists_without_consent(shop)
    return report
