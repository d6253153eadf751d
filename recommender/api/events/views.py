"""Events from the shop's servers (API key) and from its pages (public key)."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from recommender.api.events import serializers as shapes
from recommender.api.events.stored import EVENT_NAMES, events_json, events_rows, find_event
from recommender.api.http.authentication import key_of
from recommender.api.http.listing import FieldsQuery, choose, page, page_of, read_fields
from recommender.api.http.pages import FromPages, refuse_foreign
from recommender.api.http.problem_details import again_when_busy
from recommender.api.http.strict_fields import STRICT, need_list
from recommender.api.http.views import ApiView, DryRun, may_dry_run
from recommender.infrastructure import telemetry
from recommender.ingest import Report, post_events
from recommender.models import ApiKey


class EventsView(FromPages):
    scopes = {"GET": "events:read", "*": "events:write"}
    query = {"GET": shapes.EventsQuery, "POST": DryRun}
    plain_status = 202

    @extend_schema(
        operation_id="list_events",
        responses=page_of(shapes.StoredEventSerializer, "EventsPage"),
        summary="Stored events by time: all, or those of a shopper, a session or a product",
    )
    def get(self, request: Request) -> Response:
        rows = events_rows(request.auth.shop, self.params)
        return Response(page(request, "events", self.params, rows, events_json, EVENT_NAMES))

    @extend_schema(
        operation_id="send_events",
        request=shapes.EventsRequest,
        responses={202: shapes.EventsReply},
        summary="What shoppers did; the next list already knows it",
    )
    @may_dry_run
    def post(self, request: Request) -> Response:
        counted = not self.params["dry_run"]
        return Response(take(request.auth, request.data, counted), status=202)

    @staticmethod
    def plain_reply(key: ApiKey, data: dict[str, Any]) -> Callable[[], dict[str, Any]]:
        return partial(take, key, data)


class EventView(ApiView):
    scopes = {"GET": "events:read", "DELETE": "events:delete"}
    query = {"GET": FieldsQuery}

    @extend_schema(
        operation_id="get_event",
        responses=shapes.StoredEventSerializer,
        summary="A stored event",
    )
    def get(self, request: Request, event_id: str) -> Response:
        chosen = read_fields(self.params.get("fields"), EVENT_NAMES)
        event = events_json([find_event(request.auth.shop, event_id)])[0]
        return Response(choose(event, chosen))

    @extend_schema(
        operation_id="delete_event",
        responses={204: None},
        summary="Delete an event; to correct it, delete it and send it again with the same id",
    )
    def delete(self, request: Request, event_id: str) -> Response:
        shop = request.auth.shop
        find_event(shop, event_id)
        again_when_busy(shop.events.filter(event_id=event_id).remove)
        return Response(status=204)


class CollectView(FromPages):
    """Events sent by `navigator.sendBeacon`, which sets no headers: the public key is in the body,
    which comes as plain text.
    """

    scopes = {"*": "events:write"}
    authentication_classes = ()
    permission_classes = ()

    def get_authenticate_header(self, request: Request) -> str:
        return "Bearer"

    @extend_schema(
        operation_id="collect_events",
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


def take(key: ApiKey, data: dict[str, Any], counted: bool = True) -> dict[str, Any]:
    """Validate and store the events of a body; returns the reply with the outcome of each.

    counted: whether the metrics count them; not in a dry run
    """
    shop, events = key.shop, need_list(data, "events", "event", shapes.MOST_EVENTS)
    report, new_ids = post_events(shop, events, STRICT, key.is_public)
    results = _results(events, report, new_ids)
    by_status = Counter([result["status"] for result in results])
    counts = {status: by_status[status] for status in ("accepted", "duplicate", "rejected")}
    for status, number in counts.items() if counted else ():
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
