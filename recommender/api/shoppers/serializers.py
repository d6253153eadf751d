"""Serializers of shoppers, consents and erasures."""

from rest_framework import serializers

from recommender.api.http.listing import PageQuery
from recommender.api.http.strict_fields import (
    MERGED,
    MOST_ITEMS,
    RowErrorSerializer,
    StrictSerializer,
)


class ConsentSerializer(StrictSerializer):
    personalisation = serializers.BooleanField(required=False)
    training = serializers.BooleanField(required=False)


class UserSerializer(serializers.Serializer):
    user_id = serializers.CharField(required=False)
    attributes = serializers.DictField(required=False, help_text=MERGED)
    consent = ConsentSerializer(required=False)
    merged_from = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="anonymous sessions that were this shopper",
    )
    first_seen = serializers.DateTimeField(required=False, allow_null=True, read_only=True)
    updated_at = serializers.DateTimeField(required=False, read_only=True)


class UsersQuery(PageQuery):
    consent_personalisation = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="only shoppers with this consent"
    )
    consent_training = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="only shoppers with this consent"
    )
    attribute = serializers.CharField(
        required=False,
        max_length=600,
        help_text="only shoppers whose attribute has this text, such as country=Sweden",
    )

    def validate_attribute(self, text: str) -> tuple[str, str]:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise serializers.ValidationError("must be NAME=VALUE, such as country=Sweden")
        return name, value


class UsersBatchRequest(serializers.Serializer):
    users = UserSerializer(
        many=True, help_text=f"at most {MOST_ITEMS:,}; given attributes replace all of a shopper's"
    )


class UserResultSerializer(serializers.Serializer):
    user_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "rejected"])
    error = RowErrorSerializer(required=False)


class UsersBatchReply(serializers.Serializer):
    new = serializers.IntegerField()
    changed = serializers.IntegerField()
    same = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = UserResultSerializer(many=True, help_text="one for each shopper, in their order")


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
