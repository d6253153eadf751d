"""The console: Unfold's admin site and the merchandisers' pages, at /console/."""

from functools import wraps
from urllib.parse import urlencode, urlsplit

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpResponse
from django.urls import Resolver404, path, resolve, reverse
from unfold.sites import UnfoldAdminSite

from recommender.console.error_pages import error_page


class ConsoleSite(UnfoldAdminSite):
    """Admin site named `admin`, because Unfold reverses `admin:`. The shop is in the URL path, so
    that a shared link opens the same shop.
    """

    def each_context(self, request):
        from recommender.console.pages import shell_strip

        return super().each_context(request) | {"strip": shell_strip(request)}

    def admin_view(self, view, cacheable=False):
        """After the session expires, an HTMX request redirects the whole page to the sign-in and
        back.
        """
        inner = super().admin_view(view, cacheable)

        @wraps(view)
        def guarded(request, *args, **kwargs):
            if request.headers.get("HX-Request") and not self.has_permission(request):
                shown = urlsplit(request.headers.get("HX-Current-URL", ""))
                back = urlencode({"next": shown.path + (f"?{shown.query}" if shown.query else "")})
                return HttpResponse(
                    status=401, headers={"HX-Redirect": f"{reverse('admin:login')}?{back}"}
                )
            return inner(request, *args, **kwargs)

        return guarded

    def login(self, request, extra_context=None):
        """Sign in, then redirect to a page, never to a fragment that HTMX polls."""
        for name in ("GET", "POST"):
            values = getattr(request, name)
            if REDIRECT_FIELD_NAME in values and _is_fragment(values[REDIRECT_FIELD_NAME]):
                values = values.copy()
                values[REDIRECT_FIELD_NAME] = reverse("admin:index")
                setattr(request, name, values)
        return super().login(request, extra_context)

    def get_urls(self):
        from recommender.console.home import views
        from recommender.console.labels import views as label_views
        from recommender.console.models import views as models_views
        from recommender.console.opinions import (
            alert_views,
            overview_views,
            product_views,
            reading_views,
            topic_views,
        )
        from recommender.console.placements import views as placements_views
        from recommender.console.preview import views as preview_views
        from recommender.console.search import (
            analytics_views,
            compare_views,
            evaluation_views,
            grade_views,
            query_set_views,
            synonym_views,
        )
        from recommender.console.support import urls as support_urls
        from recommender.console.training import start_views
        from recommender.console.training import views as training_views

        pages = [
            ("", views.landing, "index"),
            ("s/<slug:shop>/", views.home, "home"),
            ("s/<slug:shop>/strip/", views.strip, "strip"),
            ("s/<slug:shop>/train/", start_views.train, "train"),
            ("s/<slug:shop>/train/window/", start_views.window, "train_window"),
            ("s/<slug:shop>/train/fields/", start_views.fields, "train_fields"),
            ("s/<slug:shop>/runs/<int:pk>/", training_views.run, "run"),
            ("s/<slug:shop>/runs/<int:pk>/live/", training_views.live, "run_live"),
            ("s/<slug:shop>/runs/<int:pk>/cancel/", training_views.cancel, "run_cancel"),
            ("s/<slug:shop>/runs/<int:pk>/resume/", training_views.resume, "run_resume"),
            ("s/<slug:shop>/runs/<int:pk>/again/", training_views.again, "run_again"),
            ("s/<slug:shop>/runs/<int:pk>/log/", training_views.log, "run_log"),
            ("s/<slug:shop>/models/", models_views.versions, "models"),
            ("s/<slug:shop>/models/rollback/", models_views.rollback, "rollback"),
            ("s/<slug:shop>/models/<int:number>/", models_views.version, "version"),
            ("s/<slug:shop>/models/<int:number>/promote/", models_views.promote, "promote"),
            ("s/<slug:shop>/placements/", placements_views.placements, "placements"),
            ("s/<slug:shop>/placements/more/", placements_views.more, "placements_more"),
            ("s/<slug:shop>/preview/", preview_views.preview, "preview"),
            ("s/<slug:shop>/search/", analytics_views.search_home, "search"),
            ("s/<slug:shop>/search/compare/", compare_views.compare, "search_compare"),
            ("s/<slug:shop>/search/figures/", evaluation_views.evaluation, "search_evaluation"),
            ("s/<slug:shop>/search/grade/", grade_views.grade, "search_grade"),
            ("s/<slug:shop>/search/grade/save/", grade_views.save_grade, "search_grade_save"),
            ("s/<slug:shop>/search/sets/", query_set_views.query_sets, "search_sets"),
            (
                "s/<slug:shop>/search/sets/<int:pk>/delete/",
                query_set_views.delete_query_set,
                "search_sets_delete",
            ),
            (
                "s/<slug:shop>/search/sets/clicks/",
                query_set_views.derive_from_clicks,
                "search_clicks",
            ),
            ("s/<slug:shop>/search/synonyms/", synonym_views.synonyms, "search_synonyms"),
            (
                "s/<slug:shop>/search/synonyms/look/",
                synonym_views.look_for_synonyms,
                "search_synonyms_look",
            ),
            (
                "s/<slug:shop>/search/synonyms/<int:pk>/",
                synonym_views.decide_synonym,
                "search_synonyms_decide",
            ),
            ("s/<slug:shop>/opinions/", overview_views.overview, "opinions"),
            ("s/<slug:shop>/opinions/read/", reading_views.reading, "opinions_reading"),
            ("s/<slug:shop>/opinions/export/", reading_views.export, "opinions_export"),
            ("s/<slug:shop>/opinions/product/", product_views.product, "opinions_product"),
            ("s/<slug:shop>/opinions/compare/", product_views.compare, "opinions_compare"),
            ("s/<slug:shop>/opinions/alerts/", alert_views.alerts, "opinions_alerts"),
            (
                "s/<slug:shop>/opinions/rules/<int:pk>/delete/",
                alert_views.delete_rule,
                "surge_rule_delete",
            ),
            ("s/<slug:shop>/opinions/topics/", topic_views.topics, "opinions_topics"),
            (
                "s/<slug:shop>/opinions/topics/copy/",
                topic_views.copy_default_topics,
                "opinion_topics_copy",
            ),
            (
                "s/<slug:shop>/opinions/topics/<int:pk>/delete/",
                topic_views.delete_topic,
                "opinion_topic_delete",
            ),
            ("s/<slug:shop>/alerts/<int:pk>/", alert_views.act_on_alert, "alert_act"),
            ("s/<slug:shop>/labels/", label_views.labels, "labels"),
            ("s/<slug:shop>/labels/save/", label_views.save_label, "label_save"),
            *support_urls.PAGES,
        ]
        console_urls = [
            path(route, self.admin_view(_with_error_pages(view)), name=name)
            for route, view, name in pages
        ]
        return console_urls + super().get_urls()


FRAGMENTS = frozenset({"strip", "train_window", "train_fields", "run_live", "placements_more"})
"""URL names that return a fragment of a page."""


def _is_fragment(address: str) -> bool:
    try:
        return resolve(urlsplit(address).path).url_name in FRAGMENTS
    except Resolver404:
        return False


def _with_error_pages(view):
    """Replace Django's empty response to a wrong method by an error page."""

    @wraps(view)
    def answered(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        if response.status_code == 405:
            page = error_page(
                request, 405, "This address does something only when its form is sent."
            )
            page.headers["Allow"] = response.headers["Allow"]
            return page
        return response

    return answered
