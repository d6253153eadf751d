"""Analytics: attribution and off-policy estimates."""

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.analytics import attribution
from recommender.api.analytics import serializers as shapes
from recommender.api.http.views import ApiView


class AnalyticsView(ApiView):
    scopes = {"*": "analytics:read"}
    query = {"GET": shapes.AnalyticsRequest}

    @extend_schema(
        operation_id="get_analytics",
        responses=shapes.AnalyticsReply,
        summary="Clicks, conversion, revenue, coverage and loyalty per placement, model version "
        "and day",
    )
    def get(self, request: Request) -> Response:
        shop = request.auth.shop
        since, until, by = (self.params[name] for name in ("from_", "to", "by"))
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


class ExplorationView(ApiView):
    scopes = {"*": "analytics:read"}
    query = {"GET": shapes.ExplorationRequest}

    @extend_schema(
        operation_id="get_exploration",
        responses=shapes.ExplorationReply,
        summary="What other lists would have brought at a placement that explores, by the odds "
        "that were kept (IPS, SNIPS)",
    )
    def get(self, request: Request) -> Response:
        shop, placement = request.auth.shop, self.params["placement"]
        if not shop.placements.filter(key=placement).exists():
            raise ValidationError({"placement": ["does not exist in this shop"]})
        estimates = attribution.explored(shop, placement, self.params["from_"], self.params["to"])
        return Response(
            {"placement": placement, "policies": [vars(estimate) for estimate in estimates]}
        )
