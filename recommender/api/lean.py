"""A view's plain request, answered without what DRF puts around a view."""

from collections.abc import Callable
from typing import Any

import orjson
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import APIException
from rest_framework.views import APIView

from recommender.api.authentication import key_of
from recommender.api.renderers import to_json
from recommender.api.throttles import within_rate
from recommender.models import Shop
from recommender.reach import UNREACHABLE

NOT_PLAIN = (APIException, orjson.JSONDecodeError, RequestDataTooBig, *UNREACHABLE)


class LeanView(APIView):
    """A POST with a good key and a good body is read, counted and answered here, since DRF's request and response cost as much as a stored list.

    What is not plain (another header, a wrong field, a key that asks too often, a database that is gone) goes DRF's way, which says what is wrong.
    """

    plain_reply: Callable[[Shop, dict[str, Any]], Callable[[], dict[str, Any]] | None]
    """What makes the reply to this body, None where it is not plain; APIException where it cannot be answered. Views bring it."""

    def dispatch(self, request: HttpRequest, *args, **kwargs) -> HttpResponseBase:
        reply = self._plainly(request) if request.method == "POST" else None
        return super().dispatch(request, *args, **kwargs) if reply is None else HttpResponse(to_json(reply), content_type="application/json")

    def _plainly(self, request: HttpRequest) -> dict[str, Any] | None:
        scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme != "Bearer" or request.content_type != "application/json":
            return None
        try:
            key, data = key_of(secret), orjson.loads(request.body)
            if not key.allows(self.scopes["*"]) or not isinstance(data, dict) or not within_rate(key, request):
                return None
            request.key_prefix = key.prefix
            make = self.plain_reply(key.shop, data)
            return make and make()
        except NOT_PLAIN:
            return None
