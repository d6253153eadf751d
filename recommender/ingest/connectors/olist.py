"""Olist: products and orders."""

from collections.abc import Iterator

from recommender.ingest.connectors.core import (
    EVENTS,
    PRODUCTS,
    Format,
    Reading,
    Record,
    Signature,
    Table,
    rows_of,
    simple,
)
from recommender.ingest.connectors.joins import Lookup
from recommender.ingest.connectors.orders import key_of
from recommender.ingest.connectors.values import (
    attributes,
    paths,
)


def _olist_orders(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[Record]:
    """Lines of orders, with date and customer of the file of orders."""
    orders = Lookup(rows_of(tables, "orders"), lambda row: row["order_id"])
    customers = Lookup(rows_of(tables, "customers"), lambda row: row["customer_id"])
    for row in rows_of(tables, "lines"):
        order = orders.one(row["order_id"])
        if order is None:
            reading.reject(row, "order_id", "is in no file of orders")
            continue
        if order["order_status"] in ("canceled", "unavailable"):
            reading.note(
                f"an order is {order['order_status']}: its lines are no purchases", row["order_id"]
            )
            continue
        person = customers.one(order["customer_id"])
        yield (
            EVENTS,
            row.line,
            {
                "event_id": key_of(row["order_id"]),
                "session_id": key_of(row["order_id"]),
                "user_id": person["customer_unique_id"] if person else order["customer_id"],
                "item_id": row["product_id"],
                "occurred_at": order["order_purchase_timestamp"],
                "price": row["price"],
                "quantity": 1,
                "type": "purchase",
            },
        )
    orders.close()
    customers.close()


OLIST_ORDERS = Format(
    "olist_orders",
    "Olist orders",
    {
        "lines": Signature(("order_id", "order_item_id", "product_id", "price")),
        "orders": Signature(("order_id", "customer_id", "order_purchase_timestamp")),
        "customers": Signature(("customer_id", "customer_unique_id")),
    },
    _olist_orders,
    (EVENTS,),
    required={
        "lines": "orders need the file of their lines (order_items) beside them",
        "orders": "lines of orders have no date of purchase and no customer: give the file of "
        "orders beside it",
    },
    replaces=True,
)


OLIST_PRODUCTS = simple(
    "olist_products",
    "Olist products",
    PRODUCTS,
    Signature(("product_id", "product_category_name", "product_photos_qty")),
    {
        "item_id": "product_id",
        "categories": lambda row: paths(
            [str(v).replace("_", " ") for v in [row["product_category_name"]] if v]
        ),
        "attributes": attributes(
            weight_g="product_weight_g", photos="product_photos_qty", length_cm="product_length_cm"
        ),
    },
)


FORMATS = (OLIST_ORDERS, OLIST_PRODUCTS)
