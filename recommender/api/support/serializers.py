"""Serializers of the service desk."""

from rest_framework import serializers

from recommender.api.http.listing import PageQuery
from recommender.api.http.strict_fields import (
    IdField,
    RowErrorSerializer,
    StrictSerializer,
    TextField,
)
from recommender.ingest import is_text
from recommender.models import HandoverReason, Message
from recommender.models.conversations import ANSWER_KINDS, STATES
from recommender.models.service_desk import LONGEST_ANSWER
from recommender.support.conversations import LONGEST_QUESTION

MOST_ARTICLES = 500
SOURCES = ("template", "article", "dialogue", "product", "review")


class OrderField(serializers.JSONField):
    """A signed order token; with a server's key also an object with facts of the order."""

    def to_internal_value(self, data):
        if not isinstance(data, str | dict) or (isinstance(data, str) and not is_text(data)):
            raise serializers.ValidationError("must be an order token, or an object")
        return data


class AssistRequest(StrictSerializer):
    question = TextField(
        max_length=LONGEST_QUESTION, help_text="personal data is masked before it is stored"
    )
    session_id = IdField(help_text="of the visit")
    conversation_id = TextField(
        max_length=64,
        required=False,
        allow_null=True,
        help_text="of an earlier reply: continues this conversation; a server's key continues by "
        "session_id, too",
    )
    user_id = IdField(
        required=False,
        allow_null=True,
        help_text="the shopper; with a public key only beside an order token that names it",
    )
    item_id = IdField(
        required=False, allow_null=True, help_text="the product that the shopper looks at"
    )
    order = OrderField(
        required=False,
        allow_null=True,
        help_text="order token: a JWT (HS256) of the shop with exp, order, and sub (user_id) or "
        "sid (session_id); with a server's key also an object with facts of the order",
    )
    simulated = serializers.BooleanField(
        default=False, help_text="true: a trial, which reports leave out"
    )


class SourceSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(SOURCES)
    id = serializers.CharField(help_text="of the template, article, dialogue, product or review")
    title = serializers.CharField(allow_blank=True)
    quote = serializers.CharField(allow_null=True, help_text="the words that the answer quotes")
    url = serializers.CharField(allow_null=True)
    item_id = serializers.CharField(allow_null=True)


class ProductSerializer(serializers.Serializer):
    item_id = serializers.CharField()
    item = serializers.JSONField(
        allow_null=True, help_text="fields of the product, as in items; null: not published"
    )


class IntentSerializer(serializers.Serializer):
    key = serializers.CharField()
    confidence = serializers.FloatField(allow_null=True, help_text="calibrated probability")


class HandedOverSerializer(serializers.Serializer):
    reason = serializers.ChoiceField(HandoverReason.values)


class AssistReply(serializers.Serializer):
    conversation_id = serializers.CharField(
        help_text="reads the conversation; only this shopper's page knows it"
    )
    message_id = serializers.CharField(help_text="of the answer, for assist:feedback")
    kind = serializers.ChoiceField(
        ANSWER_KINDS, help_text="waiting: a person answers this conversation"
    )
    answer = serializers.CharField(help_text="plain text")
    language = serializers.CharField()
    intent = IntentSerializer(allow_null=True)
    confidence = serializers.FloatField(
        allow_null=True, help_text="probability that the answer is right"
    )
    sources = SourceSerializer(many=True)
    products = ProductSerializer(many=True)
    filters = serializers.ListField(
        child=serializers.JSONField(),
        help_text="what the question names, as `understood` of search",
    )
    handover = HandedOverSerializer(allow_null=True)


class FeedbackRequest(StrictSerializer):
    message_id = TextField(max_length=40)
    conversation_id = TextField(max_length=64)
    helped = serializers.BooleanField()


class FeedbackReply(serializers.Serializer):
    message_id = serializers.CharField()
    helped = serializers.BooleanField()


class MessageSerializer(serializers.Serializer):
    message_id = serializers.CharField()
    author = serializers.ChoiceField([Message.SHOPPER, Message.ENGINE, Message.PERSON])
    text = serializers.CharField(help_text="with masked personal data")
    kind = serializers.ChoiceField(ANSWER_KINDS, allow_null=True)
    sources = SourceSerializer(many=True)
    helped = serializers.BooleanField(allow_null=True)
    created_at = serializers.DateTimeField()


class ShownMessageSerializer(MessageSerializer):
    products = ProductSerializer(
        many=True, help_text="that the answer shows, with their current fields"
    )


class ThreadSerializer(serializers.Serializer):
    """A conversation as its shopper sees it."""

    conversation_id = serializers.CharField()
    state = serializers.ChoiceField(STATES)
    messages = ShownMessageSerializer(many=True)


class QuoteSerializer(serializers.Serializer):
    message_id = serializers.CharField()
    quote = serializers.CharField()


class ConversationSerializer(ThreadSerializer):
    messages = MessageSerializer(many=True)
    session_id = serializers.CharField()
    user_id = serializers.CharField(allow_null=True)
    language = serializers.CharField(allow_null=True)
    handover = HandedOverSerializer(allow_null=True)
    summary = QuoteSerializer(many=True, help_text="quotes that say what it is about")
    simulated = serializers.BooleanField()
    started_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class ConversationsQuery(PageQuery):
    state = serializers.ChoiceField(STATES, required=False, help_text="only these")


class PersonAnswerRequest(StrictSerializer):
    text = TextField(max_length=LONGEST_ANSWER)


class ArticleSerializer(serializers.Serializer):
    article_id = serializers.CharField(
        help_text="of the shop; the same id again changes the article"
    )
    title = serializers.CharField()
    text = serializers.CharField(help_text="plain text; blank lines part paragraphs")
    url = serializers.CharField(required=False, allow_blank=True)
    language = serializers.CharField(
        required=False, allow_blank=True, help_text="such as en; empty: found out from the text"
    )


class StoredArticleSerializer(ArticleSerializer):
    passages = serializers.IntegerField(help_text="parts that answers can quote by now")
    updated_at = serializers.DateTimeField()


class ArticlesRequest(serializers.Serializer):
    articles = ArticleSerializer(many=True, help_text=f"at most {MOST_ARTICLES}")


class ArticleResultSerializer(serializers.Serializer):
    article_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(["accepted", "rejected"])
    error = RowErrorSerializer(required=False)


class ArticlesReply(serializers.Serializer):
    new = serializers.IntegerField()
    changed = serializers.IntegerField()
    same = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = ArticleResultSerializer(many=True, help_text="one for each article, in their order")
