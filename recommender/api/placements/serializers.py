"""Serializers of placements."""

from rest_framework import serializers

from recommender.api.http.listing import PageQuery
from recommender.api.http.rules import RuleSerializer
from recommender.api.http.strict_fields import StrictSerializer, TextField
from recommender.api.http.views import DryRun
from recommender.models import Placement


class ArmSerializer(StrictSerializer):
    name = TextField(max_length=20)
    share = serializers.FloatField(min_value=0, max_value=1, help_text="of the shoppers")
    model_version = serializers.CharField(
        allow_null=True, required=False, help_text="such as fusion@3; null: the placement's"
    )


class ExperimentSerializer(StrictSerializer):
    """An A/B test between models: each shopper always gets the same arm."""

    key = TextField(max_length=40)
    arms = ArmSerializer(many=True, help_text="2 to 10; their shares add up to 1")


class PlacementSerializer(StrictSerializer):
    """A placement in replies and bodies; the filter and the rules are checked by the view."""

    placement = serializers.CharField(max_length=64, required=False, help_text="its key")
    name = TextField(max_length=100, required=False)
    kind = serializers.ChoiceField(Placement.KINDS, required=False, help_text="of its lists")
    size = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="products of a list without limit"
    )
    only_new = serializers.BooleanField(
        required=False, help_text="only products that the shopper has not bought before"
    )
    model_version = serializers.CharField(
        required=False, allow_null=True, help_text="such as fusion@3; null: the champion"
    )
    fallbacks = serializers.ListField(
        child=serializers.ChoiceField(Placement.SOURCES),
        required=False,
        help_text="where a short list is filled from, in this order",
    )
    filter = serializers.CharField(
        required=False, allow_blank=True, max_length=2000, help_text="of all its lists"
    )
    filter_values = serializers.DictField(
        required=False, help_text="values of the filter's :parameters where a request has none"
    )
    diversity = serializers.FloatField(min_value=0, max_value=1, required=False)
    tail_percent = serializers.IntegerField(
        min_value=0,
        max_value=100,
        required=False,
        help_text="least percent of places for products outside the best-selling fifth",
    )
    explore_percent = serializers.IntegerField(
        min_value=0, max_value=50, required=False, help_text="percent of places drawn at random"
    )
    rules = RuleSerializer(many=True, required=False, help_text="of all its lists; at most 50")
    experiment = ExperimentSerializer(required=False, allow_null=True, help_text="null: none")


class PlacementsQuery(PageQuery):
    kind = serializers.ChoiceField(Placement.KINDS, required=False, help_text="only this kind")


class PlacementWrite(DryRun):
    although_empty = serializers.BooleanField(
        default=False, help_text="true: save a filter that no product passes"
    )
