"""Shapes of requests and replies."""

from datetime import timedelta

from django.utils import timezone
from rest_framework import serializers

from recommender import analytics
from recommender.api.fields import DayField, IdField, ObjectField, StrictSerializer
from recommender.api.reading import LARGEST_PARAMS
from recommender.models.events import EventType

MOST_EVENTS = 10_000
MOST_ITEMS = 1_000


class Filtered(StrictSerializer):
    """What may be asked of the products of a list."""

    filter = serializers.CharField(required=False, allow_blank=True, help_text="such as: stock.state = 'in_stock' and price < :max")
    params = ObjectField(LARGEST_PARAMS, required=False, help_text="values of the filter's :parameters, and of the placement's filter")
    diversity = serializers.FloatField(
        min_value=0, max_value=1, required=False, help_text="0: best first; 1: unlike each other; usual: the placement's"
    )


class RecommendationRequest(Filtered):
    """Its shape for the schema; api/reading.py reads it."""

    placement = serializers.CharField(max_length=64, required=False, help_text="required, but with next")
    user_id = IdField(required=False, allow_null=True, help_text="the shop's own id of the shopper")
    session_id = IdField(required=False, allow_null=True, help_text="of who did not sign in, or before")
    limit = serializers.IntegerField(min_value=1, max_value=100, required=False, help_text="usual: the placement's size")
    context = ObjectField(
        required=False,
        help_text="item_ids: the products on the page or in the basket. Of newcomers: entry_item_id, interests (texts), country.",
    )
    explain = serializers.ChoiceField(["off", "top", "full"], default="top")
    next = serializers.CharField(required=False, help_text="of an earlier reply: what comes after it; only limit and explain may stand beside it")
    simulated = serializers.BooleanField(default=False, help_text="no shopper will see this list")
    hydrate = serializers.BooleanField(default=False, help_text="give the product itself with each item, as GET items tells of it")


class PageRequest(StrictSerializer):
    placements = serializers.ListField(
        child=serializers.DictField(), min_length=1, max_length=20,
        help_text="from the top of the page on; each as in recommendations: placement, limit, context, filter, params, diversity",
    )  # fmt: skip
    user_id = IdField(required=False, allow_null=True)
    session_id = IdField(required=False, allow_null=True)
    explain = serializers.ChoiceField(["off", "top", "full"], default="top")
    simulated = serializers.BooleanField(default=False)
    hydrate = serializers.BooleanField(default=False)

    def validate_placements(self, value):
        for i, asked in enumerate(value):
            if other := asked.keys() - {"placement", "limit", "context", "filter", "params", "diversity"}:
                raise serializers.ValidationError([*[{}] * i, {sorted(other)[0]: ["is not a field of a placement in a page"]}])
        return value


class RelatedRequest(StrictSerializer):
    item_id = IdField()
    filter = serializers.CharField(required=False, allow_blank=True)
    limit = serializers.IntegerField(min_value=1, max_value=100, default=12)
    explain = serializers.ChoiceField(["off", "top", "full"], default="top")


class RerankRequest(StrictSerializer):
    item_ids = serializers.ListField(
        child=IdField(), min_length=1, max_length=MOST_ITEMS, help_text=f"in the order they have; at most {MOST_ITEMS:,}"
    )
    user_id = IdField(required=False, allow_null=True)
    session_id = IdField(required=False, allow_null=True)
    explain = serializers.ChoiceField(["off", "top", "full"], default="top", help_text="of the first 100 places")
    simulated = serializers.BooleanField(default=False)


class WhyNotRequest(StrictSerializer):
    placement = serializers.CharField(max_length=64)
    user_id = IdField()
    item_id = IdField()


class WhyNotReply(serializers.Serializer):
    item_id = serializers.CharField()
    title = serializers.CharField()
    stage = serializers.ChoiceField(
        ["unknown", "hidden", "filtered", "no_list", "bought", "not_proposed", "ranked", "shown"],
        help_text="unknown: to the model, which was trained before; no_list: nothing personal can be made for this shopper",
    )
    place = serializers.IntegerField(allow_null=True, help_text="where it is, or would be, ranked, from 1")
    of = serializers.IntegerField(allow_null=True, help_text="among how many candidates")
    score = serializers.FloatField(allow_null=True)
    last_score = serializers.FloatField(allow_null=True, help_text="of the last product in the list")
    sources = serializers.DictField(child=serializers.IntegerField(allow_null=True), help_text="place in each source's own list")
    against = serializers.DictField(child=serializers.FloatField(), help_text="contributions less those of the last product in the list")


class ReasonSerializer(serializers.Serializer):
    kind = serializers.CharField()
    share = serializers.FloatField(help_text="size of this contribution in the sum of all sizes")
    text = serializers.CharField()
    item_id = serializers.CharField(required=False, help_text="the shopper's own product behind it")
    against = serializers.BooleanField(required=False, help_text="it speaks against the product")


class RecommendedItemSerializer(serializers.Serializer):
    item_id = serializers.CharField()
    position = serializers.IntegerField()
    score = serializers.FloatField(allow_null=True)
    score_kind = serializers.CharField(help_text="rank: only its order has a meaning; similarity; none")
    source = serializers.ListField(child=serializers.CharField())
    rule = serializers.JSONField(allow_null=True)
    explored = serializers.BooleanField(help_text="the place was drawn at random, to learn; its odds are kept")
    reasons = ReasonSerializer(many=True)
    because = serializers.JSONField(allow_null=True, help_text="the product of the history that stands behind it most, and its share")
    item = serializers.JSONField(required=False, allow_null=True, help_text="hydrate: the product")
    explanation = serializers.JSONField(
        required=False, help_text="explain=full: base + contributions = score; history: shares of own products; words that matched"
    )


class FallbackSerializer(serializers.Serializer):
    used = serializers.BooleanField()
    kind = serializers.CharField(
        allow_null=True,
        help_text="entry, interests, country, openers, popular, session, filled_up, no_consent, no_database, "
        "empty_catalogue, nothing_selected, as_given",
    )


class RecommendationReply(serializers.Serializer):
    recommendation_id = serializers.CharField(help_text="events cite it; all parts of a continued list have the same")
    placement = serializers.CharField(allow_null=True)
    model_version = serializers.CharField(allow_null=True)
    items = RecommendedItemSerializer(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="send it to go on with this list without a repeat; null: nothing is left, or 2,000 products were shown"
    )
    fallback = FallbackSerializer()
    stored = serializers.BooleanField()
    took_ms = serializers.IntegerField()


class Since(StrictSerializer):
    """Its field `from_` is called `from`, which Python does not allow."""

    def get_fields(self):
        fields = super().get_fields()
        fields["from"] = fields.pop("from_")
        fields["from"].source = "from_"
        return fields


class AnalyticsRequest(Since):
    from_ = DayField(required=False, help_text="in the shop's time zone; default: 27 days before `to`")
    to = DayField(required=False, help_text="included; default: today")
    by = serializers.CharField(default="placement,version,day", help_text="any of placement, version, day, with commas between")

    def validate_by(self, value):
        parts = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
        if wrong := [part for part in parts if part not in analytics.PARTS]:
            raise serializers.ValidationError(f"{wrong[0][:40]!r} is none of {', '.join(analytics.PARTS)}")
        return parts

    def validate(self, values):
        until = values.setdefault("to", timezone.localdate(timezone=self.context["shop"].zone))
        since = values.setdefault("from_", until - timedelta(days=27))
        if not timedelta(0) <= until - since <= timedelta(days=400):
            raise serializers.ValidationError({"from": "must lie at most 400 days before to, and not after it"})
        return values


class EstimateSerializer(serializers.Serializer):
    policy = serializers.ChoiceField(["best", "random", "served"], help_text="the best product always; one drawn evenly; what was served")
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
    lists = serializers.FloatField(help_text="an estimate where lists were sampled, like all counts")
    fallback = serializers.FloatField(help_text="lists that were a fallback")
    simulated = serializers.FloatField(help_text="lists that no shopper saw")
    clicked = serializers.FloatField(help_text="lists with a click")
    bought = serializers.FloatField(help_text="lists with a purchase")
    clicks = serializers.FloatField()
    purchases = serializers.FloatField()
    revenue = serializers.FloatField()
    click_rate = serializers.FloatField(help_text="clicked / lists")
    click_interval = serializers.ListField(child=serializers.FloatField(), help_text="95 % interval of click_rate (Wilson), lower and upper bound")
    conversion = serializers.FloatField(help_text="bought / lists")
    products_shown = serializers.IntegerField(help_text="different products in these lists")


class LoyalSerializer(serializers.Serializer):
    placement = serializers.CharField(allow_null=True)
    model_version = serializers.CharField(source="version", allow_null=True)
    day = serializers.DateField(allow_null=True)
    anywhere = serializers.BooleanField(help_text="the whole shop, to compare with")
    days = serializers.IntegerField()
    buyers = serializers.IntegerField(help_text="who bought from these lists, so many days ago or more")
    again = serializers.IntegerField(help_text="those of them who bought again within these days")
    shoppers = serializers.IntegerField(help_text="who were shown these lists, so many days ago or more")
    returned = serializers.IntegerField(help_text="those of them who did anything again within these days, at least half a day later")


class AnalyticsReply(serializers.Serializer):
    rows = EarnedSerializer(many=True)
    products_shown = serializers.DictField(child=serializers.IntegerField(), help_text="different products by placement")
    products_showable = serializers.IntegerField()
    loyalty = LoyalSerializer(many=True, help_text="by the parts that rows are by, after the whole shop's")


class PageReply(serializers.Serializer):
    lists = RecommendationReply(many=True, help_text="one for each placement, in their order; no product stands in two of them")


class RerankReply(RecommendationReply):
    left_out = serializers.ListField(child=serializers.CharField(), help_text="may not be shown, or are no products of this shop")


class EventLineSerializer(serializers.Serializer):
    item_id = serializers.CharField()
    position = serializers.IntegerField(required=False, help_text="place in the list, from 1")
    quantity = serializers.FloatField(required=False)
    price = serializers.CharField(required=False, help_text="of one piece, in the shop's currency")
    discount = serializers.CharField(required=False, help_text="off the price of one piece")


class EventSerializer(serializers.Serializer):
    event_id = serializers.CharField(help_text="the shop's own; the same event sent again counts once")
    type = serializers.ChoiceField(EventType.choices)
    user_id = serializers.CharField(required=False, allow_null=True, help_text="this or session_id is required")
    session_id = serializers.CharField(required=False, allow_null=True)
    occurred_at = serializers.DateTimeField(help_text="with a zone")
    items = EventLineSerializer(many=True, required=False)
    item_id = serializers.CharField(required=False, help_text="instead of items, for one product")
    recommendation_id = serializers.CharField(required=False, allow_null=True, help_text="of the list that it came from, to which it is credited")
    placement = serializers.CharField(required=False, allow_null=True)
    value = serializers.CharField(required=False, help_text="what was paid for all of it; default: from price, discount and quantity")
    currency = serializers.CharField(required=False, help_text="the shop's; another one is refused")
    rating = serializers.FloatField(required=False, help_text="of rating: 0 to 5")
    query = serializers.CharField(required=False, help_text="of search")
    simulated = serializers.BooleanField(default=False, help_text="no shopper did it: in charts, and nothing learns from it")
    context = serializers.DictField(required=False, help_text="the shop's own; it is not kept")


class EventsRequest(serializers.Serializer):
    events = EventSerializer(many=True, help_text=f"at most {MOST_EVENTS:,}")


class CollectRequest(EventsRequest):
    key = serializers.CharField(help_text="a public key")


class RowErrorSerializer(serializers.Serializer):
    field = serializers.CharField()
    message = serializers.CharField()


class EventResultSerializer(serializers.Serializer):
    event_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "duplicate", "rejected"])
    error = RowErrorSerializer(required=False)


class EventsReply(serializers.Serializer):
    accepted = serializers.IntegerField()
    duplicate = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = EventResultSerializer(many=True)


WHOLE = "replaces all attributes, by PATCH as well"
"""Note of the schema."""


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


class ConsentSerializer(StrictSerializer):
    personalisation = serializers.BooleanField(required=False)
    training = serializers.BooleanField(required=False)


class UserSerializer(serializers.Serializer):
    user_id = serializers.CharField(required=False)
    attributes = serializers.DictField(required=False, help_text=WHOLE)
    consent = ConsentSerializer(required=False)
    merged_from = serializers.ListField(child=serializers.CharField(), required=False, help_text="anonymous sessions that were this shopper")


class ErasureSerializer(serializers.Serializer):
    receipt_id = serializers.CharField()
    erased_at = serializers.DateTimeField()
    erased = serializers.DictField(child=serializers.IntegerField(), help_text="rows of events, lists, served lists and reviews")
    caches = serializers.ChoiceField(["cleared", "pending"], help_text="pending: Redis did not answer; it is tried again every ten minutes")
