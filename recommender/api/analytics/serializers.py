"""Serializers of analytics and exploration."""

from datetime import timedelta

from django.utils import timezone
from rest_framework import serializers

from recommender.analytics import attribution
from recommender.api.http.strict_fields import DayField, Since


class Period(Since):
    """Query of a period of days."""

    from_ = DayField(
        required=False, help_text="in the shop's time zone; default: 27 days before `to`"
    )
    to = DayField(required=False, help_text="included; default: today")

    def validate(self, values):
        until = values.setdefault("to", timezone.localdate(timezone=self.context["shop"].zone))
        since = values.setdefault("from_", until - timedelta(days=27))
        if not timedelta(0) <= until - since <= timedelta(days=400):
            raise serializers.ValidationError(
                {"from": "must lie at most 400 days before to, and not after it"}
            )
        return values


class AnalyticsRequest(Period):
    by = serializers.CharField(
        default="placement,version,day",
        help_text="any of placement, version, day, experiment, with commas between",
    )

    def validate_by(self, value):
        parts = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
        if wrong := [part for part in parts if part not in attribution.PARTS]:
            raise serializers.ValidationError(
                f"{wrong[0][:40]!r} is not one of {', '.join(attribution.PARTS)}"
            )
        return parts


class ExplorationRequest(Period):
    placement = serializers.CharField(
        max_length=64, help_text="key of a placement, such as home_top"
    )


class EstimateSerializer(serializers.Serializer):
    policy = serializers.ChoiceField(
        ["best", "random", "served"],
        help_text="the best product always; one drawn evenly; what was served",
    )
    places = serializers.IntegerField()
    ips = serializers.FloatField(help_text="clicks or purchases a place, by inverse propensity")
    snips = serializers.FloatField(help_text="the same, self-normalised")
    error = serializers.FloatField(help_text="standard error of snips")


class ExplorationReply(serializers.Serializer):
    placement = serializers.CharField()
    policies = EstimateSerializer(many=True, help_text="empty where no place was drawn")


class EarnedSerializer(serializers.Serializer):
    placement = serializers.CharField(allow_null=True, help_text="empty: items/related")
    model_version = serializers.CharField(source="version", allow_null=True)
    day = serializers.DateField(allow_null=True)
    experiment = serializers.CharField(
        allow_null=True, help_text="key and arm of an A/B test, such as home-2026:B"
    )
    lists = serializers.FloatField(
        help_text="an estimate where lists were sampled, like all counts"
    )
    fallback = serializers.FloatField(help_text="lists that were a fallback")
    simulated = serializers.FloatField(help_text="lists that no shopper saw")
    clicked = serializers.FloatField(help_text="lists with a click")
    bought = serializers.FloatField(help_text="lists with a purchase")
    clicks = serializers.FloatField()
    purchases = serializers.FloatField()
    revenue = serializers.FloatField()
    click_rate = serializers.FloatField(help_text="clicked / lists")
    click_interval = serializers.ListField(
        child=serializers.FloatField(),
        help_text="95 % interval of click_rate (Wilson), lower and upper bound",
    )
    conversion = serializers.FloatField(help_text="bought / lists")
    products_shown = serializers.IntegerField(help_text="different products in these lists")


class LoyalSerializer(serializers.Serializer):
    placement = serializers.CharField(allow_null=True)
    model_version = serializers.CharField(source="version", allow_null=True)
    day = serializers.DateField(allow_null=True)
    experiment = serializers.CharField(
        allow_null=True, help_text="key and arm of an A/B test, such as home-2026:B"
    )
    anywhere = serializers.BooleanField(help_text="the whole shop, to compare with")
    days = serializers.IntegerField()
    buyers = serializers.IntegerField(
        help_text="who bought from these lists, so many days ago or more"
    )
    again = serializers.IntegerField(help_text="those of them who bought again within these days")
    shoppers = serializers.IntegerField(
        help_text="who were shown these lists, so many days ago or more"
    )
    returned = serializers.IntegerField(
        help_text="those of them who did anything again within these days, at least half a day "
        "later"
    )


class AnalyticsReply(serializers.Serializer):
    rows = EarnedSerializer(many=True)
    products_shown = serializers.DictField(
        child=serializers.IntegerField(), help_text="different products by placement"
    )
    products_showable = serializers.IntegerField()
    loyalty = LoyalSerializer(
        many=True, help_text="by the parts that rows are by, after the whole shop's"
    )
