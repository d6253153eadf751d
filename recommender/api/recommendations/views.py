"""Recommendations and events: what a shop calls all day."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import orjson
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.catalog.views import item_json
from recommender.api.recommendations import serializers as shapes
from recommender.api.recommendations.parsing import MOST_IDS, read_recommendation
from recommender.catalog.filter_language import FilterError
from recommender.infrastructure import telemetry
from recommender.models import ApiKey, Placement, Shop
from recommender.recommendations import recommend
from recommender.recommendations.exposures import record
from recommender.recommendations.pagination import CannotContinue, continued, next_of
from recommender.recommendations.precomputed.lists import ToldItems
from recommender.recommendations.requests import Ask, Listing
from recommender.recommendations.rerank import rerank
from recommender.recommendations.why_not import why_not
from recommender.serving.items import row_of
from recommender.serving.shop_state import state_of
from recommender.shoppers.history import Visitor


def listing_reply(shop: Shop, ask: Ask, listing: Listing, at_once: bool = False) -> dict:
    """A list as a reply tells of it; where it is sent `at_once`, its items are the JSON that
    was stored, if so.
    """
    told = at_once and isinstance(listing.items, ToldItems)
    return {
        "recommendation_id": listing.recommendation_id,
        "placement": ask.placement and ask.placement.key,
        "model_version": listing.version.label if listing.version else None,
        "items": orjson.Fragment(listing.items.json()) if told else _rows(ask, listing),
        "next": next_of(shop, ask, listing),
        "fallback": {"used": listing.fallback is not None, "kind": listing.fallback},
        "stored": listing.stored,
        "took_ms": listing.took_ms,
    }


def _rows(ask: Ask, listing: Listing) -> list[dict]:
    rows = []
    for position, item in enumerate(listing.items, len(ask.shown) + 1):
        row = {"position": position, **row_of(item, listing.score_kind, ask.explain != "off")}
        if ask.explain == "full":
            words = [{"word": word, "share": round(share, 4)} for word, share in item.words]
            behind = [{"item_id": item_id, "share": share} for item_id, share in item.history]
            row["explanation"] = {
                "base": item.base,
                "contributions": item.contributions or {},
                "history": behind,
                "words": words,
            }
        rows.append(row)
    return rows


def checked(ask: Ask) -> Ask:
    """The same, its filter understood. Raises ValidationError."""
    try:
        _ = ask.selection
    except FilterError as error:
        raise ValidationError(
            {f"params.{error.parameter}" if error.parameter else "filter": [str(error)]}
        ) from None
    return ask


def make_list(shop: Shop, ask: Ask, simulated: bool = False) -> Listing:
    """The list, which is counted and remembered as served."""
    listing = recommend.recommend(shop, ask)
    _counter(ask.kind, listing.stored, listing.fallback or "").inc()
    record(shop, ask, listing, simulated)
    return listing


def served(shop: Shop, ask: Ask, simulated: bool = False, at_once: bool = False) -> dict:
    """The reply with the list, which is remembered as served."""
    return listing_reply(shop, ask, make_list(shop, checked(ask), simulated), at_once)


@lru_cache(maxsize=200)
def _counter(kind: str, stored: bool, fallback: str) -> Any:
    return telemetry.lists.labels(kind, stored, fallback)


def ask_of(shop: Shop, values: dict) -> Ask:
    if "next" in values:
        try:
            return continued(shop, values["next"], values.get("limit"), values["explain"])
        except CannotContinue as error:
            raise ValidationError({"next": [str(error)]}) from None
    placement = state_of(shop).placement(values["placement"])
    if placement is None:
        raise ValidationError({"placement": ["is no placement of this shop"]})
    context_items = values.get("context", {}).get("item_ids")
    if placement.kind == Placement.BASKET and not context_items:
        context_items = (
            Visitor.of(shop, values.get("user_id"), values.get("session_id"))
            .history()
            .basket()[-MOST_IDS:]
        )
    if placement.kind in Placement.OF_PRODUCTS and not context_items:
        raise ValidationError(
            {"context.item_ids": [f"is required for the placement {placement.key}"]}
        )
    return Ask(
        placement,
        values.get("limit", placement.size),
        values.get("user_id"),
        values.get("session_id"),
        tuple(context_items or ()),
        values["explain"],
        values.get("filter", ""),
        values.get("params", {}),
        values.get("diversity"),
        context=values.get("context", {}),
    )


def hydrated(shop: Shop, replies: list[dict]) -> list[dict]:
    """The same lists, each item with the product as GET items tells of it."""
    wanted = {item["item_id"] for reply in replies for item in reply["items"]}
    products = {
        p.item_id: item_json(p)
        for p in shop.products.select_related("shop").filter(item_id__in=wanted)
    }
    for reply in replies:
        for item in reply["items"]:
            item["item"] = products.get(item["item_id"])
    return replies


class RecommendationsView(APIView):
    scopes = {"*": "recs:read"}
    plain_status = 200

    @extend_schema(
        request=shapes.RecommendationRequest,
        responses=shapes.RecommendationReply,
        summary="A list for one shopper, or for the products of a page",
    )
    def post(self, request: Request) -> Response:
        values, shop = read_recommendation(request.data), request.auth.shop
        reply = served(
            shop, ask_of(shop, values), values["simulated"], at_once=not values["hydrate"]
        )
        return Response(hydrated(shop, [reply])[0] if values["hydrate"] else reply)

    @staticmethod
    def plain_reply(key: ApiKey, data: dict[str, Any]) -> Callable[[], dict[str, Any]] | None:
        if data.get("hydrate"):  # what was served is kept before the products are read
            return None
        values, shop = read_recommendation(data), key.shop
        return partial(
            served, shop, checked(ask_of(shop, values)), values["simulated"], at_once=True
        )


class PageView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        request=shapes.PageRequest,
        responses=shapes.PageReply,
        summary="The lists of several placements of a page, no product twice",
    )
    def post(self, request: Request) -> Response:
        asked = shapes.PageRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        placements, shop = asked.validated_data.pop("placements"), request.auth.shop
        asks, made, shown = [], [], ()
        for i, one in enumerate(placements):
            try:
                asks.append(
                    checked(ask_of(shop, read_recommendation({**one, **asked.validated_data})))
                )
            except ValidationError as error:
                raise ValidationError({"placements": [*[{}] * i, error.detail]}) from None
        for i, ask in enumerate(asks):
            asks[i] = replace(ask, elsewhere=shown)
            made.append(make_list(shop, asks[i], asked.validated_data["simulated"]))
            shown += tuple(made[-1].item_ids)
        lists = []
        for ask, listing in zip(asks, made, strict=True):
            own = set(listing.item_ids)
            others = tuple(item_id for item_id in shown if item_id not in own)
            lists.append(listing_reply(shop, replace(ask, elsewhere=others), listing))
        return Response(
            {"lists": hydrated(shop, lists) if asked.validated_data["hydrate"] else lists}
        )


class RerankView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        request=shapes.RerankRequest,
        responses=shapes.RerankReply,
        summary="Put a given list in order for a shopper",
    )
    def post(self, request: Request) -> Response:
        asked = shapes.RerankRequest(data=request.data)
        asked.is_valid(raise_exception=True)
        values, shop = asked.validated_data, request.auth.shop
        found = rerank(
            shop,
            values["item_ids"],
            values.get("user_id"),
            values.get("session_id"),
            values["explain"],
        )
        ask = Ask(
            None,
            len(values["item_ids"]),
            values.get("user_id"),
            values.get("session_id"),
            explain=values["explain"],
        )
        record(shop, ask, found.listing, values["simulated"])
        return Response(
            {**listing_reply(shop, ask, found.listing), "next": None, "left_out": found.left_out}
        )


class WhyNotView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        parameters=[
            OpenApiParameter(name, str, required=True)
            for name in ("placement", "user_id", "item_id")
        ],
        responses=shapes.WhyNotReply,
        summary="Why a product is not in a shopper's list: the stage that lost it, and by what",
    )
    def get(self, request: Request) -> Response:
        asked = shapes.WhyNotRequest(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        values, shop = asked.validated_data, request.auth.shop
        placement = state_of(shop).placement(values["placement"])
        if placement is None or placement.kind != Placement.PERSONAL:
            raise ValidationError({"placement": ["is no placement of personal lists in this shop"]})
        product = shop.products.filter(item_id=values["item_id"]).first()
        if product is None:
            raise NotFound(f"item_id: {values['item_id']!r} is no product of this shop.")
        return Response(vars(why_not(shop, placement, values["user_id"], product)))


class RelatedView(APIView):
    scopes = {"*": "recs:read"}

    @extend_schema(
        parameters=[
            OpenApiParameter("item_id", str, required=True),
            OpenApiParameter("limit", int),
            OpenApiParameter("filter", str),
            OpenApiParameter("explain", enum=["off", "top", "full"]),
        ],
        responses=shapes.RecommendationReply,
        summary="Products that go with a product",
    )
    def get(self, request: Request) -> Response:
        asked = shapes.RelatedRequest(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        values = asked.validated_data
        if not request.auth.shop.products.filter(item_id=values["item_id"]).exists():
            raise NotFound(f"item_id: {values['item_id']!r} is no product of this shop.")
        ask = Ask(
            None,
            values["limit"],
            item_ids=(values["item_id"],),
            explain=values["explain"],
            filter=values.get("filter", ""),
        )
        return Response(served(request.auth.shop, ask, at_once=True))
