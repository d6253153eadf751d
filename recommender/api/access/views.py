"""API keys: list, create, rotate, revoke. Secrets are shown once."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.access import serializers as shapes
from recommender.api.http.idempotency import idempotent
from recommender.api.http.listing import (
    FieldsQuery,
    QueryRows,
    choose,
    page,
    page_of,
    read_fields,
)
from recommender.api.http.problem_details import Conflict
from recommender.api.http.strict_fields import find_numbered
from recommender.api.http.views import ApiView
from recommender.models import ApiKey, AuditEntry
from recommender.models.api_keys import PER_MINUTE, public_scopes

KEY_NAMES = shapes.KeySerializer.Meta.fields


def keys_json(keys: list[ApiKey]) -> list[dict[str, Any]]:
    return shapes.KeySerializer(keys, many=True).data


def _with_secret(key: ApiKey, secret: str) -> dict[str, Any]:
    return {**keys_json([key])[0], "secret": secret}


class KeysView(ApiView):
    scopes = {"GET": "keys:read", "*": "keys:write"}
    query = {"GET": shapes.KeysQuery}

    @extend_schema(
        operation_id="list_keys",
        responses=page_of(shapes.KeySerializer, "KeysPage"),
        summary="API keys, without their secrets",
    )
    def get(self, request: Request) -> Response:
        keys, status, now = request.auth.shop.keys.all(), self.params.get("status"), timezone.now()
        if status == "expired":
            keys = keys.filter(expires_at__lte=now)
        elif status == "active":
            keys = keys.exclude(expires_at__lte=now)
        rows = QueryRows(keys, ("pk",))
        return Response(page(request, "keys", self.params, rows, keys_json, KEY_NAMES))

    @extend_schema(
        operation_id="create_key",
        request=shapes.KeyRequest,
        responses={201: shapes.NewKeySerializer},
        summary="Create an API key; the reply shows its secret once",
    )
    @idempotent("secret")
    def post(self, request: Request) -> Response:
        body = shapes.KeyRequest(data=request.data)
        body.is_valid(raise_exception=True)
        values, shop = body.validated_data, request.auth.shop
        scopes, placements = values.get("scopes", []), values.get("placements", [])
        _check(request.auth, values, scopes, placements)
        key, secret = ApiKey.objects.issue(
            shop,
            values["name"],
            list(dict.fromkeys(scopes)),
            values.get("days"),
            values["public"],
            list(dict.fromkeys(placements)),
            _rate(request.auth, values),
            expires_by=request.auth.expires_at,
            search=values["search"],
            assist=values["assist"],
        )
        AuditEntry.objects.note(
            shop, request.auth, AuditEntry.ADDED, f"API key {key}", detail=", ".join(key.scopes)
        )
        return Response(_with_secret(key, secret), status=201)


def _check(
    caller: ApiKey, values: dict[str, Any], scopes: list[str], placements: list[str]
) -> None:
    """Raises ValidationError, or PermissionDenied where the caller lacks a scope that it gives."""
    public = values["public"]
    for name, scope in (("search", "search:read"), ("assist", "assist:write")):
        if values[name] and not public:
            raise ValidationError({name: [f"is of a public key; others have the scope {scope}"]})
    if public and scopes:
        raise ValidationError({"scopes": ["a public key has none: it sends events, shows lists"]})
    if placements and not public:
        raise ValidationError({"placements": ["only a public key is limited to placements"]})
    if not public and not scopes:
        raise ValidationError({"scopes": ["must name at least one"]})
    known = set(caller.shop.placements.values_list("key", flat=True))
    if unknown := [name for name in placements if name not in known]:
        raise ValidationError({"placements": [f"unknown placement {unknown[0][:64]!r}"]})
    given = scopes
    if public:
        given = public_scopes(placements, values["search"], values["assist"])
    if missing := [scope for scope in given if not caller.allows(scope)]:
        raise PermissionDenied(f"scopes: this key cannot give {missing[0]}, which it lacks.")


class KeyView(ApiView):
    scopes = {"GET": "keys:read", "*": "keys:write"}
    query = {"GET": FieldsQuery}

    @extend_schema(operation_id="get_key", responses=shapes.KeySerializer, summary="An API key")
    def get(self, request: Request, key_id: str) -> Response:
        chosen = read_fields(self.params.get("fields"), KEY_NAMES)
        return Response(
            choose(keys_json([find_numbered(request.auth.shop.keys, "key", key_id)])[0], chosen)
        )

    @extend_schema(
        operation_id="revoke_key",
        responses={204: None},
        summary="Revoke a key: it ends within seconds",
    )
    def delete(self, request: Request, key_id: str) -> Response:
        key = find_numbered(request.auth.shop.keys, "key", key_id)
        _not_above(request.auth, key)
        AuditEntry.objects.note(
            key.shop, request.auth, AuditEntry.DELETED, f"API key {key}", before=str(key)
        )
        key.delete()
        return Response(status=204)


class RotateKeyView(ApiView):
    scopes = {"*": "keys:write"}

    @extend_schema(
        operation_id="rotate_key",
        request=shapes.RotationRequest,
        responses={201: shapes.NewKeySerializer},
        summary="Create a key's successor; the old one works until the overlap ends",
    )
    @idempotent("secret")
    def post(self, request: Request, key_id: str) -> Response:
        body = shapes.RotationRequest(data=request.data)
        body.is_valid(raise_exception=True)
        with transaction.atomic():
            return self._rotate(
                request, find_numbered(request.auth.shop.keys, "key", key_id), body.validated_data
            )

    @staticmethod
    def _rotate(request: Request, key: ApiKey, values: dict[str, Any]) -> Response:
        _not_above(request.auth, key)
        ApiKey.objects.select_for_update().get(pk=key.pk)
        if key.expired:
            raise Conflict("This key has expired; create a new one.")
        if key.successors.exists():
            raise Conflict("This key was rotated already; rotate its successor.")
        mine = request.auth.expires_at
        latest = mine and max(mine, key.expires_at or mine)
        successor, secret = key.rotate(values["overlap_days"], values.get("days"), latest)
        AuditEntry.objects.note(
            key.shop,
            request.auth,
            AuditEntry.ADDED,
            f"API key {successor}",
            before=str(key),
            after=str(successor),
        )
        return Response(_with_secret(successor, secret), status=201)


def _rate(caller: ApiKey, values: dict[str, Any]) -> int | None:
    """Requests a minute of a new key: at most the caller's. None: the usual number."""
    rate, most = values.get("per_minute"), caller.per_minute
    if not most or values["public"]:
        return rate
    return min(rate or PER_MINUTE, most)


def _not_above(caller: ApiKey, key: ApiKey) -> None:
    """Raises PermissionDenied where a key may do what the caller may not."""
    if missing := [scope for scope in key.scopes if not caller.allows(scope)]:
        raise PermissionDenied(f"This key cannot manage one with the scope {missing[0]}.")
