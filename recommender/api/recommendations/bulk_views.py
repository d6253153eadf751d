"""Bulk lists, carousels, the audience of a product, and propensity scores."""

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.problem_details import Conflict
from recommender.api.http.strict_fields import STRICT, read_ids
from recommender.api.http.views import ApiView
from recommender.api.recommendations import bulk_serializers as shapes
from recommender.api.recommendations.parsing import OF_A_PLACEMENT, OF_A_VISITOR, read_fields
from recommender.api.recommendations.views import checked, hydrated, list_reply, list_request_of
from recommender.inference.checkpoint_files import BrokenCheckpoint
from recommender.ingest import FieldError
from recommender.recommendations import facets
from recommender.recommendations.carousels import make_carousels
from recommender.recommendations.exposures import record
from recommender.recommendations.requests import ListRequest, in_experiment
from recommender.recommendations.targeting import bulk_lists
from recommender.recommendations.targeting.audience import audience_of
from recommender.recommendations.targeting.propensity import NoModel, predict
from recommender.serving.variants import product_id, product_ids

MOST_SHOPPERS = 1000
FIELDS = {
    name: read
    for name, read in {**OF_A_PLACEMENT, **OF_A_VISITOR}.items()
    if name not in ("user_id", "session_id", "hydrate", "fields")
}
"""Fields of a bulk request that every list of it shares."""


class BatchView(ApiView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        operation_id="recommend_batch",
        request=shapes.BatchRequest,
        responses=shapes.BatchReply,
        summary="The lists of up to 1,000 shoppers at one placement, for mails and exports",
    )
    def post(self, request: Request) -> Response:
        data, shop = dict(request.data), request.auth.shop
        user_ids = self._user_ids(data.pop("user_ids", None))
        values = {"explain": "off", "simulated": False, **read_fields(data, FIELDS)}
        if not values.get("placement"):
            raise ValidationError({"placement": ["is required"]})
        shared = checked(list_request_of(shop, values))
        requests = [in_experiment(replace(shared, user_id=user_id)) for user_id in user_ids]
        replies = []
        for list_request, result in zip(requests, bulk_lists.lists_of(shop, requests), strict=True):
            record(shop, list_request, result, values["simulated"])
            reply = list_reply(shop, list_request, result, is_final=True)
            replies.append({"user_id": list_request.user_id, **reply})
        return Response({"lists": replies})

    @staticmethod
    def _user_ids(value: Any) -> list[str]:
        """Distinct ids in the order of the request. Raises ValidationError."""
        try:
            user_ids = read_ids("user_ids", value, MOST_SHOPPERS, "shopper ids")
        except FieldError as error:
            raise ValidationError({error.field: [error.message]}) from None
        if not user_ids:
            raise ValidationError({"user_ids": ["is required"]})
        return list(dict.fromkeys(user_ids))


def _facet(field: str, value: Any) -> str:
    name = value.removeprefix("attributes.") if isinstance(value, str) else ""
    if value not in facets.FACETS and (name == value or not 0 < len(name) <= 100):
        raise FieldError(field, f"must be {', '.join(facets.FACETS)} or attributes.NAME")
    return STRICT.text(field, value)


def _level(field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 20:
        raise FieldError(field, "must be a whole number from 1 to 20")
    return value


FACET_FIELDS = {
    **OF_A_PLACEMENT,
    **{name: OF_A_VISITOR[name] for name in ("user_id", "session_id")},
    "facet": _facet,
    "level": _level,
}


class FacetsView(ApiView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        operation_id="recommend_facets",
        request=shapes.FacetsRequest,
        responses=shapes.FacetsReply,
        summary="Categories, brands or values of an attribute for a shopper, by a placement's "
        "ranking",
    )
    def post(self, request: Request) -> Response:
        values, shop = read_fields(request.data, FACET_FIELDS), request.auth.shop
        if not values.get("placement"):
            raise ValidationError({"placement": ["is required"]})
        facet, limit = values.get("facet", "categories"), values.get("limit", 10)
        if values.get("level") and facet != "categories":
            raise ValidationError({"level": ["is a field of the facet categories"]})
        shared = {**values, "explain": "off", "limit": facets.DEPTH}
        list_request = checked(list_request_of(shop, shared))
        result = facets.recommend_facets(shop, list_request, facet, values.get("level"), limit)
        items = [
            {"value": found.value, "position": position, **found.numbers()}
            for position, found in enumerate(result.facets, 1)
        ]
        ranking = result.ranking
        return Response(
            {
                "placement": list_request.placement.key,
                "facet": facet,
                "model_version": ranking.version.label if ranking.version else None,
                "items": items,
                "fallback": {"used": ranking.fallback is not None, "kind": ranking.fallback},
                "took_ms": ranking.took_ms,
            }
        )


class RowsView(ApiView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        operation_id="recommend_rows",
        request=shapes.RowsRequest,
        responses=shapes.RowsReply,
        summary="Rows that say why: “Because you bought …”, no product twice on the page",
    )
    def post(self, request: Request) -> Response:
        body = shapes.RowsRequest(data=request.data)
        body.is_valid(raise_exception=True)
        values, shop = body.validated_data, request.auth.shop
        list_request = ListRequest(
            None,
            limit=values["limit"],
            user_id=values.get("user_id"),
            session_id=values.get("session_id"),
            explain=values["explain"],
            filter=values.get("filter", ""),
            params=values.get("params", {}),
            elsewhere=tuple(product_ids(shop, values.get("elsewhere", ()))),
        )
        replies = []
        for carousel in make_carousels(shop, checked(list_request), values["rows"]):
            record(shop, carousel.request, carousel.result, values["simulated"])
            leader = {"item_id": carousel.item_id, "event": carousel.event}
            reply = list_reply(shop, carousel.request, carousel.result)
            replies.append({"title": carousel.title, "led_by": leader, **reply})
        return Response({"rows": hydrated(request.auth, replies) if values["hydrate"] else replies})


class ShoppersView(ApiView):
    scopes = {"*": "recs:read"}
    query = {"GET": shapes.ShoppersRequest}

    @extend_schema(
        operation_id="shoppers_of_item",
        responses=shapes.ShoppersReply,
        summary="The shoppers who would want a product most",
    )
    def get(self, request: Request) -> Response:
        shop = request.auth.shop
        item_id = product_id(shop, self.params["item_id"])
        if not shop.products.filter(item_id=item_id).exists():
            raise NotFound(f"item_id: {item_id!r} does not exist in this shop.")
        members = audience_of(shop, item_id, self.params["limit"])
        return Response({"item_id": item_id, "shoppers": [vars(member) for member in members]})


class PredictionsView(ApiView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        operation_id="predict",
        request=shapes.PredictionsRequest,
        responses=shapes.PredictionsReply,
        summary="How likely a shopper buys each of these products within the model's horizon, and "
        "clicks it when it is shown",
    )
    def post(self, request: Request) -> Response:
        body = shapes.PredictionsRequest(data=request.data)
        body.is_valid(raise_exception=True)
        values, shop = body.validated_data, request.auth.shop
        who = values.get("user_id"), values.get("session_id")
        try:
            predictions = predict(shop, product_ids(shop, values["item_ids"]), *who)
        except (NoModel, BrokenCheckpoint) as error:
            raise Conflict(str(error)) from None
        return Response(
            {
                "model_version": predictions.version.label,
                "horizon_days": predictions.horizon_days,
                "known_shopper": predictions.known,
                "predictions": [vars(one) for one in predictions.items],
                "unknown": predictions.unknown,
            }
        )
