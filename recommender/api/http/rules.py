"""Serializer of merchandising rules, which requests and placements hold."""

from rest_framework import serializers

from recommender.api.http.strict_fields import StrictSerializer
from recommender.merchandising import rules


class RuleSerializer(StrictSerializer):
    """A merchandising rule: it applies to the products that pass `filter`, or to `item_ids`."""

    id = serializers.CharField(max_length=64, required=False, help_text="named beside products")
    name = serializers.CharField(max_length=100, required=False, allow_blank=True)
    effect = serializers.ChoiceField(rules.EFFECTS)
    filter = serializers.CharField(required=False, help_text="of the products; not of a pin")
    item_ids = serializers.ListField(
        child=serializers.CharField(max_length=256), max_length=rules.MOST_ITEMS, required=False
    )
    factor = serializers.FloatField(
        min_value=rules.LEAST_FACTOR,
        max_value=rules.LARGEST_FACTOR,
        required=False,
        help_text="of a boost: ranks are divided by it. Default: 2",
    )
    position = serializers.IntegerField(
        min_value=1,
        max_value=rules.LAST_POSITION,
        required=False,
        help_text="of a pin, from 1; more products follow. Default: 1",
    )
