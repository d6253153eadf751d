"""Shapes of products in requests and replies."""

from rest_framework import serializers

from recommender.api.http.strict_fields import (
    MOST_ITEMS,
    WHOLE,
    RowErrorSerializer,
    StrictSerializer,
)


class PriceSerializer(StrictSerializer):
    amount = serializers.CharField()
    currency = serializers.CharField(required=False)


class StockSerializer(StrictSerializer):
    state = serializers.ChoiceField(["in_stock", "out_of_stock"], required=False, allow_null=True)
    quantity = serializers.IntegerField(required=False, allow_null=True)


class ItemSerializer(serializers.Serializer):
    """`price` and `stock` are objects; `brand` may stand in `attributes`."""

    item_id = serializers.CharField(required=False)
    title = serializers.CharField()
    description = serializers.CharField(required=False)
    brand = serializers.CharField(required=False)
    categories = serializers.ListField(child=serializers.CharField(), required=False)
    price = PriceSerializer(required=False, allow_null=True)
    attributes = serializers.DictField(required=False, help_text=WHOLE)
    images = serializers.ListField(child=serializers.CharField(), required=False)
    stock = StockSerializer(required=False, allow_null=True)
    available_from = serializers.DateTimeField(required=False, allow_null=True)
    available_until = serializers.DateTimeField(required=False, allow_null=True)
    hidden = serializers.BooleanField(required=False)
    margin_rate = serializers.FloatField(required=False, allow_null=True)
    locale = serializers.CharField(required=False)


class ItemsBatchRequest(serializers.Serializer):
    items = ItemSerializer(many=True, help_text=f"at most {MOST_ITEMS:,}")


class ItemResultSerializer(serializers.Serializer):
    item_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "rejected"])
    error = RowErrorSerializer(required=False)


class ItemsBatchReply(serializers.Serializer):
    new = serializers.IntegerField()
    changed = serializers.IntegerField()
    same = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = ItemResultSerializer(many=True)
