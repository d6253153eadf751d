"""Warnings about files that were read without an error, but look wrong."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any

from django.db import connection

from recommender.catalog import product_names
from recommender.ingest.connectors.core import EVENTS, PRODUCTS, Reading
from recommender.ingest.file_report import FileReport
from recommender.ingest.recognition import Recognized
from recommender.models import Product, Shop

MOST_REJECTED = 0.01
"""Share of rejected rows above which there is a warning."""
LOOKED_AT = 1_000
"""Rows in which the column with the ids of products is looked for."""
SMALL_CATALOG = 20
"""Products below which a change of most of them needs no consent."""


def add_warnings(
    shop: Shop, found: Sequence[Recognized], reading: Reading, report: FileReport
) -> None:
    """Add what looks wrong to the warnings of a report."""
    for text, note in reading.notes.items():
        example = f", such as {note.example}" if note.example else ""
        report.warnings.append(f"{text} ({note.count:,} rows{example})")
    if report.errors and report.rejected > MOST_REJECTED * max(reading.rows, 1):
        share = report.rejected / max(reading.rows, 1)
        report.warnings.append(f"{share:.0%} of the rows are rejected")
    if report.counts["products"]:
        report.warnings += _about_products(shop, found)
    if any(EVENTS in one.format.kinds for one in found):
        report.warnings += _about_events(shop, found, report)


def _about_products(shop: Shop, found: Sequence[Recognized]) -> list[str]:
    columns = {
        c for one in found if PRODUCTS in one.format.kinds for c in one.format.product_columns
    }
    total = shop.products.count()
    checks = {
        "title": (Product.objects.filter(title=""), "{} of {} products have no title"),
        "price": (Product.objects.filter(price=0), "{} of {} products cost 0"),
        "published": (
            Product.objects.filter(published=False),
            "{} of {} products are not published",
        ),
    }
    texts = []
    for column, (query, text) in checks.items():
        count = query.filter(shop=shop).count()
        is_much = count == total if column != "title" else count * 2 > total
        if count and is_much and (column in columns or column == "title"):
            texts.append(text.format(f"{count:,}", f"{total:,}"))
    if total and not shop.products.showable().exists():
        texts.append("no product may be shown: all are hidden, not published or sold out")
    return texts


def _about_events(shop: Shop, found: Sequence[Recognized], report: FileReport) -> list[str]:
    texts = []
    unknown = [e for e in report.errors if e.message == "is not a known product"]
    if unknown and not shop.products.exists():
        texts.append("the shop has no products yet: import its catalog before events and orders")
    elif unknown and len(unknown) * 2 > len(report.errors):
        column = _matching_column(shop, found, report.filled)
        if column:
            texts.append(f"most products are unknown; the column {column!r} holds ids of products")
    if sum(report.counts["events"].values()) > 10:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT occurred_at) FROM staged_event")
            (moments,) = cursor.fetchone()
        if moments == 1:
            texts.append("all events have the same time")
    return texts


def _matching_column(shop: Shop, found: Sequence[Recognized], used: Collection[str]) -> str:
    """A column that fills no field, most of whose values are ids of products; empty without one."""
    best: tuple[float, str] = (0.5, "")
    for source in (s for one in found for sources in one.sources.values() for s in sources):
        values: dict[str, Counter[str]] = {}
        for _, row in islice(source.rows(), LOOKED_AT):
            for name, value in row.items():
                if isinstance(value, str | int) and name is not None:
                    values.setdefault(name, Counter())[str(value).strip()] += 1
        for name, counts in values.items():
            if name in used:
                continue
            share = _known_share(shop, counts)
            best = max(best, (share, name))
    return best[1]


def _known_share(shop: Shop, counts: Counter[str]) -> float:
    """Share of the values that name a product."""
    ids = [value for value in counts if value and "\x00" not in value]
    known = set(shop.products.filter(item_id__in=ids).values_list("item_id", flat=True))
    with connection.cursor() as cursor:
        known |= product_names.resolve(cursor, shop, set(ids) - known).keys()
    total = sum(counts.values())
    return sum(counts[one] for one in known) / total if total else 0.0


def questions(shop: Shop, before: tuple[int, int], report: FileReport) -> str:
    """What needs consent: a change of most of the catalog, or that nothing is shown any more."""
    products, shown = before
    changed = report.outcomes.get(PRODUCTS, Counter())["changed"]
    if products >= SMALL_CATALOG and changed * 2 > products:
        return f"the import changes {changed:,} of {products:,} products"
    if shown and not shop.products.showable().exists():
        return f"the import hides every product: {shown:,} were shown before"
    return ""


def preview_text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
