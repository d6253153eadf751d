"""Model versions: list, read, promote, roll back; and the recipes that train them."""

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.deprecation import deprecated
from recommender.api.http.listing import (
    FieldsQuery,
    ListRows,
    PageQuery,
    QueryRows,
    choose,
    page,
    read_fields,
)
from recommender.api.http.problem_details import Conflict
from recommender.api.http.views import ApiView
from recommender.api.training import serializers as shapes
from recommender.inference import checkpoint_files, training_options
from recommender.ingest.parsing import is_number
from recommender.model_lifecycle import promotion
from recommender.models import ModelVersion, Shop

MODEL_NAMES = shapes.ModelVersionSerializer.Meta.fields
RECIPE_NAMES = tuple(shapes.RecipeSerializer().fields)


def find_version(shop: Shop, name: str) -> ModelVersion:
    """A version by its number, `3` or `fusion@3`. Raises NotFound."""
    digits = name.rpartition("@")[2]
    versions = shop.versions.select_related("run")
    version = versions.filter(number=int(digits)).first() if is_number(digits) else None
    if version is None or ("@" in name and name != version.label):
        raise NotFound(f"id: {name[:60]!r} does not exist in this shop.")
    return version


def models_json(versions: list[ModelVersion]) -> list[dict]:
    return shapes.ModelVersionSerializer(versions, many=True).data


class ModelsView(ApiView):
    scopes = {"*": "models:read"}
    query = {"GET": shapes.ModelsQuery}

    @extend_schema(
        operation_id="list_models",
        responses=shapes.ModelsReply,
        summary="Model versions, newest first",
    )
    def get(self, request: Request) -> Response:
        versions = request.auth.shop.versions.select_related("run")
        for name in ("purpose", "status"):
            if name in self.params:
                versions = versions.filter(**{name: self.params[name]})
        rows = QueryRows(versions, ("-number",))
        found = page(request, "models", self.params, rows, models_json, MODEL_NAMES)
        return deprecated(Response({**found, "models": found["items"]}), "models")


class ModelView(ApiView):
    scopes = {"*": "models:read"}
    query = {"GET": FieldsQuery}

    @extend_schema(
        operation_id="get_model",
        responses=shapes.ModelVersionSerializer,
        summary="A model version",
    )
    def get(self, request: Request, number: str) -> Response:
        chosen = read_fields(self.params.get("fields"), MODEL_NAMES)
        return Response(choose(models_json([find_version(request.auth.shop, number)])[0], chosen))


class RecipesView(ApiView):
    scopes = {"*": "training:read"}
    query = {"GET": PageQuery}

    @extend_schema(
        operation_id="list_recipes",
        responses=shapes.RecipesReply,
        summary="Recipes of trainings, with every field, its default and its limits",
    )
    def get(self, request: Request) -> Response:
        rows = ListRows([training_options.described(name) for name in training_options.recipes()])
        return Response(page(request, "recipes", self.params, rows, list, RECIPE_NAMES))


class RecipeView(ApiView):
    scopes = {"*": "training:read"}
    query = {"GET": FieldsQuery}

    @extend_schema(operation_id="get_recipe", responses=shapes.RecipeSerializer, summary="A recipe")
    def get(self, request: Request, name: str) -> Response:
        if training_options.declared(name) is None:
            known = ", ".join(training_options.recipes())
            raise NotFound(f"recipe: {name[:60]!r} does not exist; there are {known}.")
        chosen = read_fields(self.params.get("fields"), RECIPE_NAMES)
        return Response(choose(training_options.described(name), chosen))


class PromoteView(ApiView):
    scopes = {"*": "models:write"}

    @extend_schema(
        operation_id="promote_model",
        request=None,
        responses=shapes.ModelVersionSerializer,
        summary="Make a version the champion",
    )
    def post(self, request: Request, number: str) -> Response:
        version = find_version(request.auth.shop, number)
        try:
            promotion.promote_version(version, request.auth)
        except checkpoint_files.BrokenCheckpoint as error:
            raise Conflict(f"This version cannot serve: {error}") from None
        return Response(shapes.ModelVersionSerializer(version).data)


class RollbackView(ApiView):
    scopes = {"*": "models:write"}

    @extend_schema(
        operation_id="roll_back_model",
        request=shapes.RollbackRequest,
        responses=shapes.ModelVersionSerializer,
        summary="Put the version before the champion back",
    )
    def post(self, request: Request) -> Response:
        body = shapes.RollbackRequest(data=request.data)
        body.is_valid(raise_exception=True)
        try:
            version = promotion.roll_back(
                request.auth.shop, body.validated_data["purpose"], request.auth
            )
        except checkpoint_files.BrokenCheckpoint as error:
            raise Conflict(f"The earlier version cannot serve: {error}") from None
        if version is None:
            raise Conflict("There is no earlier version to roll back to.")
        return Response(shapes.ModelVersionSerializer(version).data)
