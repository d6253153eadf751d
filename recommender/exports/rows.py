"""Rows of an export: products, events, lists of all shoppers, judgements."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from recommender.catalog.eligibility import allowed, read_products
from recommender.catalog.filter_language import FilterError, select
from recommender.catalog.product_fields import FIELDS
from recommender.models import Product, Shop
from recommender.serving.shop_state import state_of

CHUNK = 2_000
PRODUCT_COLUMNS = {
    "item_id": "text",
    **{field.column: field.kind.parser for field in FIELDS},
    "vector": "vector",
}
"""Columns of products with their types."""
EVENT_COLUMNS = {
    "event_id": "text",
    "type": "text",
    "user_id": "text",
    "session_id": "text",
    "item_id": "text",
    "variant_id": "text",
    "occurred_at": "moment",
    "quantity": "number",
    "value": "number",
    "rating": "number",
    "query": "text",
    "position": "integer",
    "recommendation_id": "text",
    "placement": "text",
    "simulated": "boolean",
}
LIST_COLUMNS = {
    "user_id": "text",
    "position": "integer",
    "item_id": "text",
    "score": "number",
    "model_version": "text",
    "created_at": "moment",
}
JUDGEMENT_COLUMNS = {
    "judgement_id": "text",
    "query": "text",
    "item_id": "text",
    "grade": "number",
    "fold": "integer",
}
Row = dict[str, Any]


class ExportError(ValueError):
    """An export that cannot be made; the message says why."""


def rows_of(
    kind: str, shop: Shop, text: str = "", with_vectors: bool = False
) -> tuple[dict[str, str], Iterator[Row]]:
    """(types by column, rows) of an export.

    kind: one of KINDS; text: a filter of products; with_vectors: products with the vectors of their
    texts. Raises ExportError.
    """
    columns, read = KINDS[kind]
    if kind != "products":
        if text or with_vectors:
            raise ExportError(f"filter and vectors are of products, not of {kind}")
        return columns, read(shop)
    if not with_vectors:
        columns = {name: one for name, one in columns.items() if name != "vector"}
    return columns, _products(shop, text, with_vectors)


def _products(shop: Shop, text: str = "", with_vectors: bool = False) -> Iterator[Row]:
    chosen = shop.products.order_by("item_id")
    if text:
        try:
            selection = select([text])
        except FilterError as error:
            raise ExportError(f"filter: {error}") from None
        frame = read_products(shop.pk)
        passing = allowed(frame, selection, timezone.now(), None)
        chosen = chosen.filter(item_id__in=frame["item_id"].filter(passing).to_list())
    model = state_of(shop).model() if with_vectors else None
    if with_vectors and model is None:
        raise ExportError("vectors: the shop has no model yet")
    return (
        {**_product(product), **({"vector": model.vector_of(product.item_id)} if model else {})}
        for product in chosen.iterator(CHUNK)
    )


def _product(product: Product) -> Row:
    """A product: hidden where it is not published, too, and with the stock state that it has."""
    row = {"item_id": product.item_id}
    row |= {field.column: _plain(getattr(product, field.column)) for field in FIELDS}
    row["hidden"] = product.hidden or not product.published
    if not product.stock_state and product.stock_quantity is not None:
        row["stock_state"] = "in_stock" if product.stock_quantity > 0 else "out_of_stock"
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _events(shop: Shop) -> Iterator[Row]:
    names = {"user_id": "shopper__user_id", "item_id": "product__item_id"}
    fields = [names.get(name, name) for name in EVENT_COLUMNS]
    chosen = shop.events.in_order().values_list(*fields)
    for values in chosen.iterator(CHUNK):
        yield dict(zip(EVENT_COLUMNS, map(_plain, values), strict=True))


def _lists(shop: Shop) -> Iterator[Row]:
    version = state_of(shop).champion()
    if version is None:
        raise ExportError("the shop has no champion, and so no lists yet")
    chosen = shop.lists.filter(version=version).order_by("shopper__user_id")
    fields = ("shopper__user_id", "items", "created_at")
    for user_id, items, created_at in chosen.values_list(*fields).iterator(CHUNK):
        for position, item in enumerate(items, 1):
            yield {
                "user_id": user_id,
                "position": position,
                "item_id": item["item_id"],
                "score": item["score"],
                "model_version": version.label,
                "created_at": _plain(created_at),
            }


def _judgements(shop: Shop) -> Iterator[Row]:
    chosen = shop.judgements.filter(origin="given").order_by("query", "item_id")
    for values in chosen.values_list(*JUDGEMENT_COLUMNS).iterator(CHUNK):
        yield dict(zip(JUDGEMENT_COLUMNS, values, strict=True))


KINDS: dict[str, tuple[dict[str, str], Callable[..., Iterator[Row]]]] = {
    "products": (PRODUCT_COLUMNS, _products),
    "events": (EVENT_COLUMNS, _events),
    "lists": (LIST_COLUMNS, _lists),
    "judgements": (JUDGEMENT_COLUMNS, _judgements),
}
"""What can be exported: columns with their types, and the rows."""
