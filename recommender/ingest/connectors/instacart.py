"""Instacart: products; its orders have no dates."""

from collections.abc import Iterator

from recommender.ingest.connectors.core import (
    PRODUCTS,
    Format,
    Reading,
    Record,
    Signature,
    Table,
    rows_of,
)
from recommender.ingest.connectors.joins import Lookup
from recommender.ingest.connectors.values import (
    paths,
)


def _instacart_products(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """Products with the names of aisle and department, where their files are given."""
    aisles = Lookup(rows_of(tables, "aisles"), lambda row: row["aisle_id"])
    departments = Lookup(rows_of(tables, "departments"), lambda row: row["department_id"])
    for row in rows_of(tables, "products"):
        department, aisle = departments.one(row["department_id"]), aisles.one(row["aisle_id"])
        names = [
            department["department"] if department else None,
            aisle["aisle"] if aisle else None,
        ]
        product = {"item_id": str(row["product_id"]), "title": row["product_name"]}
        product["categories"] = paths([" > ".join(filter(None, names))])
        yield PRODUCTS, row.line, product
    aisles.close()
    departments.close()


INSTACART = Format(
    "instacart_products",
    "Instacart products",
    {
        "products": Signature(("product_id", "product_name", "aisle_id")),
        "aisles": Signature(("aisle_id", "aisle"), (), ("product_id",)),
        "departments": Signature(("department_id", "department"), (), ("product_id",)),
    },
    _instacart_products,
    (PRODUCTS,),
    product_columns=("title", "categories"),
    required={"products": "names of categories need the file of products beside them"},
)


INSTACART_ORDERS = Format(
    "instacart_orders",
    "Instacart orders",
    {
        "rows": Signature(("order_id", "eval_set", "order_number", "order_dow")),
        "lines": Signature(("order_id", "product_id", "add_to_cart_order")),
    },
    lambda reading, tables: iter(()),
    (),
    required={
        "dates": "these orders have no dates, only days between them: events need the time at "
        "which they happened"
    },
)


FORMATS = (INSTACART, INSTACART_ORDERS)
