"""Lists for many shoppers, titled rows, shoppers for a product, and how likely each of some
products is bought.
"""

from dataclasses import replace

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.http.problem_details import Conflict
from recommender.api.http.strict_fields import read_ids
from recommender.api.recommendations import bulk_serializers as shapes
from recommender.api.recommendations.parsing import OF_A_PLACEMENT, OF_A_VISITOR, read_fields
from recommender.api.recommendations.views import ask_of, checked, hydrated, listing_reply
from recommender.inference import checkpoint_files
from recommender.ingest import FieldError
from recommender.recommendations import carousels
from recommender.recommendations.exposures import record
from recommender.recommendations.requests import Ask
from recommender.recommendations.targeting import audience, bulk_lists
from recommender.recommendations.targeting.propensity import NoModel, predict

MOST_SHOPPERS = 1000


class BatchView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        request=shapes.BatchRequest,
        responses=shapes.BatchReply,
        summary="The lists of up to 1,000 shoppers at one placement, for mails and exports",
    )
    def post(self, request: Request) -> Response:
        data, shop = dict(request.data), request.auth.shop
        user_ids = data.pop("user_ids", None)
        try:
            user_ids = read_ids("user_ids", user_ids, MOST_SHOPPERS, "shopper ids")
        except FieldError as error:
            raise ValidationError({error.field: [error.message]}) from None
        if not user_ids:
            raise ValidationError({"user_ids": ["is required"]})
        known = {
            name: read
            for name, read in {**OF_A_PLACEMENT, **OF_A_VISITOR}.items()
            if name not in ("user_id", "session_id", "hydrate")
        }
        values = {"explain": "off", "simulated": False, **read_fields(data, known)}
        if not values.get("placement"):
            raise ValidationError({"placement": ["is required"]})
        ask = checked(ask_of(shop, values))
        asks = [replace(ask, user_id=user_id) for user_id in dict.fromkeys(user_ids)]
        replies = []
        for one, listing in zip(asks, bulk_lists.lists_of(shop, asks), strict=True):
            record(shop, one, listing, values["simulated"])
            replies.append(
                {"user_id": one.user_id, **listing_reply(shop, one, listing, at_once=True)}
            )
        return Response({"lists": replies})


class RowsView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        request=shapes.RowsRequest,
        responses=shapes.RowsReply,
        summary="Rows that say why: “Because you bought …”, no product twice on the page",
    )
    def post(self, request: Request) -> Response:
        asked = shapes.RowsRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        values, shop = asked.validated_data, request.auth.shop
        ask = Ask(
            None,
            values["limit"],
            values.get("user_id"),
            values.get("session_id"),
            explain=values["explain"],
            filter=values.get("filter", ""),
            params=values.get("params", {}),
            elsewhere=tuple(values.get("elsewhere", ())),
        )
        replies = []
        for row in carousels.titled_rows(shop, checked(ask), values["rows"]):
            record(shop, row.ask, row.listing, values["simulated"])
            because = {"item_id": row.item_id, "event": row.event}
            replies.append(
                {"title": row.title, "led_by": because, **listing_reply(shop, row.ask, row.listing)}
            )
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
        asked = shapes.ShoppersRequest(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        shop, item_id = request.auth.shop, asked.validated_data["item_id"]
        if not shop.products.filter(item_id=item_id).exists():
            raise NotFound(f"item_id: {item_id!r} is no product of this shop.")
        found = audience.who_wants(shop, item_id, asked.validated_data["limit"])
        return Response(
            {
                "item_id": item_id,
                "shoppers": [{"user_id": w.user_id, "score": w.score} for w in found],
            }
        )


class PredictionsView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        request=shapes.PredictionsRequest,
        responses=shapes.PredictionsReply,
        summary="How likely a shopper buys each of these products within the model's horizon, and "
        "clicks it when it is shown",
    )
    def post(self, request: Request) -> Response:
        asked = shapes.PredictionsRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        try:
            found = predict(
                request.auth.shop,
                values["item_ids"],
                values.get("user_id"),
                values.get("session_id"),
            )
        except (NoModel, checkpoint_files.BrokenCheckpoint) as error:
            raise Conflict(str(error)) from None
        return Response(
            {
                "model_version": found.version.label,
                "horizon_days": found.horizon_days,
                "known_shopper": found.known,
                "predictions": [vars(p) for p in found.items],
                "unknown": found.unknown,
            }
        )
