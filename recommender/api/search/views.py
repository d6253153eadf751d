"""Search: products for a query, for a category page, and suggestions as a shopper types."""

import time
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.catalog.items import ITEM_NAMES, hydrated_items
from recommender.api.http.pages import NOT_PUBLIC, FromPages, refuse_beyond_search
from recommender.api.http.problem_details import NotReady
from recommender.api.search import serializers as shapes
from recommender.catalog.filter_language import FilterError
from recommender.inference.search_index import IndexNotReady
from recommender.models import ApiKey, Shop
from recommender.search.facets import check_facets
from recommender.search.page_tokens import InvalidPageToken, page_token, request_of
from recommender.search.requests import MOST_RESULTS, SearchRequest, SearchResult
from recommender.search.search import search
from recommender.search.suggest import suggest
from recommender.serving.variants import product_id, variants_to_link

USUAL_LIMIT = 20
BESIDE_NEXT = frozenset({"next", "limit", "facets", "hydrate", "fields"})


def search_request(shop: Shop, values: dict[str, Any], given: set[str]) -> SearchRequest:
    """The search request of validated fields. Raises ValidationError."""
    if "next" in given:
        for name in sorted(given - BESIDE_NEXT):
            raise ValidationError({name: ["cannot be combined with next"]})
        try:
            return request_of(shop, values["next"], values.get("limit"), values["facets"])
        except InvalidPageToken as error:
            raise ValidationError({"next": [str(error)]}) from None
    limit = values.get("limit", USUAL_LIMIT)
    offset = (values.get("page", 1) - 1) * limit
    if offset >= MOST_RESULTS:
        last = -(-MOST_RESULTS // limit)
        message = f"must be at most {last}: the first {MOST_RESULTS:,} hits can be reached"
        raise ValidationError({"page": [message]})
    return SearchRequest(
        values.get("query", ""),
        limit,
        offset,
        values["filter"],
        values["params"],
        values["sort"],
        values["facets"],
        values.get("user_id"),
        values.get("session_id"),
        values["personal"],
        values["explain"],
        understand=values.get("understand", True),
        like=product_id(shop, values["like"]) if values.get("like") else "",
        simulated=values["simulated"],
    )


def checked(shop: Shop, request: SearchRequest) -> SearchRequest:
    """The request with its filter parsed, its facets and its product known. Raises
    ValidationError.
    """
    if request.like and not shop.products.filter(item_id=request.like).exists():
        raise ValidationError({"like": [f"there is no product {request.like}"]})
    try:
        _ = request.selection
    except FilterError as error:
        field = f"params.{error.parameter}" if error.parameter else "filter"
        raise ValidationError({field: [str(error)]}) from None
    try:
        check_facets(request.facets)
    except FilterError as error:
        raise ValidationError({"facets": [str(error)]}) from None
    return request


def reply_of(shop: Shop, request: SearchRequest, result: SearchResult) -> dict[str, Any]:
    ids = [hit.item_id for hit in result.hits]
    links = variants_to_link(shop, ids, result.shopper_id, None)
    return {
        "query_id": result.query_id,
        "query": request.query,
        "corrected": result.corrected or None,
        "relaxed": result.relaxed,
        "skipped": result.skipped,
        "understood": result.understood,
        "hits": [
            _hit(position, hit, links.get(hit.item_id), request.explain == "full")
            for position, hit in enumerate(result.hits, request.offset + 1)
        ],
        "total": result.total,
        "total_is_exact": result.is_exact,
        "facets": result.facets,
        "next": page_token(shop, request, result),
        "personal": result.personal,
        "semantic": result.semantic,
        "model_version": result.version.label if result.version else None,
        "took_ms": result.took_ms,
    }


def _hit(position: int, hit: Any, variant_id: str | None, full: bool) -> dict[str, Any]:
    row = {
        "item_id": hit.item_id,
        "variant_id": variant_id,
        "item_group_id": hit.group or None,
        "variants": hit.variants,
        "position": position,
        "score": round(hit.score, 6),
        "title": hit.title,
        "match": hit.match,
        "highlights": hit.highlights,
        "reasons": hit.reasons,
    }
    return row | {"score_parts": hit.parts} if full else row


class _Searching(FromPages):
    scopes = {"*": "search:read"}
    body: type[shapes.BrowseRequest]

    def result(self, request: Request) -> dict[str, Any]:
        """The reply to this call. Raises ValidationError, NotReady."""
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        values, key = body.validated_data, request.auth
        search_fields = search_request(key.shop, values, set(request.data))
        if search_fields.has_query and "query" not in body.fields:
            raise ValidationError({"next": ["is a page token of search"]})
        refuse_beyond_search(
            key,
            request,
            search_fields.user_id,
            [search_fields.filter, *(facet.field for facet in search_fields.facets)],
        )
        try:
            result = search(key.shop, checked(key.shop, search_fields))
        except IndexNotReady as error:
            raise NotReady(str(error)) from None
        reply = reply_of(key.shop, search_fields, result)
        if values["hydrate"] or "fields_" in values:
            self._hydrate(key, reply, values.get("fields_"))
        return reply

    @staticmethod
    def _hydrate(key: ApiKey, reply: dict[str, Any], fields: list[str] | None) -> None:
        names = [name for name in ITEM_NAMES if name != NOT_PUBLIC or not key.is_public]
        items = hydrated_items(key.shop, [hit["item_id"] for hit in reply["hits"]], names, fields)
        for hit in reply["hits"]:
            hit["item"] = items.get(hit["item_id"])


class SearchView(_Searching):
    body = shapes.SearchRequestBody

    @extend_schema(
        operation_id="search",
        request=shapes.SearchRequestBody,
        responses=shapes.SearchReply,
        summary="Products for a query, by words, meaning and shopper",
    )
    def post(self, request: Request) -> Response:
        given = {name for name in ("query", "like", "next") if request.data.get(name) is not None}
        if not given:
            raise ValidationError({"query": ["is required"]})
        if {"query", "like"} <= given:
            raise ValidationError({"like": ["cannot be combined with query"]})
        return Response(self.result(request))


class BrowseView(_Searching):
    body = shapes.BrowseRequest

    @extend_schema(
        operation_id="browse",
        request=shapes.BrowseRequest,
        responses=shapes.BrowseReply,
        summary="Products of a category page: a filter without a query, in a shopper's order",
    )
    def post(self, request: Request) -> Response:
        reply = self.result(request)
        for name in ("query", "corrected", "relaxed", "skipped", "understood", "semantic"):
            del reply[name]
        return Response(reply)


class SuggestView(FromPages):
    scopes = {"*": "search:read"}
    query = {"GET": shapes.SuggestQuery}

    @extend_schema(
        operation_id="suggest",
        responses=shapes.SuggestReply,
        summary="Suggestions as a shopper types: queries, products, categories, brands",
    )
    def get(self, request: Request) -> Response:
        started = time.perf_counter()
        refuse_beyond_search(request.auth, request, None, [])
        typed = self.params["q"]
        try:
            found = suggest(request.auth.shop, typed, self.params["limit"])
        except IndexNotReady as error:
            raise NotReady(str(error)) from None
        return Response(
            {
                "query": typed,
                "queries": [{"query": text} for text, _ in found.queries],
                "products": [
                    {"item_id": item_id, "title": title, "highlights": ranges}
                    for item_id, title, ranges in found.products
                ],
                "categories": [{"name": n, "products": count} for n, count in found.categories],
                "brands": [{"name": n, "products": count} for n, count in found.brands],
                "took_ms": round((time.perf_counter() - started) * 1000, 1),
            }
        )
