"""Purges: delete many products by a filter, or events by time and type."""

from datetime import datetime
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

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
from recommender.api.http.views import ApiView, DryRun, may_dry_run
from recommender.api.operations import serializers as shapes
from recommender.catalog.filter_language import FilterError
from recommender.ingest.purge import count_matching, start_purge
from recommender.models import AuditEntry, Purge

PURGE_NAMES = shapes.PurgeSerializer.Meta.fields


def purges_json(purges: list[Purge]) -> list[dict[str, Any]]:
    return shapes.PurgeSerializer(purges, many=True).data


class PurgesView(ApiView):
    scopes = {"GET": "purges:read", "*": "purges:write"}
    query = {"GET": shapes.PurgesQuery, "POST": DryRun}

    @extend_schema(
        operation_id="list_purges",
        responses=page_of(shapes.PurgeSerializer, "PurgesPage"),
        summary="Purges, newest first",
    )
    def get(self, request: Request) -> Response:
        purges = request.auth.shop.purges.all()
        if "status" in self.params:
            purges = purges.filter(status=self.params["status"])
        rows = QueryRows(purges, ("-pk",))
        return Response(page(request, "purges", self.params, rows, purges_json, PURGE_NAMES))

    @extend_schema(
        operation_id="create_purge",
        request=shapes.PurgeRequest,
        responses={202: shapes.PurgeSerializer},
        summary="Delete products by a filter, or events by time and type; `confirm` their number",
    )
    @may_dry_run
    @idempotent()
    def post(self, request: Request) -> Response:
        body = shapes.PurgeRequest(data=request.data)
        body.is_valid(raise_exception=True)
        values, shop = body.validated_data, request.auth.shop
        target, as_of = values["target"], values.get("as_of", timezone.now())
        selection = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name in (*shapes.OF_ITEMS, *shapes.OF_EVENTS)
            if (value := values.get(name)) is not None
        }
        try:
            total = count_matching(shop, target, selection, as_of)
        except FilterError as error:
            field = f"params.{error.parameter}" if error.parameter else "filter"
            raise ValidationError({field: [str(error)]}) from None
        if values.get("confirm") != total:
            raise Conflict(
                f"confirm: this deletes {total:,} {target}; send confirm: {total} to do so.",
                {"count": total, "as_of": as_of},
            )
        purge = start_purge(shop, target, selection, total, as_of)
        AuditEntry.objects.note(
            shop, request.auth, AuditEntry.DELETED, f"purge of {target}", detail=str(selection)
        )
        return Response(purges_json([purge])[0], status=202)


class PurgeView(ApiView):
    scopes = {"*": "purges:read"}
    query = {"GET": FieldsQuery}

    @extend_schema(
        operation_id="get_purge", responses=shapes.PurgeSerializer, summary="How a purge is doing"
    )
    def get(self, request: Request, purge_id: str) -> Response:
        chosen = read_fields(self.params.get("fields"), PURGE_NAMES)
        return Response(
            choose(
                purges_json([find_numbered(request.auth.shop.purges, "purge", purge_id)])[0], chosen
            )
        )


class CancelPurgeView(ApiView):
    scopes = {"*": "purges:write"}

    @extend_schema(
        operation_id="cancel_purge",
        request=None,
        responses={202: shapes.PurgeSerializer},
        summary="Stop a purge; what it deleted stays deleted",
    )
    def post(self, request: Request, purge_id: str) -> Response:
        purge = find_numbered(request.auth.shop.purges, "purge", purge_id)
        if not purge.request_cancel():
            raise Conflict(f"This purge has already ended: {purge.status}.")
        purge.refresh_from_db()
        return Response(purges_json([purge])[0], status=202)
