"""Products and shoppers of the shop."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api import serializers as shapes
from recommender.api.fields import STRICT
from recommender.api.problems import again_when_busy
from recommender.api.reading import read_ids
from recommender.erasure import erase
from recommender.ingest import FieldError, Report, is_text, upsert_products, upsert_shoppers
from recommender.ingest.products import COLUMNS
from recommender.models import Erasure, Product, Shop, Shopper

ITEM_FIELDS = {
    "item_id", "title", "description", "brand", "categories", "price", "attributes", "images", "stock", "available_from", "available_until", "hidden",
    "margin_rate", "locale",
}  # fmt: skip
MOST_SESSIONS = 100
READ_ONLY = {"updated_at", "created_at"}


def flat_item(data: Any, shop: Shop, item_id: str | None = None) -> dict[str, Any]:
    """The row of an item as REST sends it. Raises FieldError where its shape is wrong."""
    if not isinstance(data, dict):
        raise FieldError("item", "must be an object")
    unknown = sorted(data.keys() - ITEM_FIELDS - READ_ONLY)
    if unknown:
        raise FieldError(unknown[0], "is not a field of an item")
    if item_id is not None and data.get("item_id", item_id) != item_id:
        raise FieldError("item_id", "differs from the one in the address")
    row = {name: value for name, value in data.items() if name in COLUMNS and name != "price"}
    row["item_id"] = item_id if item_id is not None else data.get("item_id")
    if "price" in data:
        row["price"] = _part(data, "price", "amount", {"amount", "currency"})
        if (currency := _part(data, "price", "currency", {"amount", "currency"}) or shop.currency) != shop.currency:
            raise FieldError("price.currency", f"must be {shop.currency}, this shop's, not {str(currency)[:20]!r}")
    if "stock" in data:
        row["stock_state"] = _part(data, "stock", "state", {"state", "quantity"})
        row["stock_quantity"] = _part(data, "stock", "quantity", {"state", "quantity"})
    attributes = row.get("attributes")
    if isinstance(attributes, dict) and "brand" not in row and isinstance(attributes.get("brand"), str):
        row["brand"] = attributes["brand"]
    return row


def _part(data: dict[str, Any], name: str, part: str, known: set[str]) -> Any:
    value = data[name]
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() - known:
        raise FieldError(name, f"must be an object with {' and '.join(sorted(known))}")
    return value.get(part)


def amount_of(price: Decimal) -> str:
    """Two digits after the point, or as many as the price has: 19.90, 0.0035."""
    cents = price.quantize(Decimal("0.01"))
    return f"{cents if cents == price else price.normalize():f}"


def item_json(product: Product) -> dict[str, Any]:
    price = None if product.price is None else {"amount": amount_of(product.price), "currency": product.shop.currency}
    return {
        "item_id": product.item_id, "title": product.title, "description": product.description, "brand": product.brand,
        "categories": product.categories,
        "price": price, "attributes": product.attributes, "images": product.images,
        "stock": {"state": product.stock_state or None, "quantity": product.stock_quantity}, "available_from": product.available_from,
        "available_until": product.available_until, "hidden": product.hidden, "margin_rate": product.margin_rate, "locale": product.locale,
        "updated_at": product.updated_at,
    }  # fmt: skip


def find_item(shop: Shop, item_id: str) -> Product:
    product = shop.products.select_related("shop").filter(item_id=item_id).first() if is_text(item_id) else None
    if product is None:
        raise NotFound(f"item_id: {item_id[:256]!r} is no product of this shop.")
    return product


def refuse_errors(report: Report) -> None:
    if report.errors:
        raise ValidationError({as_sent(e.field): [e.message] for e in report.errors})


def as_sent(field: str) -> str:
    """What REST calls a column of a product: stock.state."""
    return field.replace("stock_", "stock.", 1) if field.startswith("stock_") else field


def as_validation_error(error: FieldError) -> ValidationError:
    return ValidationError({error.field: [error.message]})


class ItemView(APIView):
    scopes = {"GET": "catalog:read", "*": "catalog:write"}

    @extend_schema(responses=shapes.ItemSerializer, summary="A product")
    def get(self, request: Request, item_id: str) -> Response:
        return Response(item_json(find_item(request.auth.shop, item_id)))

    @extend_schema(
        request=shapes.ItemSerializer, responses={200: shapes.ItemSerializer, 201: shapes.ItemSerializer}, summary="Create or replace a product"
    )
    def put(self, request: Request, item_id: str) -> Response:
        if not request.data.get("title"):
            raise ValidationError({"title": ["is required"]})
        return self._write(request, item_id, list(COLUMNS))

    @extend_schema(
        request=shapes.ItemSerializer(partial=True), responses=shapes.ItemSerializer, summary="Change some fields, stock and hidden among them"
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
        return Response(item_json(find_item(request.auth.shop, item_id)), status=201 if report.new else 200)

    @extend_schema(responses={204: None}, summary="Remove a product and its events")
    def delete(self, request: Request, item_id: str) -> Response:
        find_item(request.auth.shop, item_id)
        if not again_when_busy(lambda: Product.objects.remove(request.auth.shop, [item_id])):
            raise NotFound(f"item_id: {item_id[:256]!r} is no product of this shop.")
        return Response(status=204)


class ItemsBatchView(APIView):
    scopes = {"*": "catalog:write"}

    @extend_schema(
        request=shapes.ItemsBatchRequest, responses=shapes.ItemsBatchReply, summary="Many products at once; fields that none of them names stay"
    )
    def post(self, request: Request) -> Response:
        items = request.data.get("items")
        if not isinstance(items, list) or not items:
            raise ValidationError({"items": ["must be a list of at least one product"]})
        if len(items) > shapes.MOST_ITEMS:
            raise ValidationError({"items": [f"holds {len(items):,} products; at most {shapes.MOST_ITEMS:,} fit in one call"]})
        report, errors = Report(), {}
        by_columns: dict[tuple[str, ...], list] = {}
        for i, item in enumerate(items):
            try:
                row = flat_item(item, request.auth.shop)
                by_columns.setdefault(tuple(sorted(row.keys() - {"item_id"})), []).append((i, row))
            except FieldError as error:
                errors[i] = {"field": error.field, "message": error.message}
        errors |= _without_title(request.auth.shop, items, errors.keys())
        by_columns = {columns: [(i, row) for i, row in rows if i not in errors] for columns, rows in by_columns.items()}
        with transaction.atomic():
            for columns, rows in by_columns.items():
                part = upsert_products(request.auth.shop, rows, columns, STRICT)
                report.new, report.changed, report.same = report.new + part.new, report.changed + part.changed, report.same + part.same
                errors |= {e.line: {"field": as_sent(e.field), "message": e.message} for e in part.errors}
        results = [_item_result(item, errors.get(i)) for i, item in enumerate(items)]
        return Response({"new": report.new, "changed": report.changed, "same": report.same, "rejected": len(errors), "results": results})


def _without_title(shop: Shop, items: list, wrong: Collection[int]) -> dict[int, dict[str, str]]:
    """Errors by position: a title may be left out of what the shop has already, and never be empty."""
    given = {i: item for i, item in enumerate(items) if i not in wrong and isinstance(item.get("item_id"), str)}
    empty = {i: {"field": "title", "message": "must not be empty"} for i, item in given.items() if item.get("title", "x") in ("", None)}
    untitled = {i: item["item_id"] for i, item in given.items() if "title" not in item}
    titled = {item["item_id"] for i, item in given.items() if "title" in item and i not in empty}
    there = set(shop.products.filter(item_id__in=[i for i in set(untitled.values()) if is_text(i)]).values_list("item_id", flat=True)) | titled
    return empty | {i: {"field": "title", "message": "is required for a new product"} for i, item_id in untitled.items() if item_id not in there}


def _item_result(item: Any, error: dict[str, str] | None) -> dict[str, Any]:
    item_id = item.get("item_id") if isinstance(item, dict) and isinstance(item.get("item_id"), str) else None
    return {"item_id": item_id, "status": "rejected", "error": error} if error else {"item_id": item_id, "status": "accepted"}


def user_json(shopper: Shopper) -> dict[str, Any]:
    consent = {"personalisation": shopper.consent_personalisation, "training": shopper.consent_training}
    sessions = list(shopper.session_links.order_by("pk").values_list("session_id", flat=True)[:MOST_SESSIONS])
    return {
        "user_id": shopper.user_id, "attributes": shopper.attributes, "consent": consent, "merged_from": sessions,
        "first_seen": shopper.first_seen, "updated_at": shopper.updated_at,
    }  # fmt: skip


class UserView(APIView):
    scopes = {"GET": "users:read", "*": "users:write"}

    def _find(self, request: Request, user_id: str) -> Shopper:
        shopper = request.auth.shop.shoppers.filter(user_id=user_id).first() if is_text(user_id) else None
        if shopper is None:
            raise NotFound(f"user_id: {user_id[:256]!r} is no shopper of this shop.")
        return shopper

    @extend_schema(responses=shapes.UserSerializer, summary="A shopper")
    def get(self, request: Request, user_id: str) -> Response:
        return Response(user_json(self._find(request, user_id)))

    @extend_schema(
        request=shapes.UserSerializer, responses={200: shapes.UserSerializer, 201: shapes.UserSerializer}, summary="Create or replace a shopper"
    )
    def put(self, request: Request, user_id: str) -> Response:
        return self._write(request, user_id, {"attributes": request.data.get("attributes")})

    @extend_schema(
        request=shapes.UserSerializer(partial=True), responses=shapes.UserSerializer, summary="Change what is given of a shopper; the rest stays"
    )
    def patch(self, request: Request, user_id: str) -> Response:
        self._find(request, user_id)
        return self._write(request, user_id, {"attributes": request.data["attributes"]} if "attributes" in request.data else {})

    def _write(self, request: Request, user_id: str, columns: dict[str, Any]) -> Response:
        data = request.data
        unknown = sorted(data.keys() - {"user_id", "attributes", "consent", "merged_from", "first_seen", "updated_at"})
        if unknown:
            raise ValidationError({unknown[0]: ["is not a field of a user"]})
        if data.get("user_id", user_id) != user_id:
            raise ValidationError({"user_id": ["differs from the one in the address"]})
        consent = data.get("consent") or {}
        if not isinstance(consent, dict) or consent.keys() - {"personalisation", "training"}:
            raise ValidationError({"consent": ["must be an object with personalisation and training"]})
        for name, value in consent.items():
            if not isinstance(value, bool):
                raise ValidationError({f"consent.{name}": ["must be true or false"]})
        sessions = data.get("merged_from") or []
        try:
            sessions = read_ids("merged_from", sessions, MOST_SESSIONS, "session ids")
        except FieldError as error:
            raise as_validation_error(error) from None
        row = {"user_id": user_id, **columns, **{f"consent_{name}": value for name, value in consent.items()}}

        def write() -> Response:
            report = upsert_shoppers(request.auth.shop, [(0, row)], row.keys(), STRICT)
            refuse_errors(report)
            shopper = self._find(request, user_id)
            shopper.take_over(sessions)
            return Response(user_json(shopper), status=201 if report.new else 200)

        return again_when_busy(write)

    @extend_schema(responses={200: shapes.ErasureSerializer}, summary="Erase a shopper everywhere; the receipt tells what of")
    def delete(self, request: Request, user_id: str) -> Response:
        return Response(erasure_json(erase(self._find(request, user_id))))


def erasure_json(receipt: Erasure) -> dict[str, Any]:
    caches = "cleared" if receipt.caches_cleared else "pending"
    return {"receipt_id": receipt.receipt_id, "erased_at": receipt.created_at, "erased": receipt.counts, "caches": caches}


class ErasureView(APIView):
    scopes = {"*": "users:read"}

    @extend_schema(responses=shapes.ErasureSerializer, summary="A receipt of an erasure")
    def get(self, request: Request, receipt_id: str) -> Response:
        receipt = request.auth.shop.erasures.filter(receipt_id=receipt_id).first() if is_text(receipt_id) else None
        if receipt is None:
            raise NotFound(f"receipt_id: {receipt_id[:64]!r} is no receipt of this shop.")
        return Response(erasure_json(receipt))
