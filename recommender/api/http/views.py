"""Base view of the REST API: strict query parameters, and `dry_run` on writes."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.http.strict_fields import StrictSerializer


class NoQuery(StrictSerializer):
    """The query string of a call that has no parameters."""


class DryRun(StrictSerializer):
    """The query string of a write that can be validated only."""

    dry_run = serializers.BooleanField(
        default=False, help_text="true: validate and reply as usual, but store nothing"
    )


class ApiView(APIView):
    """View whose query parameters are declared; unknown ones are refused with 400.

    query: by method, the serializer of the query string; the schema reads it too
    """

    scopes: Mapping[str, str]
    query: Mapping[str, type[StrictSerializer]] = {}

    def initial(self, request: Request, *args, **kwargs) -> None:
        super().initial(request, *args, **kwargs)
        self.params = self._params(request)

    def query_class(self, method: str) -> type[StrictSerializer]:
        return self.query.get("GET" if method == "HEAD" else method, NoQuery)

    def query_context(self, request: Request) -> dict[str, Any]:
        """Context of the query's serializer."""
        return {"shop": getattr(request.auth, "shop", None)}

    def _params(self, request: Request) -> dict[str, Any]:
        if request.method == "OPTIONS":
            return {}
        values = request.query_params.dict()
        repeated = [name for name, given in request.query_params.lists() if len(given) > 1]
        if repeated:
            raise serializers.ValidationError({repeated[0]: ["is given more than once"]})
        query = self.query_class(request.method)(data=values, context=self.query_context(request))
        query.is_valid(raise_exception=True)
        return query.validated_data


def may_dry_run(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Roll back what a handler wrote where the query says `dry_run=true`; the reply stays."""

    @wraps(handler)
    def call(self: ApiView, request: Request, *args, **kwargs) -> Response:
        if not self.params.get("dry_run"):
            return handler(self, request, *args, **kwargs)
        with transaction.atomic():
            response = handler(self, request, *args, **kwargs)
            transaction.set_rollback(True)
        return response

    return call
