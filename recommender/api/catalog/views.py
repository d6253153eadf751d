"""Products: read, create, change, delete, batch."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.catalog import serializers
from recommender.api.http import strict_fields
from recommender.api.http.problem_details import (
    again_when_busy,
    as_sent,
    as_validation_error,
    refuse_errors,
)
from recommender.api.http.strict_fields import STRICT
from recommender.catalog.product_fields import FIELDS
from recommender.ingest import FieldError, Report, is_text, upsert_products
from recommender.ingest.products import COLUMNS
from recommender.models import Product, Shop

READ_ONLY = {"updated_at", "created_at"}
OBJECTS: dict[str, dict[str, str]] = {}
"""Fields that are objects: name -> part -> column."""
for _field in FIELDS:
    if len(_field.rest_path) == 2:
        OBJECTS.setdefault(_field.rest_path[0], {})[_field.rest_path[1]] = _field.column
PLAIN = tuple(field.column for field in FIELDS if len(field.rest_path) == 1)
ITEM_FIELDS = {"item_id", *PLAIN, *OBJECTS}
PARTS = {**{name: {*parts} for name, parts in OBJECTS.items()}, "price": {"amount", "currency"}}


def _check_currency(data: dict, shop: Shop) -> None:
    currency = _part(data, "price", "currency") or shop.currency
    if currency != shop.currency:
        message = f"must be {shop.currency}, this shop's, not {str(currency)[:20]!r}"
        raise FieldError("price.currency", message)


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
    if "price" in data:
        _check_currency(data, shop)
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


def item_json(product: Product) -> dict[str, Any]:
    """A product as the REST API returns it."""
    item: dict[str, Any] = {"item_id": product.item_id}
    for field in FIELDS:
        value = getattr(product, field.column)
        name, *part = field.rest_path
        if name == "price":
            currency = product.shop.currency
            price = None if value is None else {"amount": amount_of(value), "currency": currency}
            item["price"] = price
        elif part:
            item.setdefault(name, {})[part[0]] = None if value == "" else value
        else:
            item[name] = value
    return item | {"updated_at": product.updated_at}


def find_item(shop: Shop, item_id: str) -> Product:
    product = (
        shop.products.select_related("shop").filter(item_id=item_id).first()
        if is_text(item_id)
        else None
    )
    if product is None:
        raise NotFound(f"item_id: {item_id[:256]!r} does not exist in this shop.")
    return product


class ItemView(APIView):
    scopes = {"GET": "catalog:read", "*": "catalog:write"}

    @extend_schema(responses=serializers.ItemSerializer, summary="A product")
    def get(self, request: Request, item_id: str) -> Response:
        return Response(item_json(find_item(request.auth.shop, item_id)))

    @extend_schema(
        request=serializers.ItemSerializer,
        responses={200: serializers.ItemSerializer, 201: serializers.ItemSerializer},
        summary="Create or replace a product",
    )
    def put(self, request: Request, item_id: str) -> Response:
        if not request.data.get("title"):
            raise ValidationError({"title": ["is required"]})
        return self._write(request, item_id, list(COLUMNS))

    @extend_schema(
        request=serializers.ItemSerializer(partial=True),
        responses=serializers.ItemSerializer,
        summary="Change some fields, stock and hidden among them",
    )
    def patch(self, request: Request, item_id: str) -> Response:
        find_item(request.auth.shop, item_id)
        if request.data.get("title", "x") in ("", None):
            raise ValidationError({"title": ["must not be empty"]})
        return self._write(request, item_id, None)

    def _write(self, request: Request, item_id: str, columns: list[str] | None) -> Response:
        try:
            row = flat_item(request.data, request.auth.shop, item_id)
        except FieldError as error:
            raise as_validation_error(error) from None
        if columns is None and isinstance(request.data.get("stock"), dict):
            for part in ("state", "quantity"):
                if part not in request.data["stock"]:
                    row.pop(f"stock_{part}")
        report = upsert_products(request.auth.shop, [(0, row)], columns or row.keys(), STRICT)
        refuse_errors(report)
        return Response(
            item_json(find_item(request.auth.shop, item_id)), status=201 if report.new else 200
        )

    @extend_schema(responses={204: None}, summary="Remove a product and its events")
    def delete(self, request: Request, item_id: str) -> Response:
        find_item(request.auth.shop, item_id)
        if not again_when_busy(lambda: Product.objects.remove(request.auth.shop, [item_id])):
            raise NotFound(f"item_id: {item_id[:256]!r} does not exist in this shop.")
        return Response(status=204)


class ItemsBatchView(APIView):
    scopes = {"*": "catalog:write"}

    @extend_schema(
        request=serializers.ItemsBatchRequest,
        responses=serializers.ItemsBatchReply,
        summary="Many products at once; fields that none of them names stay",
    )
    def post(self, request: Request) -> Response:
        items = request.data.get("items")
        if not isinstance(items, list) or not items:
            raise ValidationError({"items": ["must be a list of at least one product"]})
        if len(items) > strict_fields.MOST_ITEMS:
            raise ValidationError(
                {
                    "items": [
                        (
                            f"holds {len(items):,} products; at most "
                            f"{strict_fields.MOST_ITEMS:,} fit in one call"
                        )
                    ]
                }
            )
        report, errors = Report(), {}
        by_columns: dict[tuple[str, ...], list] = {}
        for i, item in enumerate(items):
            try:
                row = flat_item(item, request.auth.shop)
                by_columns.setdefault(tuple(sorted(row.keys() - {"item_id"})), []).append((i, row))
            except FieldError as error:
                errors[i] = {"field": error.field, "message": error.message}
        errors |= _without_title(request.auth.shop, items, errors.keys())
        by_columns = {
            columns: [(i, row) for i, row in rows if i not in errors]
            for columns, rows in by_columns.items()
        }
        with transaction.atomic():
            for columns, rows in by_columns.items():
                part = upsert_products(request.auth.shop, rows, columns, STRICT)
                report.new, report.changed, report.same = (
                    report.new + part.new,
                    report.changed + part.changed,
                    report.same + part.same,
                )
                errors |= {
                    e.line: {"field": as_sent(e.field), "message": e.message} for e in part.errors
                }
        results = [_item_result(item, errors.get(i)) for i, item in enumerate(items)]
        return Response(
            {
                "new": report.new,
                "changed": report.changed,
                "same": report.same,
                "rejected": len(errors),
                "results": results,
            }
        )


def _without_title(shop: Shop, items: list, wrong: Collection[int]) -> dict[int, dict[str, str]]:
    """Errors by position: a new product needs a title, and no title may be empty."""
    given = {
        i: item
        for i, item in enumerate(items)
        if i not in wrong and isinstance(item.get("item_id"), str)
    }
    empty = {
        i: {"field": "title", "message": "must not be empty"}
        for i, item in given.items()
        if item.get("title", "x") in ("", None)
    }
    untitled = {i: item["item_id"] for i, item in given.items() if "title" not in item}
    titled = {item["item_id"] for i, item in given.items() if "title" in item and i not in empty}
    known = (
        set(
            shop.products.filter(
                item_id__in=[i for i in set(untitled.values()) if is_text(i)]
            ).values_list("item_id", flat=True)
        )
        | titled
    )
    return empty | {
        i: {"field": "title", "message": "is required for a new product"}
        for i, item_id in untitled.items()
        if item_id not in known
    }


def _item_result(item: Any, error: dict[str, str] | None) -> dict[str, Any]:
    item_id = (
        item.get("item_id")
        if isinstance(item, dict) and isinstance(item.get("item_id"), str)
        else None
    )
    return (
        {"item_id": item_id, "status": "rejected", "error": error}
        if error
        else {"item_id": item_id, "status": "accepted"}
    )
