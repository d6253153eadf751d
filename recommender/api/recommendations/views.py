"""Lists for one shopper or for the products of a page, web pages, re-ranking, why-not, related."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import orjson
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.catalog.items import ITEM_NAMES, hydrated_items
from recommender.api.http.pages import NOT_PUBLIC, FromPages, refuse_beyond_pages
from recommender.api.http.views import ApiView
from recommender.api.recommendations import serializers as shapes
from recommender.api.recommendations.parsing import MOST_IDS, read_recommendation
from recommender.catalog.filter_language import FilterError
from recommender.infrastructure import telemetry
from recommender.merchandising.rules import RuleError
from recommender.models import ApiKey, Placement, Shop
from recommender.recommendations import recommend
from recommender.recommendations.exposures import record
from recommender.recommendations.pagination import InvalidPageToken, page_token, request_of
from recommender.recommendations.precomputed.lists import RenderedItems
from recommender.recommendations.requests import ListRequest, ListResult, in_experiment
from recommender.recommendations.rerank import rerank
from recommender.recommendations.why_not import why_not
from recommender.serving.items import api_row
from recommender.serving.shop_state import state_of
from recommender.serving.variants import product_id, product_ids, variants_to_link
from recommender.shoppers.history import Visitor


def list_reply(
    shop: Shop, list_request: ListRequest, result: ListResult, is_final: bool = False
) -> dict[str, Any]:
    """The reply with a list. `is_final`: it is sent unchanged, so rendered items stay JSON."""
    links = variants_to_link(shop, result.item_ids, result.shopper_id, list_request.session_id)
    if is_final and isinstance(result.items, RenderedItems):
        items = orjson.Fragment(result.items.json(links))
    else:
        items = _rows(list_request, result, links)
    return {
        "recommendation_id": result.recommendation_id,
        "placement": list_request.placement and list_request.placement.key,
        "model_version": result.version.label if result.version else None,
        "items": items,
        "next": page_token(shop, list_request, result),
        "experiment": result.arm_of(list_request),
        "fallback": {"used": result.fallback is not None, "kind": result.fallback},
        "stored": result.stored,
        "took_ms": result.took_ms,
    }


def _rows(
    list_request: ListRequest, result: ListResult, links: dict[str, str]
) -> list[dict[str, Any]]:
    rows = []
    for position, item in enumerate(result.items, len(list_request.shown) + 1):
        row = {
            "position": position,
            **api_row(item, result.score_kind, list_request.explain != "off"),
        }
        if item.item_id in links:
            row["variant_id"] = links[item.item_id]
        if list_request.explain == "full":
            words = [{"word": word, "share": round(share, 4)} for word, share in item.words]
            history = [{"item_id": item_id, "share": share} for item_id, share in item.history]
            row["explanation"] = {
                "base": item.base,
                "contributions": item.contributions or {},
                "history": history,
                "words": words,
            }
        rows.append(row)
    return rows


def checked(list_request: ListRequest) -> ListRequest:
    """The list request with its filter and rules parsed. Raises ValidationError."""
    try:
        _ = list_request.selection, list_request.all_rules
    except FilterError as error:
        field = f"params.{error.parameter}" if error.parameter else "filter"
        raise ValidationError({field: [str(error)]}) from None
    except RuleError as error:
        raise ValidationError({error.field: [error.message]}) from None
    return list_request


def make_list(shop: Shop, list_request: ListRequest, simulated: bool = False) -> ListResult:
    """Compute a list, count it in the metrics, and record its exposure."""
    result = recommend.recommend(shop, list_request)
    _counter(list_request.kind, result.stored, result.fallback or "").inc()
    record(shop, list_request, result, simulated)
    return result


def served(
    shop: Shop, list_request: ListRequest, simulated: bool = False, is_final: bool = False
) -> dict[str, Any]:
    """The API reply of a list whose exposure is recorded."""
    return list_reply(
        shop, list_request, make_list(shop, checked(list_request), simulated), is_final
    )


@lru_cache(maxsize=200)
def _counter(kind: str, stored: bool, fallback: str) -> Any:
    return telemetry.lists.labels(kind, stored, fallback)


def list_request_of(shop: Shop, values: dict[str, Any]) -> ListRequest:
    """Build the list request from parsed fields. Raises ValidationError."""
    if "next" in values:
        try:
            request = request_of(shop, values["next"], values.get("limit"), values["explain"])
            return in_experiment(request)
        except InvalidPageToken as error:
            raise ValidationError({"next": [str(error)]}) from None
    placement = state_of(shop).placement(values["placement"])
    if placement is None:
        raise ValidationError({"placement": ["unknown placement"]})
    list_request = ListRequest(
        placement,
        limit=values.get("limit", placement.size),
        user_id=values.get("user_id"),
        session_id=values.get("session_id"),
        item_ids=_context_items(shop, placement, values),
        explain=values["explain"],
        filter=values.get("filter", ""),
        params=values.get("params", {}),
        diversity=values.get("diversity"),
        context=_with_product_ids(shop, values.get("context", {})),
        rules=tuple(values.get("rules", ())),
        min_score=values.get("min_score"),
        rotation=values.get("rotation", 0.0),
        rotation_hours=values.get("rotation_hours", 24),
    )
    return in_experiment(list_request)


def _with_product_ids(shop: Shop, context: dict[str, Any]) -> dict[str, Any]:
    """The context with the id of the product that a shopper entered by."""
    if not context.get("entry_item_id"):
        return context
    return {**context, "entry_item_id": product_id(shop, context["entry_item_id"])}


def _context_items(shop: Shop, placement: Placement, values: dict[str, Any]) -> tuple[str, ...]:
    """The products of the page; of a basket placement without any, those in the visitor's basket.

    Raises ValidationError where the placement needs some and there are none.
    """
    item_ids = product_ids(shop, values.get("context", {}).get("item_ids") or ())
    if placement.kind == Placement.BASKET and not item_ids:
        visitor = Visitor.of(shop, values.get("user_id"), values.get("session_id"))
        item_ids = visitor.history().basket()[-MOST_IDS:]
    if placement.kind in Placement.OF_PRODUCTS and not item_ids:
        message = f"is required for the placement {placement.key}"
        raise ValidationError({"context.item_ids": [message]})
    return tuple(item_ids or ())


def _refuse_beyond_pages(request: Request, list_request: ListRequest) -> None:
    placement = list_request.placement
    filters = [list_request.filter, *(str(rule.get("filter")) for rule in list_request.rules)]
    own = [placement.filter, str(placement.rules)] if placement and list_request.params else []
    key = placement and placement.key
    refuse_beyond_pages(request.auth, request, key, list_request.user_id, filters, own)


def hydrated(
    key: ApiKey, replies: list[dict[str, Any]], fields: list[str] | None = None
) -> list[dict[str, Any]]:
    """The replies with `hydrate`: each item holds its product as GET items returns it.

    fields: only these fields of a product; a public key does not get all
    """
    shop = key.shop
    names = [name for name in ITEM_NAMES if name != NOT_PUBLIC or not key.is_public]
    wanted = {item["item_id"] for reply in replies for item in reply["items"]}
    by_id = hydrated_items(shop, wanted, names, fields)
    for reply in replies:
        for item in reply["items"]:
            item["item"] = by_id.get(item["item_id"])
    return replies


class RecommendationsView(FromPages):
    scopes = {"*": "recs:read"}
    plain_status = 200

    @extend_schema(
        operation_id="recommend",
        request=shapes.RecommendationRequest,
        responses=shapes.RecommendationReply,
        summary="A list for one shopper, or for the products of a page",
    )
    def post(self, request: Request) -> Response:
        values, shop = read_recommendation(request.data), request.auth.shop
        hydrate = values["hydrate"]
        list_request = checked(list_request_of(shop, values))
        _refuse_beyond_pages(request, list_request)
        reply = served(shop, list_request, values["simulated"], is_final=not hydrate)
        if hydrate:
            reply = hydrated(request.auth, [reply], values.get("fields"))[0]
        return Response(reply)

    @staticmethod
    def plain_reply(key: ApiKey, data: dict[str, Any]) -> Callable[[], dict[str, Any]] | None:
        if data.get("hydrate") or data.get("fields") or key.is_public:
            return None  # exposures are recorded before the products are read
        values, shop = read_recommendation(data), key.shop
        list_request = checked(list_request_of(shop, values))
        return partial(served, shop, list_request, values["simulated"], is_final=True)


class PageView(FromPages):
    scopes = {"*": "recs:read"}

    @extend_schema(
        operation_id="recommend_page",
        request=shapes.PageRequest,
        responses=shapes.PageReply,
        summary="The lists of several placements of a page, no product twice",
    )
    def post(self, request: Request) -> Response:
        body = shapes.PageRequest(data=request.data)
        body.is_valid(raise_exception=True)
        shared, shop = body.validated_data, request.auth.shop
        requests = self._requests(shop, shared.pop("placements"), shared)
        for list_request in requests:
            _refuse_beyond_pages(request, list_request)
        made: list[tuple[ListRequest, ListResult]] = []
        shown: tuple[str, ...] = ()
        for list_request in requests:
            list_request = replace(list_request, elsewhere=shown)
            made.append((list_request, make_list(shop, list_request, shared["simulated"])))
            shown += tuple(made[-1][1].item_ids)
        replies = []
        for list_request, result in made:
            item_ids = set(result.item_ids)
            others = tuple(item_id for item_id in shown if item_id not in item_ids)
            replies.append(list_reply(shop, replace(list_request, elsewhere=others), result))
        if shared["hydrate"]:
            replies = hydrated(request.auth, replies, shared.get("fields"))
        return Response({"lists": replies})

    @staticmethod
    def _requests(
        shop: Shop, placements: list[dict[str, Any]], shared: dict[str, Any]
    ) -> list[ListRequest]:
        """One list request per placement. Raises ValidationError that names the placement."""
        requests = []
        for i, fields in enumerate(placements):
            try:
                values = read_recommendation({**fields, **shared})
                requests.append(checked(list_request_of(shop, values)))
            except ValidationError as error:
                raise ValidationError({"placements": [*[{}] * i, error.detail]}) from None
        return requests


class RerankView(ApiView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        operation_id="rerank",
        request=shapes.RerankRequest,
        responses=shapes.RerankReply,
        summary="Put a given list in order for a shopper",
    )
    def post(self, request: Request) -> Response:
        body = shapes.RerankRequest(data=request.data)
        body.is_valid(raise_exception=True)
        values, shop = body.validated_data, request.auth.shop
        list_request = ListRequest(
            None,
            limit=len(values["item_ids"]),
            user_id=values.get("user_id"),
            session_id=values.get("session_id"),
            item_ids=tuple(product_ids(shop, values["item_ids"])),
            explain=values["explain"],
        )
        reranked = rerank(shop, list_request)
        record(shop, list_request, reranked.result, values["simulated"])
        reply = list_reply(shop, list_request, reranked.result)
        return Response({**reply, "next": None, "left_out": reranked.left_out})


class WhyNotView(ApiView):
    scopes = {"*": "recs:read"}
    query = {"GET": shapes.WhyNotRequest}

    @extend_schema(
        operation_id="why_not",
        responses=shapes.WhyNotReply,
        summary="Why a product is not in a shopper's list: the stage that lost it, and by what",
    )
    def get(self, request: Request) -> Response:
        values, shop = self.params, request.auth.shop
        placement = state_of(shop).placement(values["placement"])
        if placement is None or placement.kind != Placement.PERSONAL:
            raise ValidationError({"placement": ["unknown placement of personal lists"]})
        product = shop.products.filter(item_id=product_id(shop, values["item_id"])).first()
        if product is None:
            raise NotFound(f"item_id: {values['item_id']!r} does not exist in this shop.")
        return Response(vars(why_not(shop, placement, values["user_id"], product)))


class RelatedView(ApiView):
    scopes = {"*": "recs:read"}
    query = {"GET": shapes.RelatedRequest}

    @extend_schema(
        operation_id="related_items",
        responses=shapes.RecommendationReply,
        summary="Products that go with a product",
    )
    def get(self, request: Request) -> Response:
        values, shop = self.params, request.auth.shop
        item_id = product_id(shop, values["item_id"])
        if not shop.products.filter(item_id=item_id).exists():
            raise NotFound(f"item_id: {item_id!r} does not exist in this shop.")
        list_request = ListRequest(
            None,
            limit=values["limit"],
            item_ids=(item_id,),
            explain=values["explain"],
            filter=values.get("filter", ""),
        )
        return Response(served(shop, list_request, is_final=True))
