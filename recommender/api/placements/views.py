"""Placements: list, read, create, change, delete; with their filter, rules and experiment."""

import re
from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
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
from recommender.api.http.problem_details import Conflict
from recommender.api.http.strict_fields import STRICT
from recommender.api.http.views import ApiView, may_dry_run
from recommender.api.placements import serializers as shapes
from recommender.catalog.eligibility import read_products
from recommender.catalog.filter_language import FilterError, select
from recommender.catalog.product_index import passing
from recommender.experiments.assignment import ExperimentError, check_experiment
from recommender.ingest import FieldError
from recommender.merchandising.rules import RuleError, parse_rules
from recommender.models import AuditEntry, ModelVersion, Placement, Shop
from recommender.models.placements import usual_chain

PLACEMENT_NAMES = tuple(shapes.PlacementSerializer().fields)
PLAIN = (
    "name",
    "kind",
    "size",
    "only_new",
    "fallbacks",
    "filter",
    "filter_values",
    "diversity",
    "tail_percent",
    "explore_percent",
    "rules",
)
"""Fields that are columns of the same name."""


def placement_json(placement: Placement) -> dict[str, Any]:
    """A placement as the REST API returns it."""
    version, experiment = placement.version, placement.experiment
    values = {name: getattr(placement, name) for name in PLAIN}
    values["placement"] = placement.key
    values["model_version"] = version.label if version else None
    values["experiment"] = (
        experiment
        and {
            "key": experiment["key"],
            "arms": [
                {name: arm[name] for name in ("name", "share", "model_version")}
                for arm in experiment["arms"]
            ],
        }
    ) or None
    return {name: values[name] for name in PLACEMENT_NAMES}


def find_placement(shop: Shop, key: str, lock: bool = False) -> Placement:
    """The placement with this key. lock: until the end of the transaction. Raises NotFound."""
    placements = shop.placements.select_related("version__run")
    if lock:
        placements = placements.select_for_update(of=("self",))
    placement = placements.filter(key=key).first() if "\x00" not in key else None
    if placement is None:
        raise NotFound(f"placement: {key[:64]!r} does not exist in this shop.")
    return placement


class PlacementsView(ApiView):
    scopes = {"*": "placements:read"}
    query = {"GET": shapes.PlacementsQuery}

    @extend_schema(
        operation_id="list_placements",
        responses=page_of(shapes.PlacementSerializer, "PlacementsPage"),
        summary="Placements by key",
    )
    def get(self, request: Request) -> Response:
        placements = request.auth.shop.placements.select_related("version__run")
        if "kind" in self.params:
            placements = placements.filter(kind=self.params["kind"])
        rows = QueryRows(placements, ("key",))
        return Response(
            page(
                request,
                "placements",
                self.params,
                rows,
                lambda found: [*map(placement_json, found)],
                PLACEMENT_NAMES,
            )
        )


class PlacementView(ApiView):
    scopes = {"GET": "placements:read", "*": "placements:write"}
    query = {"GET": FieldsQuery, "PUT": shapes.PlacementWrite, "PATCH": shapes.PlacementWrite}

    @extend_schema(
        operation_id="get_placement", responses=shapes.PlacementSerializer, summary="A placement"
    )
    def get(self, request: Request, key: str) -> Response:
        chosen = read_fields(self.params.get("fields"), PLACEMENT_NAMES)
        return Response(choose(placement_json(find_placement(request.auth.shop, key)), chosen))

    @extend_schema(
        operation_id="put_placement",
        request=shapes.PlacementSerializer,
        responses={200: shapes.PlacementSerializer, 201: shapes.PlacementSerializer},
        summary="Create or replace a placement; fields that are not given get their defaults",
    )
    @may_dry_run
    def put(self, request: Request, key: str) -> Response:
        shop = request.auth.shop
        validator = Placement._meta.get_field("key").validators[0]
        if len(key) > 64 or not re.fullmatch(validator.regex.pattern, key):
            raise ValidationError({"placement": [f"must be {validator.message}"]})
        with transaction.atomic():
            existing = shop.placements.select_for_update().filter(key=key).first()
            placement = Placement(shop=shop, key=key, name=key, fallbacks=usual_chain())
            if existing:
                placement.pk = existing.pk
            return self._save(request, placement, existing and placement_json(existing))

    @extend_schema(
        operation_id="patch_placement",
        request=shapes.PlacementSerializer(partial=True),
        responses=shapes.PlacementSerializer,
        summary="Change what is given of a placement; the rest stays",
    )
    @may_dry_run
    def patch(self, request: Request, key: str) -> Response:
        with transaction.atomic():
            placement = find_placement(request.auth.shop, key, lock=True)
            return self._save(request, placement, placement_json(placement))

    def _save(
        self, request: Request, placement: Placement, before: dict[str, Any] | None
    ) -> Response:
        """Validate and publish a placement; before: its stored form, None where it is new."""
        body = shapes.PlacementSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        _apply(placement, body.validated_data, request.data)
        if not self.params["although_empty"]:
            _refuse_empty(placement, before)
        placement.publish()
        after = placement_json(placement)
        if after != before:
            changed = [name for name in PLACEMENT_NAMES if before and before[name] != after[name]]
            AuditEntry.objects.note(
                placement.shop,
                request.auth,
                AuditEntry.CHANGED if before else AuditEntry.ADDED,
                f"placement {placement}",
                detail=", ".join(changed),
            )
        return Response(after, status=200 if before else 201)

    @extend_schema(
        operation_id="delete_placement", responses={204: None}, summary="Delete a placement"
    )
    def delete(self, request: Request, key: str) -> Response:
        placement = find_placement(request.auth.shop, key)
        AuditEntry.objects.note(
            placement.shop, request.auth, AuditEntry.DELETED, f"placement {placement}"
        )
        placement.withdraw()
        return Response(status=204)


def _apply(placement: Placement, values: dict[str, Any], given: dict[str, Any]) -> None:
    """Set the given fields of a placement. Raises ValidationError that names the field."""
    if values.get("placement", placement.key) != placement.key:
        raise ValidationError({"placement": ["differs from the one in the address"]})
    versions = _versions(placement.shop)
    for name in PLAIN:
        if name in values:
            setattr(placement, name, values[name])
    if "model_version" in values:
        label = values["model_version"]
        if label is not None and label not in versions:
            message = f"{label[:40]!r} is not a ranking version of this shop"
            raise ValidationError({"model_version": [message]})
        placement.version = versions.get(label)
    try:
        if "filter_values" in values:
            STRICT.mapping("filter_values", values["filter_values"])
        if "rules" in values:
            placement.rules = [dict(rule) for rule in given["rules"]]
        if "experiment" in values:
            keys = {label: version.pk for label, version in versions.items()}
            experiment = values["experiment"]
            placement.experiment = check_experiment(experiment, keys) if experiment else {}
        parse_rules(placement.rules, placement.filter_values, placement.key)
        select([placement.filter], placement.filter_values)
    except FieldError as error:
        raise ValidationError({error.field: [error.message]}) from None
    except (RuleError, ExperimentError) as error:
        raise ValidationError({error.field: [error.message]}) from None
    except FilterError as error:
        field = f"filter_values.{error.parameter}" if error.parameter else "filter"
        raise ValidationError({field: [str(error)]}) from None


def _versions(shop: Shop) -> dict[str, ModelVersion]:
    """The shop's ranking versions by label."""
    versions = shop.versions.filter(purpose="ranking").select_related("run")
    return {version.label: version for version in versions}


def _refuse_empty(placement: Placement, before: dict[str, Any] | None) -> None:
    """Raises Conflict where a new filter passes no product."""
    unchanged = before and (before["filter"], before["filter_values"]) == (
        placement.filter,
        placement.filter_values,
    )
    if unchanged or not placement.filter.strip():
        return
    products = read_products(placement.shop_id)
    passed, showable = passing(products, placement.filter, placement.filter_values)
    if showable and not passed:
        raise Conflict(
            f"filter: none of {showable:,} products passes it, so the lists would be empty; "
            "?although_empty=true saves it all the same."
        )
