"""Reviews, and the opinions in them: aggregates with evidence, export, and analysis of texts."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.listing import PageQuery, QueryRows, page, page_of
from recommender.api.http.problem_details import Conflict, again_when_busy
from recommender.api.http.row_results import rows_reply
from recommender.api.http.strict_fields import STRICT, need_list
from recommender.api.http.views import ApiView, DryRun, may_dry_run
from recommender.api.reviews import serializers as shapes
from recommender.ingest import post_reviews
from recommender.models import Opinion, Review, Shop
from recommender.models.opinions import Polarity
from recommender.reviews import judging, opinions
from recommender.reviews.languages import language_of
from recommender.reviews.opinions import Quote, Selection

USUAL_DAYS = 28
POLARITY_OF = dict(zip(shapes.POLARITIES, Polarity, strict=True))


class ReviewsView(ApiView):
    scopes = {"GET": "reviews:read", "*": "reviews:write"}
    query = {"GET": PageQuery, "POST": DryRun}

    @extend_schema(
        operation_id="list_reviews",
        responses=page_of(shapes.StoredReviewSerializer, "ReviewsPage"),
        summary="Stored reviews with their opinions, newest first",
    )
    def get(self, request: Request) -> Response:
        rows = QueryRows(request.auth.shop.reviews.all(), ("-pk",), counted=False)
        names = tuple(shapes.StoredReviewSerializer().fields)
        return Response(page(request, "reviews", self.params, rows, reviews_json, names))

    @extend_schema(
        operation_id="send_reviews",
        request=shapes.ReviewsRequest,
        responses=shapes.ReviewsReply,
        summary="Reviews, messages, survey answers and news; their opinions are judged soon",
    )
    @may_dry_run
    def post(self, request: Request) -> Response:
        reviews = need_list(request.data, "reviews", "review", shapes.MOST_REVIEWS)
        report = again_when_busy(lambda: post_reviews(request.auth.shop, reviews, STRICT))
        return Response(rows_reply(reviews, report, "review_id"))


class ReviewView(ApiView):
    scopes = {"GET": "reviews:read", "*": "reviews:write"}

    @extend_schema(
        operation_id="get_review",
        responses=shapes.StoredReviewSerializer,
        summary="A review with its opinions",
    )
    def get(self, request: Request, review_id: str) -> Response:
        return Response(reviews_json([find_review(request.auth.shop, review_id)])[0])

    @extend_schema(
        operation_id="delete_review",
        responses={204: None},
        summary="Delete a review and its opinions",
    )
    def delete(self, request: Request, review_id: str) -> Response:
        review = find_review(request.auth.shop, review_id)
        again_when_busy(review.delete)
        return Response(status=204)


def find_review(shop: Shop, review_id: str) -> Review:
    """Raises NotFound."""
    review = shop.reviews.filter(review_id=review_id).first() if "\x00" not in review_id else None
    if review is None:
        raise NotFound(f"review_id: {review_id[:256]!r} does not exist in this shop.")
    return review


def reviews_json(reviews: list[Review]) -> list[dict[str, Any]]:
    found: dict[int, list[dict[str, Any]]] = {}
    rows = Opinion.objects.filter(review__in=reviews).order_by("begin", "topic")
    for quote in opinions.quotes(rows, None):
        found.setdefault(quote.opinion.review_id, []).append(clause_json(quote))
    return [
        {
            "review_id": review.review_id,
            "text": review.text,
            "title": review.title,
            "rating": review.rating,
            "item_id": review.item_id,
            "user_id": review.user_id,
            "channel": review.channel,
            "created_at": review.created_at,
            "label": review.label,
            "topic": review.topic,
            "language": review.language or None,
            "copy": review.copy or None,
            "judged": review.judged_at is not None,
            "opinions": found.get(review.pk, []),
        }
        for review in reviews
    ]


def clause_json(quote: Quote) -> dict[str, Any]:
    one = quote.opinion
    return {
        "begin": one.begin,
        "end": one.end,
        "text": quote.text,
        "topic": one.topic or None,
        "polarity": Polarity(one.polarity).key,
        "confidence": round(one.confidence, 4),
        "why_not": one.why_not or None,
    }


def selection_of(shop: Shop, params: dict[str, Any]) -> Selection:
    """The selection of a query string. Raises ValidationError."""
    until = params.get("to") or timezone.localdate(timezone=shop.zone)
    since = params.get("from_") or until - timedelta(days=USUAL_DAYS - 1)
    if since > until:
        raise ValidationError({"from": ["is after to"]})
    if (until - since).days >= shapes.MOST_DAYS:
        raise ValidationError({"from": [f"is more than {shapes.MOST_DAYS:,} days before to"]})
    for name, dimension in shapes.DIMENSIONS.items():
        if name in params:
            return Selection(since, until, dimension, params[name], params.get("topic"))
    return Selection(since, until, topic=params.get("topic"))


class OpinionsView(ApiView):
    scopes = {"*": "reviews:read"}
    query = {"GET": shapes.OpinionsQuery}

    @extend_schema(
        operation_id="get_opinions",
        responses=shapes.OpinionsReply,
        summary="Opinions by topic, polarity and day, with clauses as evidence",
    )
    def get(self, request: Request) -> Response:
        shop, selection = request.auth.shop, selection_of(request.auth.shop, self.params)
        total, names = opinions.total_of(shop, selection), opinions.topic_names(shop)
        topics = [
            {
                "topic": topic or None,
                "name": names.get(topic, topic),
                "count": counts.judged,
                "polarities": [
                    self._polarity(shop, selection, topic, counts, name)
                    for name in shapes.POLARITIES[:3]
                ],
            }
            for topic, counts in total.topics.items()
        ]
        return Response(
            {
                "from": selection.since,
                "to": selection.until,
                "count": total.judged,
                "not_judged": total.not_judged,
                "pending": shop.reviews.pending().count(),
                "topics": topics,
                "days": [
                    {"day": day, **vars(counts)}
                    for day, counts in opinions.by_day(shop, selection).items()
                ],
            }
        )

    def _polarity(
        self, shop: Shop, selection: Selection, topic: str, counts: opinions.Counts, name: str
    ) -> dict[str, Any]:
        found = []
        if self.params["evidence"] and getattr(counts, name):
            chosen = selection.of_topic(topic).opinions(shop).filter(polarity=POLARITY_OF[name])
            found = opinions.quotes(chosen, self.params["evidence"])
        return {
            "polarity": name,
            "count": getattr(counts, name),
            "share": round(counts.share(name), 4),
            "share_interval": [round(bound, 4) for bound in counts.interval(name)],
            "evidence": [
                {
                    "review_id": quote.opinion.review.review_id,
                    "item_id": quote.opinion.item_id or None,
                    "day": quote.opinion.day,
                    "text": quote.text,
                    "confidence": round(quote.opinion.confidence, 4),
                }
                for quote in found
            ],
        }


class ClausesView(ApiView):
    scopes = {"*": "reviews:read"}
    query = {"GET": shapes.ClausesQuery}

    @extend_schema(
        operation_id="list_opinion_clauses",
        responses=page_of(shapes.StoredClauseSerializer, "ClausesPage"),
        summary="Export: every opinion with its clause, newest day first",
    )
    def get(self, request: Request) -> Response:
        rows = selection_of(request.auth.shop, self.params).opinions(request.auth.shop)
        if "polarity" in self.params:
            rows = rows.filter(polarity=POLARITY_OF[self.params["polarity"]])
        names = tuple(shapes.StoredClauseSerializer().fields)
        counted = QueryRows(rows, ("-day", "-pk"), counted=False)
        return Response(page(request, "clauses", self.params, counted, clauses_json, names))


def clauses_json(rows: list[Opinion]) -> list[dict[str, Any]]:
    found = opinions.quotes(Opinion.objects.filter(pk__in=[row.pk for row in rows]), None)
    by_pk = {quote.opinion.pk: quote for quote in found}
    return [
        {
            **clause_json(quote),
            "opinion_id": f"opinion-{quote.opinion.pk}",
            "review_id": quote.opinion.review.review_id,
            "item_id": quote.opinion.item_id or None,
            "brand": quote.opinion.brand or None,
            "channel": quote.opinion.channel,
            "day": quote.opinion.day,
            "labeled": quote.opinion.labeled,
        }
        for quote in (by_pk[row.pk] for row in rows if row.pk in by_pk)
    ]


class AnalyzeView(ApiView):
    scopes = {"*": "reviews:read"}

    @extend_schema(
        operation_id="analyze_opinions",
        request=shapes.AnalyzeRequest,
        responses=shapes.AnalyzeReply,
        summary="Texts in, judged clauses out; nothing is stored",
    )
    def post(self, request: Request) -> Response:
        body = shapes.AnalyzeRequest(data=request.data)
        body.is_valid(raise_exception=True)
        texts, shop = body.validated_data["texts"], request.auth.shop
        version = judging.judge_version(shop)
        if version is None:
            raise Conflict(
                "No model judges opinions yet: send reviews, or start a training of the recipe "
                "opinion."
            )
        results = [
            {
                "language": language_of(text) or None,
                "opinions": [
                    {
                        "begin": row["begin"],
                        "end": row["end"],
                        "text": text[row["begin"] : row["end"]],
                        "topic": row.get("topic") or None,
                        "polarity": Polarity(row["polarity"]).key,
                        "confidence": round(row["confidence"], 4),
                        "why_not": row.get("why_not") or None,
                    }
                    for row in found
                ],
            }
            for text, found in zip(texts, judging.judged(shop, version, texts), strict=True)
        ]
        return Response({"results": results, "model_version": version.label})
