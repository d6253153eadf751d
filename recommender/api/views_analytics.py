"""What lists brought, as numbers."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender import analytics
from recommender.api import serializers as shapes


class AnalyticsView(APIView):
    scopes = {"*": "analytics:read"}

    @extend_schema(
        parameters=[OpenApiParameter("from", str), OpenApiParameter("to", str), OpenApiParameter("by", str)],
        responses=shapes.AnalyticsReply,
        summary="Clicks, conversion, revenue, coverage and loyalty per placement, model version and day",
    )
    def get(self, request: Request) -> Response:
        shop = request.auth.shop
        asked = shapes.AnalyticsRequest(data=request.query_params.dict(), context={"shop": shop})
        asked.is_valid(raise_exception=True)
        since, until = asked.validated_data["from_"], asked.validated_data["to"]
        found = {
            "rows": analytics.earned(shop, since, until, asked.validated_data["by"]),
            "products_shown": analytics.covered(shop, since, until),
            "products_showable": shop.products.showable().count(),
            "loyalty": analytics.loyalty(shop, since, until),
        }
        return Response(shapes.AnalyticsReply(found).data)
