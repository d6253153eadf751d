"""Events from the shop's servers (API key) and from its pages (public key)."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from recommender.api.events import serializers as shapes
from recommender.api.http.authentication import key_of
from recommender.api.http.strict_fields import STRICT
from recommender.infrastructure import telemetry
from recommender.infrastructure.availability import UNREACHABLE
from recommender.ingest import Report, post_events
from recommender.models import ApiKey, Shop

PREFLIGHT = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "authorization, content-type",
    "Access-Control-Max-Age": "7200",
}


class FromPages(APIView):
    """CORS: base view that allows calls from browser pages of the shop's own origins."""

    scopes = {"*": "events:write"}

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
            allowed = {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
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


class EventsView(FromPages):
    plain_status = 202

    @extend_schema(
        request=shapes.EventsRequest,
        responses={202: shapes.EventsReply},
        summary="What shoppers did; the next list already knows it",
    )
    def post(self, request: Request) -> Response:
        return Response(take(request.auth, request.data), status=202)

    @staticmethod
    def plain_reply(key: ApiKey, data: dict[str, Any]) -> Callable[[], dict[str, Any]]:
        return partial(take, key, data)


class CollectView(FromPages):
    """Events sent by `navigator.sendBeacon`, which sets no headers: the public key is in the body,
    which comes as plain text.
    """

    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"

    @extend_schema(
        request=shapes.CollectRequest,
        responses={202: shapes.EventsReply},
        summary="The same from a page that is being left, with a public key",
    )
    def post(self, request: Request) -> Response:
        secret = request.data.get("key")
        if not isinstance(secret, str):
            raise ValidationError({"key": ["is required"]})
        key = key_of(secret)
        if not key.is_public:
            raise AuthenticationFailed(
                "Only a public key may stand in a body; send others as: Authorization: Bearer KEY"
            )
        refuse_foreign(key, request)
        request.auth = key
        self.check_throttles(request)
        return Response(
            take(key, {name: value for name, value in request.data.items() if name != "key"}),
            status=202,
        )


def take(key: ApiKey, data: dict[str, Any]) -> dict[str, Any]:
    """Validate and store the events of a body; returns the reply with the outcome of each."""
    if unknown := sorted(data.keys() - {"events"}):
        raise ValidationError({unknown[0]: ["is not a field of this request"]})
    shop, events = key.shop, data.get("events")
    if not isinstance(events, list) or not events:
        raise ValidationError({"events": ["must be a list of at least one event"]})
    if len(events) > shapes.MOST_EVENTS:
        raise ValidationError(
            {
                "events": [
                    f"holds {len(events):,} events; at most {shapes.MOST_EVENTS:,} fit in one call"
                ]
            }
        )
    report, new_ids = post_events(shop, events, STRICT, key.is_public)
    results = _results(events, report, new_ids)
    by_status = Counter([result["status"] for result in results])
    counts = {status: by_status[status] for status in ("accepted", "duplicate", "rejected")}
    for status, number in counts.items():
        telemetry.events.labels(status).inc(number)
    return {**counts, "results": results}


def _results(events: list, report: Report, new_ids: set[str]) -> list[dict]:
    if len(new_ids) == len(events):  # the usual call: all were new, each once
        return [{"event_id": event["event_id"], "status": "accepted"} for event in events]
    errors = {e.line: {"field": e.field, "message": e.message} for e in report.errors}
    return [
        _result(event, errors.get(i), new_ids, report.differing) for i, event in enumerate(events)
    ]


DIFFERS = {
    "field": "event_id",
    "message": "was sent before with other content; what was sent first stays",
}


def _result(event: object, error: dict | None, new_ids: set[str], differing: set[str]) -> dict:
    """The outcome of one event. Of two with one id in a call, the second is a duplicate."""
    event_id = event.get("event_id") if isinstance(event, dict) else None
    event_id = event_id if isinstance(event_id, str) else None
    if error:
        return {"event_id": event_id, "status": "rejected", "error": error}
    accepted = event_id in new_ids
    new_ids.discard(event_id)
    result = {"event_id": event_id, "status": "accepted" if accepted else "duplicate"}
    return result if accepted or event_id not in differing else {**result, "error": DIFFERS}
