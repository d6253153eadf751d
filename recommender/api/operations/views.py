"""Operations: liveness, readiness, Prometheus metrics."""

import secrets

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.infrastructure import availability
from recommender.monitoring import prometheus
from recommender.search.live_index import indexer
from recommender.serving import shop_state


class LiveView(APIView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(operation_id="live", responses={200: dict}, summary="Is this process alive?")
    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


class ReadyView(APIView):
    authentication_classes = ()
    permission_classes = ()

    @extend_schema(
        operation_id="ready",
        responses={200: dict, 503: dict},
        summary="Can this process serve, and what of it does not answer?",
    )
    def get(self, request: Request) -> Response:
        checks = availability.dependencies()
        checks["search"] = "ok" if indexer.is_ready else "the first index is being built"
        whole = all(state == "ok" for state in checks.values())
        able = checks["database"] == "ok" or shop_state.can_serve_without_database()
        able = able and indexer.is_ready
        return Response(
            {"status": "ok" if whole else "degraded" if able else "unavailable", "checks": checks},
            status=200 if able else 503,
        )


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics at /metrics; callers send METRICS_TOKEN."""
    given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
    if not secrets.compare_digest(given, f"Bearer {settings.METRICS_TOKEN}".encode()):
        return HttpResponse(status=404)
    return HttpResponse(prometheus.exposition(), content_type=CONTENT_TYPE_LATEST)
