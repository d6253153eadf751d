"""The REST form of a product: from its nested JSON to the row of an import, and back."""

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

from rest_framework.exceptions import NotFound

from recommender.api.http.listing import choose, read_fields
from recommender.catalog.product_fields import FIELDS
from recommender.ingest import FieldError, is_text
from recommender.ingest.variants import PRICES
from recommender.models import Product, Shop

READ_ONLY = {"updated_at", "created_at"}
OBJECTS: dict[str, dict[str, str]] = {}
"""Fields that are objects: name -> part -> column."""
for _field in FIELDS:
    if len(_field.rest_path) == 2:
        OBJECTS.setdefault(_field.rest_path[0], {})[_field.rest_path[1]] = _field.column
PLAIN = tuple(field.column for field in FIELDS if len(field.rest_path) == 1)
ITEM_FIELDS = {"item_id", *PLAIN, *OBJECTS}
ITEM_NAMES = ("item_id", *dict.fromkeys(field.rest_path[0] for field in FIELDS), "updated_at")
"""Fields of a product in replies, in their order."""
AMOUNTS = tuple(name for name, parts in OBJECTS.items() if "amount" in parts)
PARTS = {
    name: {*parts, *(["currency"] if name in AMOUNTS else [])} for name, parts in OBJECTS.items()
}


def _check_currency(data: dict, name: str, shop: Shop) -> None:
    currency = _part(data, name, "currency")
    if currency not in (None, shop.currency):
        message = f"must be {shop.currency}, this shop's, not {str(currency)[:20]!r}"
        raise FieldError(f"{name}.currency", message)


def flat_item(data: Any, shop: Shop, item_id: str | None = None) -> dict[str, Any]:
    """Convert a product from its REST form (nested objects) to a flat import row. item_id: the id
    in the URL, which an id in the body must equal. Raises FieldError for an unknown field, a
    malformed object, or another currency than the shop's.
    """
    if not isinstance(data, dict):
        raise FieldError("item", "must be an object")
    unknown = sorted(data.keys() - ITEM_FIELDS - READ_ONLY)
    if unknown:
        raise FieldError(unknown[0], "is not a field of an item")
    if item_id is not None and data.get("item_id", item_id) != item_id:
        raise FieldError("item_id", "differs from the one in the address")
    row = {name: data[name] for name in PLAIN if name in data}
    row["item_id"] = item_id if item_id is not None else data.get("item_id")
    for name in OBJECTS.keys() & data.keys():
        row |= {column: _part(data, name, part) for part, column in OBJECTS[name].items()}
    for name in AMOUNTS:
        if name in data:
            _check_currency(data, name, shop)
    attributes = row.get("attributes")
    brand = attributes.get("brand") if isinstance(attributes, dict) else None
    if isinstance(brand, str):
        row.setdefault("brand", brand)
    return row


def _part(data: dict[str, Any], name: str, part: str) -> Any:
    value = data[name]
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() - PARTS[name]:
        raise FieldError(name, f"must be an object with {' and '.join(sorted(PARTS[name]))}")
    return value.get(part)


def amount_of(price: Decimal) -> str:
    """A price as text with at least two decimals: 19.90, 0.0035."""
    cents = price.quantize(Decimal("0.01"))
    return f"{cents if cents == price else price.normalize():f}"


def _variant_json(variant: dict[str, Any]) -> dict[str, Any]:
    """A variant with its prices as text, as those of products."""
    amounts = {n: amount_of(Decimal(str(variant[n]))) for n in PRICES if n in variant}
    return variant | amounts


def item_json(product: Product) -> dict[str, Any]:
    """A product as the REST API returns it."""
    item: dict[str, Any] = {"item_id": product.item_id}
    for field in FIELDS:
        value = getattr(product, field.column)
        name, *part = field.rest_path
        if name in AMOUNTS:
            currency = product.shop.currency
            price = None if value is None else {"amount": amount_of(value), "currency": currency}
            item[name] = price
        elif name == "variants":
            item[name] = [_variant_json(variant) for variant in value]
        elif part:
            item.setdefault(name, {})[part[0]] = None if value == "" else value
        else:
            item[name] = value
    return item | {"updated_at": product.updated_at}


def hydrated_items(
    shop: Shop, item_ids: Collection[str], names: Sequence[str], fields: list[str] | None
) -> dict[str, dict[str, Any]]:
    """By id, products as GET items returns them. names: fields that may be returned; fields: only
    these of them. Raises ValidationError.
    """
    chosen = read_fields(",".join(fields or names), names)
    products = shop.products.filter(item_id__in=item_ids)
    return {product.item_id: choose(item_json(product), chosen) for product in products}


def find_item(shop: Shop, item_id: str, lock: bool = False) -> Product:
    """The product with this id. lock: until the end of the transaction. Raises NotFound."""
    products = shop.products.filter(item_id=item_id)
    if lock:
        products = products.select_for_update()
    product = products.first() if is_text(item_id) else None
    if product is None:
        raise NotFound(f"item_id: {item_id[:256]!r} does not exist in this shop.")
    return product
