"""/api/v1. Ids may hold "/": they come last, percent-encoded or not."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter
from rest_framework.views import APIView

from recommender.api import (
    problems,
    schema,  # noqa: F401  it registers the scheme of keys
    views,
    views_analytics,
    views_data,
    views_events,
    views_lists,
    views_models,
    views_operating,
)


class IdConverter(StringConverter):
    """Any id: "/" and line breaks are allowed."""

    regex = r"[\s\S]+"


register_converter(IdConverter, "id")


def or_item(item_id: str, view: type[APIView]) -> Callable:
    """The view at `items/<item_id>`, for GET with a query; other calls there mean the product of that id, should a shop have one."""
    named, item = view.as_view(), views_data.ItemView.as_view()

    @wraps(named)
    def choose(request: HttpRequest) -> HttpResponse:
        is_item = request.method in ("PUT", "PATCH", "DELETE") or (request.method == "GET" and not request.GET)
        return item(request, item_id=item_id) if is_item else named(request)

    return choose


urlpatterns = [
    path("recommendations", views.RecommendationsView.as_view()),
    path("recommendations:page", views.PageView.as_view()),
    path("recommendations/why-not", views.WhyNotView.as_view()),
    path("recommendations:batch", views_lists.BatchView.as_view()),
    path("recommendations:rows", views_lists.RowsView.as_view()),
    path("predictions", views_lists.PredictionsView.as_view()),
    path("items/shoppers", or_item("shoppers", views_lists.ShoppersView)),
    path("rerank", views.RerankView.as_view()),
    path("items/related", or_item("related", views.RelatedView)),
    path("items:batch", views_data.ItemsBatchView.as_view()),
    path("items/<id:item_id>", views_data.ItemView.as_view()),
    path("users/<id:user_id>", views_data.UserView.as_view()),
    path("erasures/<str:receipt_id>", views_data.ErasureView.as_view()),
    path("events", views_events.EventsView.as_view()),
    path("collect", views_events.CollectView.as_view()),
    path("analytics", views_analytics.AnalyticsView.as_view()),
    path("analytics/exploration", views_analytics.ExplorationView.as_view()),
    path("training-jobs", views_models.TrainingJobsView.as_view()),
    path("training-jobs/<str:job_id>", views_models.TrainingJobView.as_view()),
    path("training-jobs/<str:job_id>/cancel", views_models.CancelJobView.as_view()),
    path("training-jobs/<str:job_id>/resume", views_models.ResumeJobView.as_view()),
    path("models", views_models.ModelsView.as_view()),
    path("models/rollback", views_models.RollbackView.as_view()),
    path("models/<str:number>/promote", views_models.PromoteView.as_view()),
    path("health/live", views_operating.LiveView.as_view()),
    path("health/ready", views_operating.ReadyView.as_view()),
    re_path(r"", problems.not_found),
]
