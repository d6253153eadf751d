"""Bulk lists, carousels, the audience of a product, and propensity scores."""

from dataclasses import replace
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.http.problem_details import Conflict
from recommender.api.http.strict_fields import read_ids
from recommender.api.recommendations import bulk_serializers as shapes
from recommender.api.recommendations.parsing import OF_A_PLACEMENT, OF_A_VISITOR, read_fields
from recommender.api.recommendations.views import checked, hydrated, list_reply, list_request_of
from recommender.inference.checkpoint_files import BrokenCheckpoint
from recommender.ingest import FieldError
from recommender.recommendations.carousels import make_carousels
from recommender.recommendations.exposures import record
from recommender.recommendations.requests import ListRequest
from recommender.recommendations.targeting import bulk_lists
from recommender.recommendations.targeting.audience import audience_of
from recommender.recommendations.targeting.propensity import NoModel, predict

MOST_SHOPPERS = 1000
FIELDS = {
    name: read
    for name, read in {**OF_A_PLACEMENT, **OF_A_VISITOR}.items()
    if name not in ("user_id", "session_id", "hydrate")
}
"""Fields of a bulk request that every list of it shares."""


class BatchView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
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
        requests = [replace(shared, user_id=user_id) for user_id in user_ids]
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


class RowsView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
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
            elsewhere=tuple(values.get("elsewhere", ())),
        )
        replies = []
        for carousel in make_carousels(shop, checked(list_request), values["rows"]):
            record(shop, carousel.request, carousel.result, values["simulated"])
            leader = {"item_id": carousel.item_id, "event": carousel.event}
            reply = list_reply(shop, carousel.request, carousel.result)
            replies.append({"title": carousel.title, "led_by": leader, **reply})
        return Response({"rows": hydrated(shop, replies) if values["hydrate"] else replies})


class ShoppersView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        parameters=[
            OpenApiParameter("item_id", str, required=True),
            OpenApiParameter("limit", int),
        ],
        responses=shapes.ShoppersReply,
        summary="The shoppers who would want a product most",
    )
    def get(self, request: Request) -> Response:
        query = shapes.ShoppersRequest(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        shop, item_id = request.auth.shop, query.validated_data["item_id"]
        if not shop.products.filter(item_id=item_id).exists():
            raise NotFound(f"item_id: {item_id!r} does not exist in this shop.")
        members = audience_of(shop, item_id, query.validated_data["limit"])
        return Response({"item_id": item_id, "shoppers": [vars(member) for member in members]})


class PredictionsView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
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
            predictions = predict(shop, values["item_ids"], *who)
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
