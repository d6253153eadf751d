"""URLs of /api/v1. Ids may contain "/": they come last, percent-encoded or not."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter
from rest_framework.views import APIView

from recommender.api.analytics import views as analytics_views
from recommender.api.catalog import views as catalog_views
from recommender.api.events import views as events_views
from recommender.api.http import (
    openapi,  # noqa: F401  registers the key scheme
    problem_details,
)
from recommender.api.operations import views as operations_views
from recommender.api.recommendations import bulk_views
from recommender.api.recommendations import views as recommendations_views
from recommender.api.shoppers import views as shoppers_views
from recommender.api.training import views as training_views


class IdConverter(StringConverter):
    """URL path converter of any id, "/" and line breaks included."""

    regex = r"[\s\S]+"


register_converter(IdConverter, "id")


def or_item(item_id: str, view: type[APIView]) -> Callable:
    """The view for GET `items/<item_id>` with a query string, such as items/related; without one,
    the product with that id.
    """
    named, item = view.as_view(), catalog_views.ItemView.as_view()

    @wraps(named)
    def choose(request: HttpRequest) -> HttpResponse:
        is_item = request.method in ("PUT", "PATCH", "DELETE") or (
            request.method == "GET" and not request.GET
        )
        return item(request, item_id=item_id) if is_item else named(request)

    return choose


urlpatterns = [
    path("recommendations", recommendations_views.RecommendationsView.as_view()),
    path("recommendations:page", recommendations_views.PageView.as_view()),
    path("recommendations/why-not", recommendations_views.WhyNotView.as_view()),
    path("recommendations:batch", bulk_views.BatchView.as_view()),
    path("recommendations:rows", bulk_views.RowsView.as_view()),
    path("predictions", bulk_views.PredictionsView.as_view()),
    path("items/shoppers", or_item("shoppers", bulk_views.ShoppersView)),
    path("rerank", recommendations_views.RerankView.as_view()),
    path("items/related", or_item("related", recommendations_views.RelatedView)),
    path("items:batch", catalog_views.ItemsBatchView.as_view()),
    path("items/<id:item_id>", catalog_views.ItemView.as_view()),
    path("users/<id:user_id>", shoppers_views.UserView.as_view()),
    path("erasures/<str:receipt_id>", shoppers_views.ErasureView.as_view()),
    path("events", events_views.EventsView.as_view()),
    path("collect", events_views.CollectView.as_view()),
    path("analytics", analytics_views.AnalyticsView.as_view()),
    path("analytics/exploration", analytics_views.ExplorationView.as_view()),
    path("training-jobs", training_views.TrainingJobsView.as_view()),
    path("training-jobs/<str:job_id>", training_views.TrainingJobView.as_view()),
    path("training-jobs/<str:job_id>/cancel", training_views.CancelJobView.as_view()),
    path("training-jobs/<str:job_id>/resume", training_views.ResumeJobView.as_view()),
    path("models", training_views.ModelsView.as_view()),
    path("models/rollback", training_views.RollbackView.as_view()),
    path("models/<str:number>/promote", training_views.PromoteView.as_view()),
    path("health/live", operations_views.LiveView.as_view()),
    path("health/ready", operations_views.ReadyView.as_view()),
    re_path(r"", problem_details.not_found),
]
