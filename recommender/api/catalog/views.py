"""Products: list, read, create, change, delete; one by one and in batches."""

from collections.abc import Collection
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.catalog import serializers
from recommender.api.catalog.items import ITEM_NAMES, find_item, flat_item, item_json
from recommender.api.catalog.listing import ItemsQuery, items_rows
from recommender.api.http.listing import FieldsQuery, choose, page, page_of, read_fields
from recommender.api.http.problem_details import (
    again_when_busy,
    as_sent,
    as_validation_error,
    refuse_errors,
)
from recommender.api.http.strict_fields import MOST_ITEMS, STRICT, merged, need_list
from recommender.api.http.views import ApiView, DryRun, may_dry_run
from recommender.ingest import (
    FieldError,
    is_text,
    upsert_parts_of_products,
    upsert_products,
)
from recommender.ingest.products import COLUMNS
from recommender.models import Product, Shop


class ItemsView(ApiView):
    scopes = {"GET": "catalog:read"}
    query = {"GET": ItemsQuery}

    @extend_schema(
        operation_id="list_items",
        responses=page_of(serializers.ItemSerializer, "ItemsPage"),
        summary="All products, or those that pass a filter, by id",
    )
    def get(self, request: Request) -> Response:
        shop = request.auth.shop
        rows = items_rows(shop, self.params)
        return Response(
            page(request, "items", self.params, rows, lambda r: [*map(item_json, r)], ITEM_NAMES)
        )


class ItemView(ApiView):
    scopes = {"GET": "catalog:read", "*": "catalog:write"}
    query = {"GET": FieldsQuery, "PUT": DryRun, "PATCH": DryRun}

    @extend_schema(
        operation_id="get_item", responses=serializers.ItemSerializer, summary="A product"
    )
    def get(self, request: Request, item_id: str) -> Response:
        chosen = read_fields(self.params.get("fields"), ITEM_NAMES)
        return Response(choose(item_json(find_item(request.auth.shop, item_id)), chosen))

    @extend_schema(
        operation_id="put_item",
        request=serializers.ItemSerializer,
        responses={200: serializers.ItemSerializer, 201: serializers.ItemSerializer},
        summary="Create or replace a product",
    )
    @may_dry_run
    def put(self, request: Request, item_id: str) -> Response:
        if not request.data.get("title"):
            raise ValidationError({"title": ["is required"]})

        def write() -> Response:
            with transaction.atomic():
                return self._write(request, item_id, request.data, list(COLUMNS))

        return again_when_busy(write)

    @extend_schema(
        operation_id="patch_item",
        request=serializers.ItemSerializer(partial=True),
        responses=serializers.ItemSerializer,
        summary="Change some fields, stock and hidden among them",
    )
    @may_dry_run
    def patch(self, request: Request, item_id: str) -> Response:
        shop, data = request.auth.shop, dict(request.data)
        if data.get("title", "x") in ("", None):
            raise ValidationError({"title": ["must not be empty"]})
        with transaction.atomic():
            product = find_item(shop, item_id, lock=True)
            given = data.get("attributes")
            if isinstance(given, dict):
                data["attributes"] = merged(product.attributes, given)
            return self._write(request, item_id, data, None, list(given or ()))

    def _write(
        self,
        request: Request,
        item_id: str,
        data: dict[str, Any],
        columns: list[str] | None,
        checked_attributes: list[str] | None = None,
    ) -> Response:
        try:
            row = flat_item(data, request.auth.shop, item_id)
        except FieldError as error:
            raise as_validation_error(error) from None
        if columns is None and isinstance(data.get("stock"), dict):
            for part in ("state", "quantity"):
                if part not in data["stock"]:
                    row.pop(f"stock_{part}")
        report = upsert_products(
            request.auth.shop,
            [(0, row)],
            columns or row.keys(),
            STRICT,
            checked_attributes=checked_attributes,
        )
        refuse_errors(report)
        return Response(
            item_json(find_item(request.auth.shop, item_id)), status=201 if report.new else 200
        )

    @extend_schema(
        operation_id="delete_item",
        responses={204: None},
        summary="Remove a product and its events",
    )
    def delete(self, request: Request, item_id: str) -> Response:
        find_item(request.auth.shop, item_id)
        if not again_when_busy(lambda: Product.objects.remove(request.auth.shop, [item_id])):
            raise NotFound(f"item_id: {item_id[:256]!r} does not exist in this shop.")
        return Response(status=204)


class ItemsBatchView(ApiView):
    scopes = {"*": "catalog:write"}
    query = {"POST": DryRun}

    @extend_schema(
        operation_id="upsert_items",
        request=serializers.ItemsBatchRequest,
        responses=serializers.ItemsBatchReply,
        summary="Many products at once; fields that none of them names stay",
    )
    @may_dry_run
    def post(self, request: Request) -> Response:
        items = need_list(request.data, "items", "product", MOST_ITEMS)
        shop, rows, errors = request.auth.shop, [], {}
        for i, item in enumerate(items):
            try:
                rows.append((i, flat_item(item, shop)))
            except FieldError as error:
                errors[i] = {"field": error.field, "message": error.message}
        errors |= _without_title(shop, items, errors.keys())
        rows = [(i, row) for i, row in rows if i not in errors]
        report = again_when_busy(lambda: upsert_parts_of_products(shop, rows, STRICT))
        errors |= {e.line: {"field": as_sent(e.field), "message": e.message} for e in report.errors}
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


class ItemsDeleteView(ApiView):
    scopes = {"*": "catalog:write"}
    query = {"POST": DryRun}

    @extend_schema(
        operation_id="delete_items",
        request=serializers.ItemsDeleteRequest,
        responses=serializers.ItemsDeleteReply,
        summary="Delete many products and their events; by a filter: POST purges",
    )
    @may_dry_run
    def post(self, request: Request) -> Response:
        body = serializers.ItemsDeleteRequest(data=request.data)
        body.is_valid(raise_exception=True)
        ids, shop = body.validated_data["item_ids"], request.auth.shop
        removed = set(again_when_busy(lambda: Product.objects.remove(shop, ids)))
        results = [
            {"item_id": item_id, "status": "deleted" if item_id in removed else "unknown"}
            for item_id in ids
        ]
        unknown = sum(result["status"] == "unknown" for result in results)
        return Response({"deleted": len(removed), "unknown": unknown, "results": results})


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
