"""The site's addresses, and two that the benchmark compares with: a view that does nothing, and one
that takes events without a look.

What is taken without a look goes into a copy of the events' own table, with its rows and indexes.
"""

import io
import json

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from ecomsite.urls import urlpatterns as site


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"{}", content_type="application/json")


@csrf_exempt
def unchecked_copy(request: HttpRequest) -> HttpResponse:
    """Parses the same JSON and copies it into a table that checks nothing."""
    rows = io.StringIO()
    for event in json.loads(request.body)["events"]:
        rows.write(
            "\t".join(
                [
                    event["event_id"],
                    event["type"],
                    event["user_id"],
                    event["item_id"],
                    event["occurred_at"],
                    "1",
                ]
            )
            + "\n"
        )
    rows.seek(0)
    with connection.cursor() as cursor:
        cursor.copy_expert(
            "COPY bench_unchecked (event_id, type, session_id, query, occurred_at, shop_id) "
            "FROM STDIN",
            rows,
        )
    return HttpResponse(b"{}", content_type="application/json", status=202)


urlpatterns = [path("bench/empty", empty), path("bench/unchecked", unchecked_copy), *site]
