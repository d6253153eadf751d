"""Service desk for the shop's own systems: articles, and conversations with their handovers."""

from typing import Any

from django.db.models import Count
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.listing import PageQuery, QueryRows, page, page_of
from recommender.api.http.problem_details import Conflict, again_when_busy
from recommender.api.http.row_results import rows_reply
from recommender.api.http.strict_fields import STRICT, need_list
from recommender.api.http.views import ApiView, DryRun, may_dry_run
from recommender.api.support import serializers as shapes
from recommender.api.support.views import find_conversation, thread_json
from recommender.infrastructure import task_queue
from recommender.ingest import post_articles
from recommender.models import Article, Conversation, Passage, Shop
from recommender.support import handover


class ArticlesView(ApiView):
    scopes = {"GET": "support:read", "*": "support:write"}
    query = {"GET": PageQuery, "POST": DryRun}

    @extend_schema(
        operation_id="list_articles",
        responses=page_of(shapes.StoredArticleSerializer, "ArticlesPage"),
        summary="Articles that answers quote",
    )
    def get(self, request: Request) -> Response:
        rows = QueryRows(request.auth.shop.articles.all(), ("pk",))
        names = tuple(shapes.StoredArticleSerializer().fields)
        return Response(page(request, "articles", self.params, rows, articles_json, names))

    @extend_schema(
        operation_id="send_articles",
        request=shapes.ArticlesRequest,
        responses=shapes.ArticlesReply,
        summary="Help pages, which answers quote soon",
    )
    @may_dry_run
    def post(self, request: Request) -> Response:
        articles = need_list(request.data, "articles", "article", shapes.MOST_ARTICLES)
        report = again_when_busy(lambda: post_articles(request.auth.shop, articles, STRICT))
        return Response(rows_reply(articles, report, "article_id"))


class ArticleView(ApiView):
    scopes = {"GET": "support:read", "*": "support:write"}

    @extend_schema(
        operation_id="get_article",
        responses=shapes.StoredArticleSerializer,
        summary="An article",
    )
    def get(self, request: Request, article_id: str) -> Response:
        return Response(articles_json([find_article(request.auth.shop, article_id)])[0])

    @extend_schema(
        operation_id="delete_article", responses={204: None}, summary="Delete an article"
    )
    def delete(self, request: Request, article_id: str) -> Response:
        article = find_article(request.auth.shop, article_id)
        again_when_busy(article.delete)
        task_queue.enqueue("update_passages", request.auth.shop_id, Passage.ARTICLE)
        return Response(status=204)


def find_article(shop: Shop, article_id: str) -> Article:
    """Raises NotFound."""
    found = None
    if "\x00" not in article_id:
        found = shop.articles.filter(article_id=article_id).first()
    if found is None:
        raise NotFound(f"article_id: {article_id[:256]!r} does not exist in this shop.")
    return found


def articles_json(articles: list[Article]) -> list[dict[str, Any]]:
    made = Passage.objects.filter(
        shop__in={one.shop_id for one in articles},
        kind=Passage.ARTICLE,
        source_id__in=[one.article_id for one in articles],
    )
    counts = dict(made.values_list("source_id").annotate(Count("pk")))
    return [
        {
            "article_id": one.article_id,
            "title": one.title,
            "text": one.text,
            "url": one.url,
            "language": one.language,
            "passages": counts.get(one.article_id, 0),
            "updated_at": one.updated_at,
        }
        for one in articles
    ]


class ConversationsView(ApiView):
    scopes = {"*": "support:read"}
    query = {"GET": shapes.ConversationsQuery}

    @extend_schema(
        operation_id="list_conversations",
        responses=page_of(shapes.ConversationSerializer, "ConversationsPage"),
        summary="Conversations with their messages, newest first",
    )
    def get(self, request: Request) -> Response:
        rows = Conversation.objects.of(request.auth.shop)
        if "state" in self.params:
            rows = rows.filter(state=self.params["state"])
        names = tuple(shapes.ConversationSerializer().fields)
        counted = QueryRows(rows, ("-pk",), counted=False)
        return Response(
            page(request, "conversations", self.params, counted, conversations_json, names)
        )


def conversations_json(rows: list[Conversation]) -> list[dict[str, Any]]:
    found = Conversation.objects.prefetch_related("messages").in_bulk([row.pk for row in rows])
    return [conversation_json(found[row.pk]) for row in rows if row.pk in found]


def conversation_json(one: Conversation) -> dict[str, Any]:
    return thread_json(one) | {
        "session_id": one.session_id,
        "user_id": one.user_id or None,
        "language": one.language or None,
        "handover": {"reason": one.handover_reason} if one.handover_reason else None,
        "summary": one.summary,
        "simulated": one.simulated,
        "started_at": one.started_at,
        "last_at": one.last_at,
    }


class AnswerView(ApiView):
    scopes = {"*": "support:write"}

    @extend_schema(
        operation_id="answer_conversation",
        request=shapes.PersonAnswerRequest,
        responses=shapes.ConversationSerializer,
        summary="A person's answer from the shop's own help desk",
    )
    def post(self, request: Request, conversation_id: str) -> Response:
        body = shapes.PersonAnswerRequest(data=request.data)
        body.is_valid(raise_exception=True)
        conversation = find_conversation(request.auth.shop, conversation_id)
        if conversation.state == Conversation.CLOSED:
            raise Conflict("The conversation is closed.")
        text = body.validated_data["text"]
        again_when_busy(lambda: handover.answer_as_person(conversation, None, text))
        return Response(conversations_json([conversation])[0])


class CloseView(ApiView):
    scopes = {"*": "support:write"}

    @extend_schema(
        operation_id="close_conversation",
        request=None,
        responses=shapes.ConversationSerializer,
        summary="Close a conversation",
    )
    def post(self, request: Request, conversation_id: str) -> Response:
        conversation = find_conversation(request.auth.shop, conversation_id)
        again_when_busy(lambda: handover.close(conversation))
        return Response(conversations_json([conversation])[0])
