"""Serializers of products."""

from rest_framework import serializers

from recommender.api.http.strict_fields import (
    MOST_ITEMS,
    WHOLE,
    RowErrorSerializer,
    StrictSerializer,
)
from recommender.catalog.product_fields import FIELDS


class PriceSerializer(StrictSerializer):
    amount = serializers.CharField()
    currency = serializers.CharField(required=False)


class StockSerializer(StrictSerializer):
    state = serializers.ChoiceField(["in_stock", "out_of_stock"], required=False, allow_null=True)
    quantity = serializers.IntegerField(required=False, allow_null=True)


class ItemSerializer(serializers.Serializer):
    """A product in REST. `price` and `stock` are objects; `attributes` may hold the `brand`."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """Serializer fields, built from `catalog.product_fields`, with the id first."""
        fields = {"item_id": serializers.CharField(required=False)}
        for field in FIELDS:
            name = field.rest_path[0]
            make = OBJECTS.get(name) or BY_KIND[field.kind.parser]
            fields.setdefault(name, make() if not field.required else serializers.CharField())
        return fields


OBJECTS = {
    "price": lambda: PriceSerializer(required=False, allow_null=True),
    "stock": lambda: StockSerializer(required=False, allow_null=True),
    "attributes": lambda: serializers.DictField(required=False, help_text=WHOLE),
}
BY_KIND = {
    "text": lambda: serializers.CharField(required=False),
    "texts": lambda: serializers.ListField(child=serializers.CharField(), required=False),
    "mapping": lambda: serializers.DictField(required=False),
    "boolean": lambda: serializers.BooleanField(required=False),
    "integer": lambda: serializers.IntegerField(required=False, allow_null=True),
    "number": lambda: serializers.FloatField(required=False, allow_null=True),
    "moment": lambda: serializers.DateTimeField(required=False, allow_null=True),
}
"""The REST field of each kind of product field."""


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
