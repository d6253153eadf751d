"""Service desk: questions and their answers, feedback, and the shopper's view of a conversation."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.catalog.items import ITEM_NAMES, hydrated_items
from recommender.api.http.pages import NOT_PUBLIC, FromPages, refuse_beyond_search
from recommender.api.http.problem_details import TooMany, again_when_busy
from recommender.api.http.throttling import within_session_rate
from recommender.api.support import serializers as shapes
from recommender.models import ApiKey, Conversation, Message, Shop
from recommender.models.eligibility import published
from recommender.serving.variants import product_id
from recommender.support import feedback
from recommender.support.answering import Answer, Question, answer
from recommender.support.defaults import settings_of
from recommender.support.order_tokens import OrderTokenError, checked_order, order_of


class AssistView(FromPages):
    scopes = {"*": "assist:write"}

    @extend_schema(
        operation_id="assist",
        request=shapes.AssistRequest,
        responses=shapes.AssistReply,
        summary="Answer a shopper's question with sources, or hand it over to a person",
    )
    def post(self, request: Request) -> Response:
        body = shapes.AssistRequest(data=request.data)
        body.is_valid(raise_exception=True)
        values, key = body.validated_data, request.auth
        refuse_beyond_search(key, request, None, [])
        settings = settings_of(key.shop)
        session_id, user_id = values["session_id"], values.get("user_id") or ""
        order = _order(key, values.get("order"), settings, session_id, user_id)
        if key.is_public and user_id and order is None:
            raise PermissionDenied(
                "user_id: a public key names a shopper only beside an order token of that shopper."
            )
        if not within_session_rate(key.shop_id, session_id, settings.per_minute):
            raise TooMany(f"More than {settings.per_minute} messages of this session in a minute.")
        if key.is_public and values["simulated"]:
            raise PermissionDenied("simulated: trials are a matter of servers.")
        question = Question(
            values["question"],
            session_id,
            user_id,
            product_id(key.shop, values["item_id"]) if values.get("item_id") else "",
            order,
            values["simulated"],
            values.get("conversation_id") or "",
            by_session=not key.is_public,
        )
        made = again_when_busy(lambda: answer(key.shop, question))
        return Response(answer_json(key, made))


def _order(
    key: ApiKey, given: Any, settings: Any, session_id: str, user_id: str
) -> dict[str, Any] | None:
    """The order of a request. Raises ValidationError."""
    if given is None:
        return None
    try:
        if isinstance(given, str):
            return order_of(given, settings, session_id, user_id)
        if key.is_public:
            raise OrderTokenError("a public key sends an order token, which the shop has signed")
        return checked_order(given)
    except OrderTokenError as error:
        raise ValidationError({"order": [str(error)]}) from None


def answer_json(key: ApiKey, made: Answer) -> dict[str, Any]:
    return {
        "conversation_id": made.conversation.conversation_id,
        "message_id": made.message.message_id,
        "kind": made.kind,
        "answer": made.text,
        "language": made.language,
        "intent": {"key": made.intent, "confidence": _rounded(made.intent_confidence)}
        if made.intent
        else None,
        "confidence": _rounded(made.confidence),
        "sources": sources_json(made.sources),
        "products": _products_json(key, [made.sources])[0],
        "filters": made.filters,
        "handover": {"reason": made.reason} if made.reason else None,
    }


def _products_json(key: ApiKey, answers: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """The products that each answer shows, with their current fields: null where a product is not
    published any more. answers: sources of each.
    """
    shown = [
        [one["item_id"] for one in sources if one["kind"] == "product" and not one.get("quote")]
        for sources in answers
    ]
    items = list(dict.fromkeys(item_id for of_answer in shown for item_id in of_answer))
    names = [name for name in ITEM_NAMES if name != NOT_PUBLIC or not key.is_public]
    known = {}
    if items:
        rows = key.shop.products.filter(published(), item_id__in=items)
        known = hydrated_items(key.shop, rows.values_list("item_id", flat=True), names, None)
    return [
        [{"item_id": item_id, "item": known.get(item_id)} for item_id in of_answer]
        for of_answer in shown
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def sources_json(sources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "kind": one["kind"],
            "id": one["id"],
            "title": one["title"],
            "quote": one.get("quote"),
            "url": one.get("url"),
            "item_id": one.get("item_id"),
        }
        for one in sources
    ]


class FeedbackView(FromPages):
    scopes = {"*": "assist:write"}

    @extend_schema(
        operation_id="assist_feedback",
        request=shapes.FeedbackRequest,
        responses=shapes.FeedbackReply,
        summary="Whether an answer helped; models and templates learn from it",
    )
    def post(self, request: Request) -> Response:
        body = shapes.FeedbackRequest(data=request.data)
        body.is_valid(raise_exception=True)
        values = body.validated_data
        conversation = find_conversation(request.auth.shop, values["conversation_id"])
        message = find_message(conversation, values["message_id"])
        again_when_busy(lambda: feedback.note_helped(message, values["helped"]))
        return Response({"message_id": message.message_id, "helped": values["helped"]})


class ThreadView(FromPages):
    scopes = {"*": "assist:write"}

    @extend_schema(
        operation_id="get_assist_conversation",
        responses=shapes.ThreadSerializer,
        summary="A conversation as its shopper sees it, with the answers of persons",
    )
    def get(self, request: Request, conversation_id: str) -> Response:
        thread = thread_json(find_conversation(request.auth.shop, conversation_id))
        messages = thread["messages"]
        products = _products_json(request.auth, [one["sources"] for one in messages])
        shown = [
            message | {"products": of_message}
            for message, of_message in zip(messages, products, strict=True)
        ]
        return Response(thread | {"messages": shown})


def find_conversation(shop: Shop, conversation_id: str) -> Conversation:
    """Raises NotFound."""
    found = None
    if "\x00" not in conversation_id:
        found = Conversation.objects.of(shop).filter(conversation_id=conversation_id).first()
    if found is None:
        raise NotFound(f"conversation_id: {conversation_id[:64]!r} does not exist in this shop.")
    return found


def find_message(conversation: Conversation, message_id: str) -> Message:
    """An answer of the engine. Raises ValidationError."""
    number = message_id.removeprefix("msg-")
    answers = conversation.messages.filter(author=Message.ENGINE)
    valid = number.isascii() and number.isdigit() and len(number) < 19
    found = answers.filter(pk=int(number)).first() if valid else None
    if found is None:
        raise ValidationError({"message_id": ["is no answer of this conversation"]})
    return found


def thread_json(conversation: Conversation) -> dict[str, Any]:
    return {
        "conversation_id": conversation.conversation_id,
        "state": conversation.state,
        "messages": [
            {
                "message_id": one.message_id,
                "author": one.author,
                "text": one.text,
                "kind": one.kind or None,
                "sources": sources_json(one.sources),
                "helped": one.helped,
                "created_at": one.created_at,
            }
            for one in conversation.messages.all()
        ],
    }
