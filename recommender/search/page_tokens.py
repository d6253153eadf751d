"""Page tokens of search results: signed, so that any process makes the next page."""

from dataclasses import asdict, replace
from datetime import timedelta

import orjson
from django.core import signing

from recommender.inference.search_ranking import CROSS_ENCODER
from recommender.models import Shop
from recommender.search.requests import MOST_RESULTS, FacetRequest, SearchRequest, SearchResult

SALT = "vitrine.search"
VALID = timedelta(hours=24)


class InvalidPageToken(ValueError):
    """The token is not of this shop, damaged, or expired; the message says which."""


class _Serializer:
    dumps, loads = staticmethod(orjson.dumps), staticmethod(orjson.loads)


def page_token(shop: Shop, request: SearchRequest, result: SearchResult) -> str | None:
    """The token of the next page; None where the result has ended."""
    offset = request.offset + len(result.hits)
    if not result.has_more or offset >= MOST_RESULTS:
        return None
    # The next page continues the order of this one.
    request = replace(request, cross_encoder=CROSS_ENCODER not in result.skipped)
    fields = asdict(replace(request, offset=offset, query_id=result.query_id, facets=()))
    return signing.dumps([shop.pk, fields], salt=SALT, serializer=_Serializer, compress=True)


def request_of(
    shop: Shop, token: str, limit: int | None, facets: tuple[FacetRequest, ...]
) -> SearchRequest:
    """The request for the next page. Raises InvalidPageToken."""
    try:
        shop_id, fields = signing.loads(token, salt=SALT, serializer=_Serializer, max_age=VALID)
    except signing.SignatureExpired:
        raise InvalidPageToken("has expired after a day; search again") from None
    except signing.BadSignature:
        raise InvalidPageToken("invalid token") from None
    if shop_id != shop.pk:
        raise InvalidPageToken("invalid token")
    request = SearchRequest(**{**fields, "facets": facets})
    return replace(request, limit=limit or request.limit)
