"""The console: Unfold's admin site with the merchandisers' pages, at /console/."""

from functools import wraps

from django.urls import path
from unfold.sites import UnfoldAdminSite

from recommender.console.errors import error_page


class ConsoleSite(UnfoldAdminSite):
    """Named `admin`, since Unfold reverses `admin:`. The shop is in the path, so that a pasted link opens the same shop."""

    def each_context(self, request):
        from recommender.console.pages import strip_url

        return super().each_context(request) | {"strip_url": strip_url(request)}

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
            ("s/<slug:shop>/preview/", views_preview.preview, "preview"),
        ]
        own = [path(route, self.admin_view(_with_error_pages(view)), name=name) for route, view, name in pages]
        return own + super().get_urls()


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
