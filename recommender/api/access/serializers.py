"""Serializers of API keys."""

from rest_framework import serializers

from recommender.api.http.listing import PageQuery
from recommender.api.http.strict_fields import StrictSerializer, TextField
from recommender.models import ApiKey
from recommender.models.api_keys import SCOPES

LONGEST_DAYS = 3650


class KeySerializer(serializers.ModelSerializer):
    key_id = serializers.SerializerMethodField(help_text="names the key in addresses")
    status = serializers.SerializerMethodField()
    replaces = serializers.SerializerMethodField(
        help_text="the key that this one was made for, by rotation"
    )

    class Meta:
        model = ApiKey
        fields = [
            "key_id",
            "name",
            "prefix",
            "scopes",
            "is_public",
            "placements",
            "per_minute",
            "status",
            "created_at",
            "expires_at",
            "last_used_at",
            "replaces",
        ]

    def get_key_id(self, key) -> str:
        return f"key-{key.pk}"

    def get_status(self, key) -> str:
        """active or expired."""
        return "expired" if key.expired else "active"

    def get_replaces(self, key) -> str | None:
        return f"key-{key.replaces_id}" if key.replaces_id else None


class NewKeySerializer(KeySerializer):
    """A key with its secret, which is shown once."""

    secret = serializers.CharField(
        allow_null=True,
        read_only=True,
        help_text="the key itself: it is not stored. null: a repeated call with the same "
        "Idempotency-Key",
    )

    class Meta(KeySerializer.Meta):
        fields = [*KeySerializer.Meta.fields, "secret"]


class KeysQuery(PageQuery):
    status = serializers.ChoiceField(
        ["active", "expired"], required=False, help_text="only keys that work, or that ended"
    )


class KeyRequest(StrictSerializer):
    name = TextField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(SCOPES),
        required=False,
        help_text="what it may do; at most what the calling key may do. Not of a public key",
    )
    public = serializers.BooleanField(
        default=False, help_text="for the shop's pages: it can send events, and request lists"
    )
    placements = serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=100,
        required=False,
        help_text="of a public key: placements whose lists pages may request",
    )
    search = serializers.BooleanField(
        default=False, help_text="of a public key: pages may search and suggest"
    )
    assist = serializers.BooleanField(
        default=False, help_text="of a public key: pages may put questions to the service desk"
    )
    per_minute = serializers.IntegerField(
        min_value=1,
        max_value=10_000_000,
        required=False,
        help_text="requests a minute; of a public key, from each address",
    )
    days = serializers.IntegerField(
        min_value=1, max_value=LONGEST_DAYS, required=False, help_text="it expires after so many"
    )


class RotationRequest(StrictSerializer):
    overlap_days = serializers.IntegerField(
        min_value=0,
        max_value=LONGEST_DAYS,
        default=7,
        help_text="the old key ends after so many days; until then both work",
    )
    days = serializers.IntegerField(
        min_value=1,
        max_value=LONGEST_DAYS,
        required=False,
        help_text="the successor expires after so many days",
    )
