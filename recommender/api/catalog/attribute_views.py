"""Attributes of products: what exists, and what the shop declared."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.catalog import serializers as shapes
from recommender.api.http.listing import (
    FieldsQuery,
    ListRows,
    PageQuery,
    choose,
    page,
    page_of,
    read_fields,
)
from recommender.api.http.views import ApiView, DryRun, may_dry_run
from recommender.ingest import is_text
from recommender.ingest.attributes import used_attributes
from recommender.models import ProductAttribute, Shop

ATTRIBUTE_NAMES = tuple(shapes.AttributeSerializer().fields)
LONGEST_NAME = 100
UNUSED: dict[str, Any] = {"products": 0, "types": {}, "example": None}


def attributes_json(shop: Shop, name: str | None = None) -> list[dict[str, Any]]:
    """Declared attributes and those that products have, by name; name: only this one."""
    declared = ProductAttribute.objects.of(shop)
    if name is not None:
        declared = declared.filter(name=name)
    by_name, used = {row.name: row for row in declared}, used_attributes(shop, name)
    return [_attribute_json(key, by_name.get(key), used) for key in sorted({*by_name, *used})]


def _attribute_json(
    name: str, row: ProductAttribute | None, used: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    values = used.get(name, UNUSED)
    fits = values["types"].get(row.type, 0) if row else 0
    return {
        "name": name,
        "declared": row is not None,
        "type": row.type if row else None,
        "description": row.description if row else "",
        "products": values["products"],
        "types": values["types"],
        "misfits": values["products"] - fits if row else 0,
        "example": values["example"],
    }


class AttributesView(ApiView):
    scopes = {"*": "catalog:read"}
    query = {"GET": PageQuery}

    @extend_schema(
        operation_id="list_attributes",
        responses=page_of(shapes.AttributeSerializer, "AttributesPage"),
        summary="Attributes that were declared or that products have, with their types",
    )
    def get(self, request: Request) -> Response:
        rows = ListRows(attributes_json(request.auth.shop), "name")
        return Response(page(request, "attributes", self.params, rows, list, ATTRIBUTE_NAMES))


class AttributeView(ApiView):
    scopes = {"GET": "catalog:read", "*": "catalog:write"}
    query = {"GET": FieldsQuery, "PUT": DryRun}

    @extend_schema(
        operation_id="get_attribute",
        responses=shapes.AttributeSerializer,
        summary="An attribute",
    )
    def get(self, request: Request, name: str) -> Response:
        chosen = read_fields(self.params.get("fields"), ATTRIBUTE_NAMES)
        found = attributes_json(request.auth.shop, name) if is_text(name) else []
        if not found:
            raise NotFound(f"name: {name[:100]!r} is not an attribute of this shop.")
        return Response(choose(found[0], chosen))

    @extend_schema(
        operation_id="put_attribute",
        request=shapes.AttributeRequest,
        responses={200: shapes.AttributeSerializer, 201: shapes.AttributeSerializer},
        summary="Declare the type of an attribute; products with another type are then refused",
    )
    @may_dry_run
    def put(self, request: Request, name: str) -> Response:
        body = shapes.AttributeRequest(data=request.data)
        body.is_valid(raise_exception=True)
        if len(name) > LONGEST_NAME or not is_text(name):
            raise ValidationError(
                {"name": [f"must be a text of at most {LONGEST_NAME} characters"]}
            )
        shop = request.auth.shop
        _, created = ProductAttribute.objects.update_or_create(
            shop=shop, name=name, defaults={"description": "", **body.validated_data}
        )
        return Response(attributes_json(shop, name)[0], status=201 if created else 200)

    @extend_schema(
        operation_id="delete_attribute",
        responses={204: None},
        summary="Withdraw a declaration; values of products stay",
    )
    def delete(self, request: Request, name: str) -> Response:
        rows = ProductAttribute.objects.of(request.auth.shop)
        if not is_text(name) or not rows.filter(name=name).delete()[0]:
            raise NotFound(f"name: {name[:100]!r} was not declared in this shop.")
        return Response(status=204)
