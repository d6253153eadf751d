"""Serializers of shoppers, consents and erasures."""

from rest_framework import serializers

from recommender.api.http.strict_fields import WHOLE, StrictSerializer


class ConsentSerializer(StrictSerializer):
    personalisation = serializers.BooleanField(required=False)
    training = serializers.BooleanField(required=False)


class UserSerializer(serializers.Serializer):
    user_id = serializers.CharField(required=False)
    attributes = serializers.DictField(required=False, help_text=WHOLE)
    consent = ConsentSerializer(required=False)
    merged_from = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="anonymous sessions that were this shopper",
    )


class ErasureSerializer(serializers.Serializer):
    receipt_id = serializers.CharField()
    erased_at = serializers.DateTimeField()
    erased = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="rows of events, lists, served lists and reviews",
    )
    caches = serializers.ChoiceField(
        ["cleared", "pending"],
        help_text="pending: Redis did not answer; it is tried again every ten minutes",
    )
