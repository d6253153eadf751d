"""Import of shoppers."""

from collections.abc import Iterable
from typing import Any

from recommender.ingest.owners import erased_among, restore_refusals
from recommender.ingest.parsing import Parser
from recommender.ingest.report import Report
from recommender.ingest.upsert import Table, upsert
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
        unwanted = RecommendationList.objects.of(shop).filter(
            shopper__consent_personalisation=False
        )
        forget_lists(
            shop.pk,
            [
                digest_of(shop.pk, user_id)
                for user_id in unwanted.values_list("shopper__user_id", flat=True)
            ],
        )
        unwanted.delete()
    return report
