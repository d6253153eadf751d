"""Error pages in the console's shell: what is wrong, and who can help."""

import logging
from http import HTTPStatus

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from recommender.infrastructure.request_id import request_id

log = logging.getLogger(__name__)

TITLES = {
    403: "Not for this account",
    404: "Nothing here",
    405: "Not this way",
    429: "Too many tries",
    500: "Something went wrong",
}
HELP = {
    403: "An administrator of this console can give your account the permission.",
    404: "It may have been deleted, or the address has a mistake.",
    405: "This address takes the form of its page; it cannot be opened by itself.",
}


def error_page(request: HttpRequest, status: int, detail: str) -> HttpResponse:
    """Render an error page: with the console's navigation for signed-in users; without it for
    others, for errors from 500 on, and where rendering fails.
    """
    context = {
        "status": status,
        "title": TITLES.get(status, HTTPStatus(status).phrase),
        "detail": detail,
        "help": HELP.get(status, ""),
        "request_id": request_id.get() if status >= 500 else "",
    }
    if (
        status < 500
        and getattr(request, "user", None) is not None
        and request.user.is_authenticated
    ):
        try:
            content = render_to_string(
                "console/error.html", {**admin.site.each_context(request), **context}, request
            )
            return HttpResponse(content, status=status)
        except Exception as error:
            log.error("the error page is bare: %s", type(error).__name__)
    return HttpResponse(render_to_string("console/error_bare.html", context), status=status)
