"""Serializers of products."""

from rest_framework import serializers

from recommender.api.http.strict_fields import (
    MERGED,
    MOST_ITEMS,
    IdField,
    RowErrorSerializer,
    StrictSerializer,
    TextField,
)
from recommender.catalog.product_fields import FIELDS
from recommender.models.product_attributes import AttributeType


class PriceSerializer(StrictSerializer):
    amount = serializers.CharField()
    currency = serializers.CharField(required=False)


class StockSerializer(StrictSerializer):
    state = serializers.ChoiceField(["in_stock", "out_of_stock"], required=False, allow_null=True)
    quantity = serializers.IntegerField(required=False, allow_null=True)


class VariantSerializer(StrictSerializer):
    """What can be bought of a product, such as a size. Prices are in the shop's currency."""

    id = serializers.CharField(required=False, help_text="default: sku, else gtin")
    sku = serializers.CharField(required=False)
    gtin = serializers.CharField(required=False)
    other_ids = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="further ids, such as a platform's"
    )
    options = serializers.DictField(required=False, help_text='such as {"Size": "M"}')
    price = serializers.CharField(required=False, help_text="the regular one")
    sale_price = serializers.CharField(
        required=False, help_text="between the product's sale_from and sale_until"
    )
    compare_at_price = serializers.CharField(required=False)
    stock_state = serializers.CharField(required=False, help_text="in_stock or out_of_stock")
    stock_quantity = serializers.IntegerField(required=False)
    image = serializers.CharField(required=False)
    url = serializers.CharField(required=False)


class ItemSerializer(serializers.Serializer):
    """A product in REST. `price` and `stock` are objects; `attributes` may hold the `brand`."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """Serializer fields, built from `catalog.product_fields`, with the id first."""
        fields = {"item_id": serializers.CharField(required=False)}
        for field in FIELDS:
            name = field.rest_path[0]
            make = OBJECTS.get(name) or BY_KIND[field.kind.parser]
            fields.setdefault(name, make() if not field.required else serializers.CharField())
        fields["updated_at"] = serializers.DateTimeField(required=False, read_only=True)
        return fields


OBJECTS = {
    "price": lambda: PriceSerializer(required=False, allow_null=True),
    "sale_price": lambda: PriceSerializer(required=False, allow_null=True),
    "compare_at_price": lambda: PriceSerializer(required=False, allow_null=True),
    "stock": lambda: StockSerializer(required=False, allow_null=True),
    "attributes": lambda: serializers.DictField(required=False, help_text=MERGED),
}
BY_KIND = {
    "text": lambda: serializers.CharField(required=False),
    "prose": lambda: serializers.CharField(required=False),
    "availability": lambda: serializers.CharField(required=False),
    "variants": lambda: VariantSerializer(many=True, required=False),
    "texts": lambda: serializers.ListField(child=serializers.CharField(), required=False),
    "mapping": lambda: serializers.DictField(required=False),
    "published": lambda: serializers.BooleanField(required=False),
    "boolean": lambda: serializers.BooleanField(required=False),
    "integer": lambda: serializers.IntegerField(required=False, allow_null=True),
    "number": lambda: serializers.FloatField(required=False, allow_null=True),
    "moment": lambda: serializers.DateTimeField(required=False, allow_null=True),
}
"""The REST field of each kind of product field."""


class ItemsBatchRequest(serializers.Serializer):
    items = ItemSerializer(
        many=True,
        help_text=f"at most {MOST_ITEMS:,}; given attributes replace all of a product's",
    )


class ItemResultSerializer(serializers.Serializer):
    item_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "rejected"])
    error = RowErrorSerializer(required=False)


class ItemsBatchReply(serializers.Serializer):
    new = serializers.IntegerField()
    changed = serializers.IntegerField()
    same = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = ItemResultSerializer(many=True, help_text="one for each product, in their order")


class ItemsDeleteRequest(StrictSerializer):
    item_ids = serializers.ListField(
        child=IdField(), min_length=1, max_length=MOST_ITEMS, help_text=f"at most {MOST_ITEMS:,}"
    )


class ItemDeletedSerializer(serializers.Serializer):
    item_id = serializers.CharField()
    status = serializers.ChoiceField(["deleted", "unknown"])


class ItemsDeleteReply(serializers.Serializer):
    deleted = serializers.IntegerField()
    unknown = serializers.IntegerField()
    results = ItemDeletedSerializer(many=True, help_text="one for each id, in their order")


class AttributeRequest(StrictSerializer):
    type = serializers.ChoiceField(
        AttributeType.choices, help_text="what every product has to hold from now on, or null"
    )
    description = TextField(max_length=500, required=False, allow_blank=True)


class AttributeSerializer(serializers.Serializer):
    name = serializers.CharField()
    declared = serializers.BooleanField(help_text="false: products have it, nobody declared it")
    type = serializers.ChoiceField(
        AttributeType.choices, allow_null=True, help_text="the declared one"
    )
    description = serializers.CharField(allow_blank=True)
    products = serializers.IntegerField(help_text="products that have it")
    types = serializers.DictField(
        child=serializers.IntegerField(), help_text="number of products by type of the value"
    )
    misfits = serializers.IntegerField(
        help_text="products from before the declaration whose value has another type"
    )
    example = serializers.JSONField(allow_null=True, help_text="one value")
