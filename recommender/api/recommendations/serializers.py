"""Serializers of list requests and replies."""

from rest_framework import serializers

from recommender.api.http.rules import RuleSerializer
from recommender.api.http.strict_fields import MOST_ITEMS, IdField, ObjectField, StrictSerializer
from recommender.api.recommendations.parsing import LARGEST_PARAMS, OF_A_PLACEMENT


class Filtered(StrictSerializer):
    """Request fields that restrict or reorder the products of a list."""

    filter = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="such as: stock.state = 'in_stock' and price < :max",
    )
    params = ObjectField(
        LARGEST_PARAMS,
        required=False,
        help_text="values of the filter's :parameters, and of the placement's filter",
    )
    diversity = serializers.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        help_text="0: best first; 1: unlike each other; usual: the placement's",
    )


class Adjusted(Filtered):
    """Request fields that adjust the ranking of a list."""

    rules = RuleSerializer(
        many=True, required=False, help_text="pin, boost, bury or hide products; at most 50"
    )
    min_score = serializers.FloatField(
        required=False, help_text="leave out products with a lower score, or without one"
    )
    rotation = serializers.FloatField(
        min_value=0,
        max_value=1,
        required=False,
        help_text="how far back a product goes for each time that it was shown lately; 1: behind "
        "all others. Default: 0",
    )
    rotation_hours = serializers.IntegerField(
        min_value=1, max_value=720, required=False, help_text="what lately means. Default: 24"
    )


class RecommendationRequest(Adjusted):
    """OpenAPI schema of a recommendation request. Only documentation; `parsing.py` validates the
    request.
    """

    placement = serializers.CharField(
        max_length=64, required=False, help_text="required, but with next"
    )
    user_id = IdField(required=False, allow_null=True, help_text="the shop's own id of the shopper")
    session_id = IdField(
        required=False, allow_null=True, help_text="of who did not sign in, or before"
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="usual: the placement's size"
    )
    context = ObjectField(
        required=False,
        help_text="item_ids: the products on the page or in the basket. Of newcomers: "
        "entry_item_id, interests (texts), country.",
    )
    explain = serializers.ChoiceField(["off", "top", "full"], default="top")
    next = serializers.CharField(
        required=False,
        help_text="page token of an earlier reply; limit, explain, hydrate and simulated may be "
        "given with it",
    )
    simulated = serializers.BooleanField(default=False, help_text="no shopper will see this list")
    hydrate = serializers.BooleanField(
        default=False, help_text="give the product itself with each item, as GET items tells of it"
    )
    fields = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="hydrate with these fields of the product alone: title, price, attributes.colour",
    )


class PageRequest(StrictSerializer):
    placements = serializers.ListField(
        child=serializers.DictField(),
        min_length=1,
        max_length=20,
        help_text="from the top of the page on; each as in recommendations: placement, limit, "
        "context, filter, params, diversity, rules, min_score, rotation, rotation_hours",
    )
    user_id = IdField(required=False, allow_null=True)
    session_id = IdField(required=False, allow_null=True)
    explain = serializers.ChoiceField(["off", "top", "full"], default="top")
    simulated = serializers.BooleanField(default=False)
    hydrate = serializers.BooleanField(default=False)
    fields = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="hydrate with these fields of the product alone",
    )

    def validate_placements(self, value):
        for i, entry in enumerate(value):
            if other := entry.keys() - OF_A_PLACEMENT.keys():
                raise serializers.ValidationError(
                    [*[{}] * i, {sorted(other)[0]: ["is not a field of a placement in a page"]}]
                )
        return value


EXPLAIN_WORDS = "off: without reasons; top: the strongest; full: every contribution"


class RelatedRequest(StrictSerializer):
    item_id = IdField(help_text="the product that others go with")
    filter = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="only products that pass, such as: price < 20",
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=100, default=12, help_text="how many at most"
    )
    explain = serializers.ChoiceField(
        ["off", "top", "full"], default="top", help_text=EXPLAIN_WORDS
    )


class RerankRequest(StrictSerializer):
    item_ids = serializers.ListField(
        child=IdField(),
        min_length=1,
        max_length=MOST_ITEMS,
        help_text=f"in the order they have; at most {MOST_ITEMS:,}",
    )
    user_id = IdField(required=False, allow_null=True)
    session_id = IdField(required=False, allow_null=True)
    explain = serializers.ChoiceField(
        ["off", "top", "full"], default="top", help_text="of the first 100 places"
    )
    simulated = serializers.BooleanField(default=False)


class WhyNotRequest(StrictSerializer):
    placement = serializers.CharField(
        max_length=64, help_text="key of a placement, such as home_top"
    )
    user_id = IdField(help_text="the shop's own id of a shopper")
    item_id = IdField(help_text="the shop's own id of a product")


class WhyNotReply(serializers.Serializer):
    item_id = serializers.CharField()
    title = serializers.CharField()
    stage = serializers.ChoiceField(
        ["unknown", "hidden", "filtered", "no_list", "bought", "not_proposed", "ranked", "shown"],
        help_text="unknown: to the model, which was trained before; no_list: nothing personal can "
        "be made for this shopper",
    )
    place = serializers.IntegerField(
        allow_null=True, help_text="where it is, or would be, ranked, from 1"
    )
    of = serializers.IntegerField(allow_null=True, help_text="among how many candidates")
    score = serializers.FloatField(allow_null=True)
    last_score = serializers.FloatField(
        allow_null=True, help_text="of the last product in the list"
    )
    sources = serializers.DictField(
        child=serializers.IntegerField(allow_null=True), help_text="place in each source's own list"
    )
    against = serializers.DictField(
        child=serializers.FloatField(),
        help_text="contributions less those of the last product in the list",
    )


class ReasonSerializer(serializers.Serializer):
    kind = serializers.CharField()
    share = serializers.FloatField(help_text="size of this contribution in the sum of all sizes")
    text = serializers.CharField()
    item_id = serializers.CharField(required=False, help_text="the shopper's own product behind it")
    against = serializers.BooleanField(required=False, help_text="it speaks against the product")


class AppliedRuleSerializer(serializers.Serializer):
    id = serializers.CharField()
    effect = serializers.CharField()
    name = serializers.CharField(allow_blank=True)


class ArmOfShopper(serializers.Serializer):
    key = serializers.CharField(help_text="of the experiment")
    arm = serializers.CharField()


class RecommendedItemSerializer(serializers.Serializer):
    item_id = serializers.CharField()
    variant_id = serializers.CharField(
        required=False,
        help_text="of products with variants, the one to link to: what the shopper bought or "
        "viewed last, else the first that can be bought",
    )
    position = serializers.IntegerField()
    score = serializers.FloatField(allow_null=True)
    score_kind = serializers.CharField(
        help_text="rank: only its order has a meaning; similarity; none"
    )
    source = serializers.ListField(child=serializers.CharField())
    rule = AppliedRuleSerializer(
        allow_null=True, help_text="the merchandising rule that moved the product"
    )
    explored = serializers.BooleanField(
        help_text="an explored place: its product was drawn at random; its probability is stored"
    )
    reasons = ReasonSerializer(many=True)
    because = serializers.JSONField(
        allow_null=True,
        help_text="the product of the history that stands behind it most, and its share",
    )
    item = serializers.JSONField(required=False, allow_null=True, help_text="hydrate: the product")
    explanation = serializers.JSONField(
        required=False,
        help_text="explain=full: base + contributions = score; history: shares of own products; "
        "words that matched",
    )


class FallbackSerializer(serializers.Serializer):
    used = serializers.BooleanField()
    kind = serializers.CharField(
        allow_null=True,
        help_text="entry, interests, country, openers, popular, session, filled_up, no_consent, "
        "no_database, empty_catalogue, nothing_selected, below_min_score, as_given",
    )


class RecommendationReply(serializers.Serializer):
    recommendation_id = serializers.CharField(
        help_text="events cite it; all parts of a continued list have the same"
    )
    placement = serializers.CharField(allow_null=True)
    model_version = serializers.CharField(allow_null=True)
    items = RecommendedItemSerializer(many=True)
    next = serializers.CharField(
        allow_null=True,
        help_text="send it to go on with this list without a repeat; null: nothing is left, or "
        "2,000 products were shown",
    )
    experiment = ArmOfShopper(
        allow_null=True, help_text="the shopper's arm of the placement's A/B test"
    )
    fallback = FallbackSerializer()
    stored = serializers.BooleanField()
    took_ms = serializers.IntegerField()


class PageReply(serializers.Serializer):
    lists = RecommendationReply(
        many=True,
        help_text="one for each placement, in their order; no product stands in two of them",
    )


class RerankReply(RecommendationReply):
    left_out = serializers.ListField(
        child=serializers.CharField(), help_text="may not be shown, or are no products of this shop"
    )
