"""Shoppers: profile, consents, erasure."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.http.problem_details import again_when_busy, as_validation_error, refuse_errors
from recommender.api.http.strict_fields import STRICT, read_ids
from recommender.api.shoppers import serializers
from recommender.ingest import FieldError, is_text, upsert_shoppers
from recommender.models import Erasure, Shopper
from recommender.shoppers.erasure import erase

MOST_SESSIONS = 100


def user_json(shopper: Shopper) -> dict[str, Any]:
    consent = {
        "personalisation": shopper.consent_personalisation,
        "training": shopper.consent_training,
    }
    sessions = list(
        shopper.session_links.order_by("pk").values_list("session_id", flat=True)[:MOST_SESSIONS]
    )
    return {
        "user_id": shopper.user_id,
        "attributes": shopper.attributes,
        "consent": consent,
        "merged_from": sessions,
        "first_seen": shopper.first_seen,
        "updated_at": shopper.updated_at,
    }


class UserView(APIView):
    scopes = {"GET": "users:read", "*": "users:write"}

    def _find(self, request: Request, user_id: str) -> Shopper:
        shopper = (
            request.auth.shop.shoppers.filter(user_id=user_id).first() if is_text(user_id) else None
        )
        if shopper is None:
            raise NotFound(f"user_id: {user_id[:256]!r} does not exist in this shop.")
        return shopper

    @extend_schema(responses=serializers.UserSerializer, summary="A shopper")
    def get(self, request: Request, user_id: str) -> Response:
        return Response(user_json(self._find(request, user_id)))

    @extend_schema(
        request=serializers.UserSerializer,
        responses={200: serializers.UserSerializer, 201: serializers.UserSerializer},
        summary="Create or replace a shopper",
    )
    def put(self, request: Request, user_id: str) -> Response:
        return self._write(request, user_id, {"attributes": request.data.get("attributes")})

    @extend_schema(
        request=serializers.UserSerializer(partial=True),
        responses=serializers.UserSerializer,
        summary="Change what is given of a shopper; the rest stays",
    )
    def patch(self, request: Request, user_id: str) -> Response:
        self._find(request, user_id)
        return self._write(
            request,
            user_id,
            {"attributes": request.data["attributes"]} if "attributes" in request.data else {},
        )

    def _write(self, request: Request, user_id: str, columns: dict[str, Any]) -> Response:
        data = request.data
        unknown = sorted(
            data.keys()
            - {"user_id", "attributes", "consent", "merged_from", "first_seen", "updated_at"}
        )
        if unknown:
            raise ValidationError({unknown[0]: ["is not a field of a user"]})
        if data.get("user_id", user_id) != user_id:
            raise ValidationError({"user_id": ["differs from the one in the address"]})
        consent = data.get("consent") or {}
        if not isinstance(consent, dict) or consent.keys() - {"personalisation", "training"}:
            raise ValidationError(
                {"consent": ["must be an object with personalisation and training"]}
            )
        for name, value in consent.items():
            if not isinstance(value, bool):
                raise ValidationError({f"consent.{name}": ["must be true or false"]})
        sessions = data.get("merged_from") or []
        try:
            sessions = read_ids("merged_from", sessions, MOST_SESSIONS, "session ids")
        except FieldError as error:
            raise as_validation_error(error) from None
        row = {
            "user_id": user_id,
            **columns,
            **{f"consent_{name}": value for name, value in consent.items()},
        }

        def write() -> Response:
            report = upsert_shoppers(request.auth.shop, [(0, row)], row.keys(), STRICT)
            refuse_errors(report)
            shopper = self._find(request, user_id)
            shopper.take_over(sessions)
            return Response(user_json(shopper), status=201 if report.new else 200)

        return again_when_busy(write)

    @extend_schema(
        responses={200: serializers.ErasureSerializer},
        summary="Erase a shopper everywhere; the receipt tells what of",
    )
    def delete(self, request: Request, user_id: str) -> Response:
        return Response(erasure_json(erase(self._find(request, user_id))))


def erasure_json(receipt: Erasure) -> dict[str, Any]:
    caches = "cleared" if receipt.caches_cleared else "pending"
    return {
        "receipt_id": receipt.receipt_id,
        "erased_at": receipt.created_at,
        "erased": receipt.counts,
        "caches": caches,
    }


class ErasureView(APIView):
    scopes = {"*": "users:read"}

    @extend_schema(responses=serializers.ErasureSerializer, summary="A receipt of an erasure")
    def get(self, request: Request, receipt_id: str) -> Response:
        receipt = (
            request.auth.shop.erasures.filter(receipt_id=receipt_id).first()
            if is_text(receipt_id)
            else None
        )
        if receipt is None:
            raise NotFound(f"receipt_id: {receipt_id[:64]!r} does not exist in this shop.")
        return Response(erasure_json(receipt))
