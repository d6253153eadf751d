"""Alerts: list."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.http.listing import QueryRows, page, page_of
from recommender.api.http.views import ApiView
from recommender.api.monitoring import serializers as shapes
from recommender.models import Alert

ALERT_NAMES = shapes.AlertSerializer.Meta.fields


def alerts_json(alerts: list[Alert]) -> list[dict]:
    return shapes.AlertSerializer(alerts, many=True).data


class AlertsView(ApiView):
    scopes = {"*": "alerts:read"}
    query = {"GET": shapes.AlertsQuery}

    @extend_schema(
        operation_id="list_alerts",
        responses=page_of(shapes.AlertSerializer, "AlertsPage"),
        summary="Alerts, newest first",
    )
    def get(self, request: Request) -> Response:
        alerts = request.auth.shop.alerts.all()
        if "status" in self.params:
            alerts = alerts.filter(until__isnull=self.params["status"] == "open")
        if "kind" in self.params:
            alerts = alerts.filter(kind=self.params["kind"])
        rows = QueryRows(alerts, ("-pk",))
        return Response(page(request, "alerts", self.params, rows, alerts_json, ALERT_NAMES))
