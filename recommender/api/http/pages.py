"""Calls from browser pages: CORS, and what a public key may do there."""

from collections.abc import Iterable

from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.views import ApiView
from recommender.infrastructure.availability import UNREACHABLE
from recommender.models import ApiKey, Shop

PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "authorization, content-type",
    "Access-Control-Max-Age": "7200",
}
EXPOSED = "Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
"""Headers of a reply that scripts may read."""


class FromPages(ApiView):
    """CORS: base view that allows calls from browser pages of the shop's own origins."""

    open_to_pages = True

    def initial(self, request: Request, *args, **kwargs) -> None:
        super().initial(request, *args, **kwargs)
        if request.auth is not None:
            refuse_foreign(request.auth, request)

    def options(self, request: Request, *args, **kwargs) -> Response:
        return Response(status=204)

    def check_permissions(self, request: Request) -> None:
        if request.method != "OPTIONS":
            super().check_permissions(request)

    def finalize_response(self, request: Request, response: Response, *args, **kwargs) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        origin = request.headers.get("Origin")
        if origin and _is_a_shops(origin):
            allowed = {
                "Access-Control-Allow-Origin": origin,
                "Access-Control-Expose-Headers": EXPOSED,
                "Vary": "Origin",
            }
            for name, value in (
                allowed | PREFLIGHT if request.method == "OPTIONS" else allowed
            ).items():
                response.headers[name] = value
        return response


def _is_a_shops(origin: str) -> bool:
    """False while the database is unreachable; the tracker then keeps its events and retries."""
    try:
        return Shop.objects.filter(origins__contains=[origin]).exists()
    except UNREACHABLE:
        return False


def refuse_foreign(key: ApiKey, request: Request) -> None:
    """Raises PermissionDenied for a public key on other pages than the shop's."""
    origin = request.headers.get("Origin")
    if key.is_public and origin and origin not in key.shop.origins:
        raise PermissionDenied(
            "This page is not one of the shop's: its origin is not among those that the shop names."
        )


NOT_PUBLIC = "margin_rate"
"""Field of a product that pages must not show, nor find out by filters."""


def refuse_beyond_pages(
    key: ApiKey,
    request: Request,
    placement: str | None,
    user_id: str | None,
    filters: Iterable[str],
    own_filters: Iterable[str] = (),
) -> None:
    """Raises PermissionDenied for a list that a public key may not request.

    Everybody can read the key, so it shows only lists of its own placements, on pages of the shop,
    and of a session: the ids of shoppers can be guessed. filters: of the request; own_filters: of
    the placement, where the request gives parameters.
    """
    if not key.is_public:
        return
    _refuse_elsewhere(request)
    if placement not in key.placements:
        raise PermissionDenied(
            f"placement: this public key does not show {str(placement)[:64]!r}; it shows "
            f"{', '.join(key.placements)}."
        )
    _refuse_guesses(user_id, filters)
    if any(NOT_PUBLIC in text for text in own_filters):
        raise PermissionDenied(f"params: the placement compares {NOT_PUBLIC} with them.")


def refuse_beyond_search(
    key: ApiKey, request: Request, user_id: str | None, fields: Iterable[str]
) -> None:
    """Raises PermissionDenied for a search that a public key may not request. fields: texts of its
    filter and facets.
    """
    if key.is_public:
        _refuse_elsewhere(request)
        _refuse_guesses(user_id, fields)


def _refuse_elsewhere(request: Request) -> None:
    if not request.headers.get("Origin"):
        raise PermissionDenied(
            "A public key is used from the shop's pages only: the request has no Origin header."
        )


def _refuse_guesses(user_id: str | None, filters: Iterable[str]) -> None:
    if user_id is not None:
        raise PermissionDenied(
            "user_id: a public key requests lists by session_id; PUT users with merged_from makes "
            "a session's lists those of its shopper."
        )
    if any(NOT_PUBLIC in text for text in filters):
        raise PermissionDenied(f"A public key cannot read {NOT_PUBLIC} by a filter or facet.")
