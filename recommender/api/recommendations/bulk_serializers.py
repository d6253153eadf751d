"""Serializers of bulk lists, carousels, audiences and propensity scores."""

from rest_framework import serializers

from recommender.api.http.strict_fields import IdField, ObjectField, StrictSerializer
from recommender.api.recommendations.serializers import (
    Adjusted,
    FallbackSerializer,
    Filtered,
    RecommendationReply,
)


class BatchRequest(Adjusted):
    """OpenAPI schema of a bulk recommendation request: one placement, up to 1,000 shoppers. Only
    documentation; `parsing.py` validates the request.
    """

    placement = serializers.CharField(max_length=64)
    user_ids = serializers.ListField(child=IdField(), min_length=1, max_length=1000)
    limit = serializers.IntegerField(min_value=1, max_value=100, required=False)
    context = ObjectField(required=False)
    explain = serializers.ChoiceField(["off", "top", "full"], default="off")
    simulated = serializers.BooleanField(default=False)


class ListOfShopper(RecommendationReply):
    user_id = serializers.CharField()


class BatchReply(serializers.Serializer):
    lists = ListOfShopper(many=True, help_text="in the order of user_ids, each shopper once")


class RowsRequest(Filtered):
    user_id = IdField(required=False, allow_null=True)
    session_id = IdField(required=False, allow_null=True)
    rows = serializers.IntegerField(min_value=1, max_value=10, default=3)
    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=12, help_text="products of each row"
    )
    explain = serializers.ChoiceField(["off", "top", "full"], default="off")
    elsewhere = serializers.ListField(
        child=IdField(),
        max_length=500,
        required=False,
        help_text="products that the page shows already",
    )
    simulated = serializers.BooleanField(default=False)
    hydrate = serializers.BooleanField(
        default=False, help_text="give the product itself with each item"
    )


class FacetsRequest(Adjusted):
    """OpenAPI schema of a facets request. Only documentation; the view validates the request."""

    placement = serializers.CharField(max_length=64, help_text="whose ranking counts")
    facet = serializers.CharField(
        help_text="categories, brand, or attributes.NAME", default="categories"
    )
    level = serializers.IntegerField(
        min_value=1,
        max_value=20,
        required=False,
        help_text="of categories: cut paths after so many parts; 1: the top level",
    )
    user_id = IdField(required=False, allow_null=True)
    session_id = IdField(required=False, allow_null=True)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=10, required=False)
    context = ObjectField(required=False)


class FacetSerializer(serializers.Serializer):
    value = serializers.CharField()
    position = serializers.IntegerField()
    share = serializers.FloatField(
        help_text="of the ranking's weight, in which a product of rank r counts 1 / log2(r + 1)"
    )
    products = serializers.IntegerField(help_text="how many of the ranking have the value")
    item_ids = serializers.ListField(
        child=serializers.CharField(), help_text="the first products with the value, at most 4"
    )


class FacetsReply(serializers.Serializer):
    placement = serializers.CharField()
    facet = serializers.CharField()
    model_version = serializers.CharField(allow_null=True)
    items = FacetSerializer(many=True, help_text="best first")
    fallback = FallbackSerializer()
    took_ms = serializers.IntegerField()


class LedBySerializer(serializers.Serializer):
    item_id = serializers.CharField()
    event = serializers.CharField(help_text="the strongest thing that the shopper did with it")


class TitledRow(RecommendationReply):
    title = serializers.CharField(help_text="such as: Because you bought Party bunting")
    led_by = LedBySerializer()


class RowsReply(serializers.Serializer):
    rows = TitledRow(
        many=True, help_text="empty where nothing is known of the shopper, or without consent"
    )


class ShoppersRequest(StrictSerializer):
    item_id = IdField(help_text="the shop's own id of a product")
    limit = serializers.IntegerField(
        min_value=1, max_value=1000, default=100, help_text="how many at most"
    )


class WantingSerializer(serializers.Serializer):
    user_id = serializers.CharField()
    score = serializers.FloatField(help_text="only its order has a meaning")


class ShoppersReply(serializers.Serializer):
    item_id = serializers.CharField()
    shoppers = WantingSerializer(
        many=True, help_text="who agrees to personal lists, the likeliest first"
    )


class PredictionsRequest(StrictSerializer):
    item_ids = serializers.ListField(child=IdField(), min_length=1, max_length=100)
    user_id = IdField(required=False, allow_null=True)
    session_id = IdField(required=False, allow_null=True)


class PredictionSerializer(serializers.Serializer):
    item_id = serializers.CharField()
    purchase = serializers.FloatField(
        help_text="probability within horizon_days, calibrated on days after the training"
    )
    click = serializers.FloatField(
        allow_null=True,
        help_text="within a day of being shown; null: too few impressions to learn from",
    )


class PredictionsReply(serializers.Serializer):
    model_version = serializers.CharField()
    horizon_days = serializers.IntegerField()
    known_shopper = serializers.BooleanField(
        help_text="false: the probabilities are those of a new shopper"
    )
    predictions = PredictionSerializer(many=True)
    unknown = serializers.ListField(
        child=serializers.CharField(), help_text="no products of this shop"
    )
