"""Serializers of events."""

from rest_framework import serializers

from recommender.api.http.listing import PageQuery
from recommender.api.http.strict_fields import MomentField, RowErrorSerializer
from recommender.models.events import EventType

MOST_EVENTS = 10_000


class EventLineSerializer(serializers.Serializer):
    item_id = serializers.CharField(
        help_text="of a product, or any id of one of its variants, such as an SKU"
    )
    variant_id = serializers.CharField(required=False, help_text="the variant, where it is known")
    position = serializers.IntegerField(required=False, help_text="place in the list, from 1")
    quantity = serializers.FloatField(required=False)
    price = serializers.CharField(required=False, help_text="of one piece, in the shop's currency")
    discount = serializers.CharField(required=False, help_text="off the price of one piece")


class EventSerializer(serializers.Serializer):
    event_id = serializers.CharField(
        help_text="the shop's own; the same event sent again counts once"
    )
    type = serializers.ChoiceField(EventType.choices)
    user_id = serializers.CharField(
        required=False, allow_null=True, help_text="this or session_id is required"
    )
    session_id = serializers.CharField(required=False, allow_null=True)
    occurred_at = serializers.DateTimeField(help_text="with a zone")
    items = EventLineSerializer(many=True, required=False)
    item_id = serializers.CharField(required=False, help_text="instead of items, for one product")
    recommendation_id = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="of the list that it came from, to which it is credited",
    )
    query_id = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="of the search that it came from, instead of recommendation_id",
    )
    placement = serializers.CharField(required=False, allow_null=True)
    value = serializers.CharField(
        required=False,
        help_text="what was paid for all of it; default: from price, discount and quantity",
    )
    currency = serializers.CharField(required=False, help_text="the shop's; another one is refused")
    rating = serializers.FloatField(required=False, help_text="of rating: 0 to 5")
    query = serializers.CharField(required=False, help_text="of search")
    simulated = serializers.BooleanField(
        default=False, help_text="no shopper did it: in charts, and nothing learns from it"
    )
    context = serializers.DictField(required=False, help_text="free for the shop; it is not stored")


class EventsRequest(serializers.Serializer):
    events = EventSerializer(many=True, help_text=f"at most {MOST_EVENTS:,}")


class CollectRequest(EventsRequest):
    key = serializers.CharField(help_text="a public key")


class EventResultSerializer(serializers.Serializer):
    event_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "duplicate", "rejected"])
    error = RowErrorSerializer(required=False)


class EventsReply(serializers.Serializer):
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = EventResultSerializer(many=True)


class StoredLineSerializer(serializers.Serializer):
    item_id = serializers.CharField()
    variant_id = serializers.CharField(allow_null=True, help_text="the variant, where it is known")
    position = serializers.IntegerField(allow_null=True)
    quantity = serializers.FloatField(allow_null=True)
    value = serializers.FloatField(allow_null=True, help_text="paid for all of the quantity")
    rating = serializers.FloatField(allow_null=True)


class StoredEventSerializer(serializers.Serializer):
    """A stored event: what counts of what was sent."""

    event_id = serializers.CharField()
    type = serializers.ChoiceField(EventType.choices)
    user_id = serializers.CharField(allow_null=True)
    session_id = serializers.CharField(allow_null=True)
    occurred_at = serializers.DateTimeField()
    items = StoredLineSerializer(many=True, help_text="its products, in their order")
    recommendation_id = serializers.CharField(allow_null=True)
    placement = serializers.CharField(allow_null=True)
    query = serializers.CharField(allow_null=True)
    simulated = serializers.BooleanField()
    from_page = serializers.BooleanField(help_text="sent with a public key")
    received_at = serializers.DateTimeField()


class EventsQuery(PageQuery):
    user_id = serializers.CharField(
        required=False, max_length=256, help_text="only events of this shopper"
    )
    session_id = serializers.CharField(
        required=False, max_length=256, help_text="only events of this session"
    )
    item_id = serializers.CharField(
        required=False, max_length=256, help_text="only events of this product"
    )
    type = serializers.ChoiceField(
        EventType.choices, required=False, help_text="only events of this type"
    )
    recommendation_id = serializers.CharField(
        required=False, max_length=64, help_text="only events that cite this list"
    )
    since = MomentField(
        required=False, help_text="only events from this time on, such as 2026-01-31T00:00:00Z"
    )
    until = MomentField(required=False, help_text="only events before this time")
    order = serializers.ChoiceField(
        ["newest", "oldest"], default="newest", help_text="by time; the newest first, or last"
    )
