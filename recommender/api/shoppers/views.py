"""Shoppers: list, profile, consents, batches, erasure."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.listing import (
    FieldsQuery,
    QueryRows,
    choose,
    page,
    page_of,
    read_fields,
)
from recommender.api.http.problem_details import again_when_busy, as_validation_error, refuse_errors
from recommender.api.http.strict_fields import MOST_ITEMS, STRICT, merged, need_list
from recommender.api.http.views import ApiView, DryRun, may_dry_run
from recommender.api.shoppers import serializers
from recommender.api.shoppers.users import (
    USER_NAMES,
    find_user,
    user_json,
    user_row,
    users_json,
)
from recommender.ingest import (
    FieldError,
    Report,
    is_text,
    upsert_parts_of_shoppers,
    upsert_shoppers,
)
from recommender.models import Erasure, Shop
from recommender.shoppers.erasure import erase, known_elsewhere


class UsersView(ApiView):
    scopes = {"GET": "users:read"}
    query = {"GET": serializers.UsersQuery}

    @extend_schema(
        operation_id="list_users",
        responses=page_of(serializers.UserSerializer, "UsersPage"),
        summary="All shoppers, or those of a filter, by id",
    )
    def get(self, request: Request) -> Response:
        shoppers, params = request.auth.shop.shoppers.all(), self.params
        for name in ("consent_personalisation", "consent_training"):
            if params[name] is not None:
                shoppers = shoppers.filter(**{name: params[name]})
        if attribute := params.get("attribute"):
            shoppers = shoppers.filter(attributes__contains=dict([attribute]))
        rows = QueryRows(shoppers, ("user_id",), counted=False)
        return Response(page(request, "users", params, rows, users_json, USER_NAMES))


class UserView(ApiView):
    scopes = {"GET": "users:read", "*": "users:write"}
    query = {"GET": FieldsQuery, "PUT": DryRun, "PATCH": DryRun}

    @extend_schema(
        operation_id="get_user", responses=serializers.UserSerializer, summary="A shopper"
    )
    def get(self, request: Request, user_id: str) -> Response:
        chosen = read_fields(self.params.get("fields"), USER_NAMES)
        return Response(choose(user_json(find_user(request.auth.shop, user_id)), chosen))

    @extend_schema(
        operation_id="put_user",
        request=serializers.UserSerializer,
        responses={200: serializers.UserSerializer, 201: serializers.UserSerializer},
        summary="Create or replace a shopper",
    )
    @may_dry_run
    def put(self, request: Request, user_id: str) -> Response:
        return self._write(request, user_id, {"attributes": None, **request.data})

    @extend_schema(
        operation_id="patch_user",
        request=serializers.UserSerializer(partial=True),
        responses=serializers.UserSerializer,
        summary="Change what is given of a shopper; the rest stays",
    )
    @may_dry_run
    def patch(self, request: Request, user_id: str) -> Response:
        shop = request.auth.shop
        with transaction.atomic():
            shopper, data = find_user(shop, user_id, lock=True), dict(request.data)
            if isinstance(data.get("attributes"), dict):
                data["attributes"] = merged(shopper.attributes, data["attributes"])
            return self._write(request, user_id, data)

    def _write(self, request: Request, user_id: str, data: dict[str, Any]) -> Response:
        try:
            row, sessions = user_row(data, user_id)
        except FieldError as error:
            raise as_validation_error(error) from None

        def write() -> Response:
            with transaction.atomic():
                report = upsert_shoppers(request.auth.shop, [(0, row)], row.keys(), STRICT)
                refuse_errors(report)
                shopper = find_user(request.auth.shop, user_id)
                shopper.take_over(sessions)
            return Response(user_json(shopper), status=201 if report.new else 200)

        return again_when_busy(write)

    @extend_schema(
        operation_id="erase_user",
        responses={200: serializers.ErasureSerializer},
        summary="Erase a shopper everywhere; the receipt tells what of",
    )
    def delete(self, request: Request, user_id: str) -> Response:
        shop = request.auth.shop
        if "\x00" not in user_id and known_elsewhere(shop, user_id):
            shop.shoppers.get_or_create(user_id=user_id)
        return Response(erasure_json(erase(find_user(shop, user_id))))


class UsersBatchView(ApiView):
    scopes = {"*": "users:write"}
    query = {"POST": DryRun}

    @extend_schema(
        operation_id="upsert_users",
        request=serializers.UsersBatchRequest,
        responses=serializers.UsersBatchReply,
        summary="Many shoppers at once; fields that a shopper does not name stay",
    )
    @may_dry_run
    def post(self, request: Request) -> Response:
        shop, users = request.auth.shop, need_list(request.data, "users", "shopper", MOST_ITEMS)
        rows, errors = {}, {}
        for i, user in enumerate(users):
            try:
                rows[i] = user_row(user)
            except FieldError as error:
                errors[i] = {"field": error.field, "message": error.message}
        report, refused = again_when_busy(lambda: _store(shop, rows))
        errors |= refused
        results = []
        for i, user in enumerate(users):
            user_id = user.get("user_id") if isinstance(user, dict) else None
            result = {"user_id": user_id if isinstance(user_id, str) else None}
            if i in errors:
                results.append({**result, "status": "rejected", "error": errors[i]})
            else:
                results.append({**result, "status": "accepted"})
        counts = {name: getattr(report, name) for name in ("new", "changed", "same")}
        return Response({**counts, "rejected": len(errors), "results": results})


def _store(
    shop: Shop, rows: dict[int, tuple[dict[str, Any], list[str]]]
) -> tuple[Report, dict[int, dict[str, str]]]:
    """Store the shoppers of a batch, and their sessions; returns errors by position."""
    with transaction.atomic():
        parts = [(i, row) for i, (row, _) in rows.items()]
        report = upsert_parts_of_shoppers(shop, parts, STRICT)
        errors = {e.line: {"field": e.field, "message": e.message} for e in report.errors}
        sessions = {
            row["user_id"]: ids for i, (row, ids) in rows.items() if ids and i not in errors
        }
        for shopper in shop.shoppers.filter(user_id__in=sessions):
            shopper.take_over(sessions[shopper.user_id])
    return report, errors


def erasure_json(receipt: Erasure) -> dict[str, Any]:
    caches = "cleared" if receipt.caches_cleared else "pending"
    return {
        "receipt_id": receipt.receipt_id,
        "erased_at": receipt.created_at,
        "erased": receipt.counts,
        "caches": caches,
    }


class ErasureView(ApiView):
    scopes = {"*": "users:read"}

    @extend_schema(
        operation_id="get_erasure",
        responses=serializers.ErasureSerializer,
        summary="A receipt of an erasure",
    )
    def get(self, request: Request, receipt_id: str) -> Response:
        receipt = (
            request.auth.shop.erasures.filter(receipt_id=receipt_id).first()
            if is_text(receipt_id)
            else None
        )
        if receipt is None:
            raise NotFound(f"receipt_id: {receipt_id[:64]!r} does not exist in this shop.")
        return Response(erasure_json(receipt))
