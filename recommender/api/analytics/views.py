"""Analytics: attribution and off-policy estimates."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.analytics import attribution
from recommender.api.analytics import serializers as shapes


class AnalyticsView(APIView):
    scopes = {"*": "analytics:read"}

    @extend_schema(
        parameters=[
            OpenApiParameter("from", str),
            OpenApiParameter("to", str),
            OpenApiParameter("by", str),
        ],
        responses=shapes.AnalyticsReply,
        summary="Clicks, conversion, revenue, coverage and loyalty per placement, model version "
        "and day",
    )
    def get(self, request: Request) -> Response:
        shop = request.auth.shop
        query = shapes.AnalyticsRequest(data=request.query_params.dict(), context={"shop": shop})
        query.is_valid(raise_exception=True)
        since, until, by = (query.validated_data[name] for name in ("from_", "to", "by"))
        results = {
            "rows": attribution.earned_and_shown(shop, since, until, by),
            "products_shown": {
                placement: shown
                for (placement, *_), shown in attribution.coverage(shop, since, until).items()
            },
            "products_showable": shop.products.showable().count(),
            "loyalty": attribution.loyalty(shop, since, until, by),
        }
        return Response(shapes.AnalyticsReply(results).data)


class ExplorationView(APIView):
    scopes = {"*": "analytics:read"}

    @extend_schema(
        parameters=[
            OpenApiParameter("placement", str, required=True),
            OpenApiParameter("from", str),
            OpenApiParameter("to", str),
        ],
        responses=shapes.ExplorationReply,
        summary="What other lists would have brought at a placement that explores, by the odds "
        "that were kept (IPS, SNIPS)",
    )
    def get(self, request: Request) -> Response:
        shop, data = request.auth.shop, request.query_params.dict()
        placement = str(data.pop("placement", "")).replace("\x00", "")
        if not placement:
            raise ValidationError({"placement": ["is required"]})
        if not shop.placements.filter(key=placement).exists():
            raise ValidationError({"placement": ["does not exist in this shop"]})
        query = shapes.AnalyticsRequest(data=data, context={"shop": shop})
        query.is_valid(raise_exception=True)
        estimates = attribution.explored(
            shop, placement, query.validated_data["from_"], query.validated_data["to"]
        )
        return Response(
            {"placement": placement, "policies": [vars(estimate) for estimate in estimates]}
        )
