"""The console: Unfold's admin site with the merchandisers' pages, at /console/."""

from functools import wraps
from urllib.parse import urlencode, urlsplit

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpResponse
from django.urls import Resolver404, path, resolve, reverse
from unfold.sites import UnfoldAdminSite

from recommender.console.errors import error_page


class ConsoleSite(UnfoldAdminSite):
    """Named `admin`, since Unfold reverses `admin:`. The shop is in the path, so that a pasted link opens the same shop."""

    def each_context(self, request):
        from recommender.console.pages import shell_strip

        return super().each_context(request) | {"strip": shell_strip(request)}

    def admin_view(self, view, cacheable=False):
        """After the session expires, an HTMX request redirects the whole page to the sign-in and back."""
        inner = super().admin_view(view, cacheable)

        @wraps(view)
        def guarded(request, *args, **kwargs):
            if request.headers.get("HX-Request") and not self.has_permission(request):
                shown = urlsplit(request.headers.get("HX-Current-URL", ""))
                back = urlencode({"next": shown.path + (f"?{shown.query}" if shown.query else "")})
                return HttpResponse(status=401, headers={"HX-Redirect": f"{reverse('admin:login')}?{back}"})
            return inner(request, *args, **kwargs)

        return guarded

    def login(self, request, extra_context=None):
        """After signing in one comes to a page: a fragment of one is never where to."""
        for name in ("GET", "POST"):
            values = getattr(request, name)
            if REDIRECT_FIELD_NAME in values and _is_fragment(values[REDIRECT_FIELD_NAME]):
                values = values.copy()
                values[REDIRECT_FIELD_NAME] = reverse("admin:index")
                setattr(request, name, values)
        return super().login(request, extra_context)

    def get_urls(self):
        from recommender.console import views_home, views_models, views_placements, views_preview, views_train

        pages = [
            ("", views_home.landing, "index"),
            ("s/<slug:shop>/", views_home.home, "home"),
            ("s/<slug:shop>/strip/", views_home.strip, "strip"),
            ("s/<slug:shop>/train/", views_train.train, "train"),
            ("s/<slug:shop>/train/window/", views_train.window, "train_window"),
            ("s/<slug:shop>/train/fields/", views_train.fields, "train_fields"),
            ("s/<slug:shop>/runs/<int:pk>/", views_train.run, "run"),
            ("s/<slug:shop>/runs/<int:pk>/live/", views_train.live, "run_live"),
            ("s/<slug:shop>/runs/<int:pk>/cancel/", views_train.cancel, "run_cancel"),
            ("s/<slug:shop>/runs/<int:pk>/resume/", views_train.resume, "run_resume"),
            ("s/<slug:shop>/runs/<int:pk>/again/", views_train.again, "run_again"),
            ("s/<slug:shop>/runs/<int:pk>/log/", views_train.log, "run_log"),
            ("s/<slug:shop>/models/", views_models.versions, "models"),
            ("s/<slug:shop>/models/rollback/", views_models.rollback, "rollback"),
            ("s/<slug:shop>/models/<int:number>/", views_models.version, "version"),
            ("s/<slug:shop>/models/<int:number>/promote/", views_models.promote, "promote"),
            ("s/<slug:shop>/placements/", views_placements.placements, "placements"),
            ("s/<slug:shop>/placements/more/", views_placements.more, "placements_more"),
            ("s/<slug:shop>/preview/", views_preview.preview, "preview"),
        ]
        own = [path(route, self.admin_view(_with_error_pages(view)), name=name) for route, view, name in pages]
        return own + super().get_urls()


FRAGMENTS = frozenset({"strip", "train_window", "train_fields", "run_live", "placements_more"})
"""Addresses, by their names, that answer with a part of a page."""


def _is_fragment(address: str) -> bool:
    try:
        return resolve(urlsplit(address).path).url_name in FRAGMENTS
    except Resolver404:
        return False


def _with_error_pages(view):
    """Django answers a wrong method with an empty page; here it is one of the console's."""

    @wraps(view)
    def answered(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        if response.status_code == 405:
            page = error_page(request, 405, "This address does something only when its form is sent.")
            page.headers["Allow"] = response.headers["Allow"]
            return page
        return response

    return answered
