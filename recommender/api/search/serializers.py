"""Serializers of search, browse and suggest."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers

from recommender.api.http.strict_fields import IdField, ObjectField, StrictSerializer, TextField
from recommender.catalog.filter_language import LONGEST
from recommender.search.requests import (
    LONGEST_QUERY,
    MOST_FACETS,
    MOST_RESULTS,
    MOST_VALUES,
    SORTS,
    USUAL_VALUES,
    FacetRequest,
)

LARGEST_PARAMS = 1024 * 1024
MOST_RANGES = 50


class FacetSerializer(StrictSerializer):
    field = TextField(
        max_length=120, help_text="brand, categories, price, stock.state, attributes.NAME"
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MOST_VALUES, default=USUAL_VALUES, help_text="values at most"
    )
    ranges = serializers.ListField(
        child=serializers.FloatField(),
        max_length=MOST_RANGES,
        default=list,
        help_text="boundaries of the ranges of a number, such as 10, 20, 50; usual: by the result",
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        return super().to_internal_value({"field": data} if isinstance(data, str) else data)


class FacetsField(serializers.ListField):
    """Facets: each the name of a field, or an object."""


class FacetsSchema(OpenApiSerializerFieldExtension):
    target_class = FacetsField

    def map_serializer_field(self, auto_schema, direction):
        """The schema: an array of names and objects."""
        facet = auto_schema.resolve_serializer(FacetSerializer, direction).ref
        items = {"oneOf": [facet, {"type": "string"}]}
        return {"type": "array", "items": items, "maxItems": MOST_FACETS}


class BrowseRequest(StrictSerializer):
    filter = serializers.CharField(
        required=False,
        allow_blank=True,
        default="",
        max_length=LONGEST,
        help_text="such as: categories contains 'Lamps' and price < :max",
    )
    params = ObjectField(
        LARGEST_PARAMS, required=False, default=dict, help_text="values of the filter's :parameters"
    )
    sort = serializers.ChoiceField(
        SORTS,
        default=SORTS[0],
        help_text="relevance; price (lowest first); -price; -newest; -sold (best sellers first)",
    )
    facets = FacetsField(
        child=FacetSerializer(),
        max_length=MOST_FACETS,
        default=list,
        help_text="fields whose values are counted: names, or objects with limit and ranges",
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="hits of a page. Default: 20"
    )
    page = serializers.IntegerField(
        min_value=1,
        required=False,
        help_text=f"number of the page, from 1; the first {MOST_RESULTS:,} hits can be reached",
    )
    next = serializers.CharField(
        required=False,
        max_length=100_000,
        help_text="page token of an earlier reply, instead of all fields but limit, facets, "
        "hydrate and fields",
    )
    user_id = IdField(required=False, allow_null=True, help_text="the shop's own id of the shopper")
    session_id = IdField(
        required=False, allow_null=True, help_text="of who did not sign in, or before"
    )
    personal = serializers.BooleanField(
        default=True, help_text="rank for the shopper or session; false: the same for everybody"
    )
    explain = serializers.ChoiceField(
        ["off", "top", "full"],
        default="top",
        help_text="off: no highlights and reasons; full: the parts of each score, too",
    )
    hydrate = serializers.BooleanField(
        default=False, help_text="return the product with each hit, in the shape of GET items"
    )
    fields_ = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="hydrate with these fields of the product alone: title, price, attributes.colour",
    )
    simulated = serializers.BooleanField(default=False, help_text="no shopper will see this result")

    def get_fields(self) -> dict[str, serializers.Field]:
        fields = super().get_fields()
        fields["fields"] = fields.pop("fields_")
        fields["fields"].source = "fields_"
        return fields

    def validate_facets(self, value: list[dict[str, Any]]) -> tuple[FacetRequest, ...]:
        return tuple(
            FacetRequest(one["field"], one["limit"], tuple(sorted(set(one["ranges"]))))
            for one in value
        )


class SearchRequestBody(BrowseRequest):
    query = TextField(
        required=False,
        allow_blank=True,
        max_length=10_000,
        help_text=f"what the shopper typed; the first {LONGEST_QUERY} characters count",
    )
    like = IdField(
        required=False,
        allow_null=True,
        help_text="instead of a query: products like this one, by its words and its meaning",
    )
    understand = serializers.BooleanField(
        default=True,
        help_text="move up products that fit brands, attributes, categories and prices named in "
        "the query",
    )

    class Meta:
        ref_name = "SearchRequest"


class SearchReasonSerializer(serializers.Serializer):
    kind = serializers.CharField(help_text="code, words, meaning, intent, personal")
    text = serializers.CharField()


class HitSerializer(serializers.Serializer):
    item_id = serializers.CharField(help_text="the variant that matches best")
    variant_id = serializers.CharField(
        allow_null=True, help_text="of a product with variants, the one to link to"
    )
    item_group_id = serializers.CharField(allow_null=True, help_text="of its group of variants")
    variants = serializers.IntegerField(help_text="products of its group in this result")
    position = serializers.IntegerField(help_text="from 1, over all pages")
    score = serializers.FloatField(help_text="only its order has a meaning")
    title = serializers.CharField()
    match = serializers.ChoiceField(
        ["code", "words", "some_words", "meaning", "filter"],
        help_text="code: one of its codes is the query; words: all words match; some_words; "
        "meaning: no word matches; filter: there was no query",
    )
    highlights = serializers.JSONField(
        help_text="by field, [begin, end) in characters of what matches"
    )
    reasons = SearchReasonSerializer(many=True)
    score_parts = serializers.JSONField(
        required=False,
        help_text="explain=full: lexical (BM25) and semantic (cosine) with their ranks, ranker, "
        "cross_encoder, intent, affinity",
    )
    item = serializers.JSONField(required=False, allow_null=True, help_text="hydrate: the product")


class RelaxedSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(["word_dropped", "by_meaning"])
    word = serializers.CharField(required=False)


class UnderstoodSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(["brand", "category", "attribute", "price"])
    field = serializers.CharField()
    value = serializers.CharField(required=False)
    begin = serializers.IntegerField(help_text="characters of the query that name it")
    end = serializers.IntegerField()

    def get_fields(self) -> dict[str, serializers.Field]:
        price = {"required": False, "allow_null": True, "help_text": "of a price"}
        ends = {name: serializers.FloatField(**price) for name in ("from", "to")}
        return super().get_fields() | ends


class BrowseReply(serializers.Serializer):
    query_id = serializers.CharField(
        help_text="events cite it as query_id; all pages of a result have the same"
    )
    hits = HitSerializer(many=True)
    total = serializers.IntegerField(
        help_text="products that match all words (less those dropped) and pass the filter"
    )
    total_is_exact = serializers.BooleanField(help_text="false: the total is an estimate")
    facets = serializers.JSONField(
        help_text="in the order of the request: field, values with counts, or ranges"
    )
    next = serializers.CharField(
        allow_null=True, help_text="page token of the next page; null: this is the last one"
    )
    personal = serializers.BooleanField(help_text="the shopper's own taste changed the order")
    model_version = serializers.CharField(allow_null=True)
    took_ms = serializers.FloatField()


class SearchReply(BrowseReply):
    query = serializers.CharField(help_text="as it was typed")
    corrected = serializers.CharField(
        allow_null=True, help_text="the query that was searched for, where it had typing mistakes"
    )
    relaxed = RelaxedSerializer(
        many=True, help_text="what was given up, because no product matches all words"
    )
    skipped = serializers.ListField(
        child=serializers.ChoiceField(["cross_encoder"]),
        help_text="steps of the ranking that would have exceeded their time budget",
    )
    understood = UnderstoodSerializer(
        many=True, help_text="what the query names; products that fit it stand higher"
    )
    semantic = serializers.BooleanField(help_text="products were found by meaning, too")


class SuggestQuery(StrictSerializer):
    q = serializers.CharField(
        max_length=LONGEST_QUERY, allow_blank=True, help_text="what was typed so far"
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=20, default=5, help_text="suggestions of each kind"
    )


class SuggestedQuery(serializers.Serializer):
    query = serializers.CharField()


class SuggestedProduct(serializers.Serializer):
    item_id = serializers.CharField()
    title = serializers.CharField()
    highlights = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="[begin, end) in characters of the title",
    )


class SuggestedName(serializers.Serializer):
    name = serializers.CharField()
    products = serializers.IntegerField()


class SuggestReply(serializers.Serializer):
    query = serializers.CharField()
    queries = SuggestedQuery(many=True, help_text="that several shoppers searched for")
    products = SuggestedProduct(many=True)
    categories = SuggestedName(many=True)
    brands = SuggestedName(many=True)
    took_ms = serializers.FloatField()
