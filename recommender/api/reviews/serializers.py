"""Serializers of reviews and opinions."""

from rest_framework import serializers

from recommender.api.http.listing import PageQuery
from recommender.api.http.strict_fields import (
    DayField,
    IdField,
    RowErrorSerializer,
    Since,
    StrictSerializer,
    TextField,
)
from recommender.models import OpinionCount
from recommender.models.opinions import LONGEST_TOPIC, Polarity

MOST_REVIEWS = 500
MOST_TEXTS, LONGEST_TEXT = 100, 20_000
POLARITIES = [one.key for one in Polarity]
DIMENSIONS = {
    "item_id": OpinionCount.ITEM,
    "brand": OpinionCount.BRAND,
    "category": OpinionCount.CATEGORY,
    "channel": OpinionCount.CHANNEL,
}
"""Parameters that select one value of a dimension."""
MOST_DAYS = 1100


class ReviewSerializer(serializers.Serializer):
    review_id = serializers.CharField(help_text="of the shop; the same id again changes the review")
    text = serializers.CharField(help_text="personal data is masked before it is stored")
    title = serializers.CharField(required=False, allow_blank=True)
    rating = serializers.FloatField(required=False, allow_null=True)
    item_id = serializers.CharField(required=False, allow_blank=True)
    user_id = serializers.CharField(required=False, allow_blank=True)
    channel = serializers.CharField(
        required=False, help_text="review (default), message, survey, news, or a name of your own"
    )
    created_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="when it was written. Default: now"
    )
    label = serializers.CharField(
        required=False, allow_blank=True, help_text="polarity of the whole, where it is known"
    )
    topic = serializers.CharField(
        required=False, allow_blank=True, help_text="topic of the whole, where it is known"
    )


class ReviewsRequest(serializers.Serializer):
    reviews = ReviewSerializer(many=True, help_text=f"at most {MOST_REVIEWS}")


class ReviewResultSerializer(serializers.Serializer):
    review_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "rejected"])
    error = RowErrorSerializer(required=False)


class ReviewsReply(serializers.Serializer):
    new = serializers.IntegerField()
    changed = serializers.IntegerField()
    same = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = ReviewResultSerializer(many=True, help_text="one for each review, in their order")


class ClauseSerializer(serializers.Serializer):
    """A clause with its opinion; it has several rows where it has several topics."""

    begin = serializers.IntegerField(help_text="in characters of the text")
    end = serializers.IntegerField()
    text = serializers.CharField()
    topic = serializers.CharField(
        allow_null=True, help_text="key of the topic; null: of the whole, or not judged"
    )
    polarity = serializers.ChoiceField(
        POLARITIES, help_text="not_judged: why_not says why, and nothing is guessed"
    )
    confidence = serializers.FloatField(help_text="calibrated probability of the polarity")
    why_not = serializers.CharField(
        allow_null=True,
        help_text="unsure: below the confidence; language: unknown to the encoder",
    )


class StoredReviewSerializer(ReviewSerializer):
    text = serializers.CharField(help_text="as stored, with masked personal data")
    language = serializers.CharField(allow_null=True, help_text="detected")
    copy = serializers.CharField(
        allow_null=True, help_text="duplicate or flood: its opinions are not counted"
    )
    judged = serializers.BooleanField(help_text="false: a worker has not come to it yet")
    opinions = ClauseSerializer(
        many=True, help_text="begin and end are offsets into title, line break and text"
    )


class OpinionsQuery(Since):
    """The query string of aggregates; at most one of item_id, brand, category and channel."""

    from_ = DayField(required=False, help_text="first day. Default: 28 days up to today")
    to = DayField(required=False, help_text="last day. Default: today")
    item_id = IdField(required=False, help_text="only about this product")
    brand = TextField(required=False, max_length=256, help_text="only about this brand")
    category = TextField(
        required=False, max_length=256, help_text="only about this category, such as Home > Light"
    )
    channel = TextField(required=False, max_length=40, help_text="only from this channel")
    topic = TextField(
        required=False,
        max_length=LONGEST_TOPIC,
        allow_blank=True,
        help_text="only on this topic; empty: on no topic",
    )
    evidence = serializers.IntegerField(
        min_value=0,
        max_value=10,
        default=3,
        help_text="newest clauses of each topic and polarity",
    )

    def validate(self, values):
        given = [name for name in DIMENSIONS if name in values]
        if len(given) > 1:
            message = f"cannot be combined with {given[0]}: counts have one dimension"
            raise serializers.ValidationError({given[1]: [message]})
        return values


class EvidenceSerializer(serializers.Serializer):
    review_id = serializers.CharField()
    item_id = serializers.CharField(allow_null=True)
    day = serializers.DateField()
    text = serializers.CharField(help_text="the clause")
    confidence = serializers.FloatField()


class PolarityCountSerializer(serializers.Serializer):
    polarity = serializers.ChoiceField(POLARITIES)
    count = serializers.IntegerField()
    share = serializers.FloatField(help_text="of the judged opinions of the topic")
    share_interval = serializers.ListField(
        child=serializers.FloatField(), help_text="95 % interval of the share (Wilson)"
    )
    evidence = EvidenceSerializer(many=True)


class TopicCountSerializer(serializers.Serializer):
    topic = serializers.CharField(allow_null=True, help_text="null: opinions on the whole")
    name = serializers.CharField()
    count = serializers.IntegerField()
    polarities = PolarityCountSerializer(many=True)


class DayCountSerializer(serializers.Serializer):
    day = serializers.DateField()
    negative = serializers.IntegerField()
    neutral = serializers.IntegerField()
    positive = serializers.IntegerField()
    not_judged = serializers.IntegerField()


class OpinionsReply(serializers.Serializer):
    from_ = serializers.DateField()
    to = serializers.DateField()
    count = serializers.IntegerField(help_text="judged opinions: clauses, one for each topic")
    not_judged = serializers.IntegerField(help_text="clauses")
    pending = serializers.IntegerField(help_text="reviews of the shop that a worker will judge")
    topics = TopicCountSerializer(many=True, help_text="the most frequent first")
    days = DayCountSerializer(many=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        return {"from": fields.pop("from_")} | fields


class ClausesQuery(PageQuery, OpinionsQuery):
    """The query string of the export of opinions."""

    evidence = None
    polarity = serializers.ChoiceField(POLARITIES, required=False, help_text="only this one")


class StoredClauseSerializer(ClauseSerializer):
    opinion_id = serializers.CharField()
    review_id = serializers.CharField()
    item_id = serializers.CharField(allow_null=True)
    brand = serializers.CharField(allow_null=True)
    channel = serializers.CharField()
    day = serializers.DateField(help_text="in the shop's time zone")
    labeled = serializers.BooleanField(help_text="a person judged it")


class AnalyzeRequest(StrictSerializer):
    texts = serializers.ListField(
        child=TextField(max_length=LONGEST_TEXT, allow_blank=True, trim_whitespace=False),
        min_length=1,
        max_length=MOST_TEXTS,
        help_text=f"at most {MOST_TEXTS}; nothing of them is stored",
    )


class AnalyzedSerializer(serializers.Serializer):
    language = serializers.CharField(allow_null=True, help_text="null: not known")
    opinions = ClauseSerializer(many=True, help_text="none where the text has no words")


class AnalyzeReply(serializers.Serializer):
    results = AnalyzedSerializer(many=True, help_text="one for each text, in their order")
    model_version = serializers.CharField()
