"""Judged queries: OpenSearch, ESCI."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.core import (
    JUDGEMENTS,
    PRODUCTS,
    Format,
    Reading,
    Record,
    Row,
    Signature,
    Table,
    rows_of,
    simple,
)
from recommender.ingest.connectors.values import (
    attributes,
)
from recommender.ingest.judgements import ESCI


def _opensearch_judgements(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """Ratings below their queries."""
    for row in rows_of(tables):
        for query in row["judgmentRatings"] or []:
            for one in query.get("ratings") or []:
                grade = {"query": query.get("query"), "item_id": one.get("docId")}
                yield JUDGEMENTS, row.line, {**grade, "grade": one.get("rating")}


OPENSEARCH_JUDGEMENTS = Format(
    "opensearch_judgements",
    "OpenSearch judgement list",
    {"rows": Signature(("judgmentratings",))},
    _opensearch_judgements,
    (JUDGEMENTS,),
)


def _esci_grade(row: Row) -> Any:
    label = str(row["esci_label"] or "").strip().casefold()
    return ESCI.get(label, label)


ESCI_JUDGEMENTS = simple(
    "esci_judgements",
    "ESCI judgements",
    JUDGEMENTS,
    Signature(("query", "product_id", "esci_label")),
    {"query": "query", "item_id": "product_id", "grade": _esci_grade},
)


ESCI_PRODUCTS = simple(
    "esci_products",
    "ESCI products",
    PRODUCTS,
    Signature(("product_id", "product_title", "product_bullet_point")),
    {
        "item_id": "product_id",
        "title": "product_title",
        "description": lambda row: "\n".join(
            filter(None, [row["product_bullet_point"], row["product_description"]])
        ),
        "brand": "product_brand",
        "attributes": attributes(color="product_color"),
    },
)


ESCI_SOURCES = Format(
    "esci_sources",
    "ESCI sources",
    {"rows": Signature(("query_id", "source"), (), ("query", "product_id"))},
    lambda reading, tables: iter(()),
    (),
    required={"grades": "this file says where queries come from; it holds no judgements"},
)


FORMATS = (OPENSEARCH_JUDGEMENTS, ESCI_JUDGEMENTS, ESCI_PRODUCTS, ESCI_SOURCES)
