"""URLs of /api/v1. Ids may contain "/": they come last, percent-encoded or not."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter
from rest_framework.views import APIView

from recommender.api.access import views as access_views
from recommender.api.analytics import views as analytics_views
from recommender.api.catalog import attribute_views
from recommender.api.catalog import views as catalog_views
from recommender.api.events import views as events_views
from recommender.api.hooks import views as hook_views
from recommender.api.http import (
    openapi,  # noqa: F401  registers the key scheme
    problem_details,
)
from recommender.api.monitoring import views as monitoring_views
from recommender.api.operations import purge_views
from recommender.api.operations import views as operations_views
from recommender.api.placements import views as placements_views
from recommender.api.recommendations import bulk_views
from recommender.api.recommendations import views as recommendations_views
from recommender.api.reviews import views as review_views
from recommender.api.search import views as search_views
from recommender.api.shoppers import views as shoppers_views
from recommender.api.support import desk_views
from recommender.api.support import views as support_views
from recommender.api.training import job_views, model_views
from recommender.api.webhooks import views as webhook_views


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
    path("recommendations:facets", bulk_views.FacetsView.as_view()),
    path("recommendations:rows", bulk_views.RowsView.as_view()),
    path("predictions", bulk_views.PredictionsView.as_view()),
    path("items/shoppers", or_item("shoppers", bulk_views.ShoppersView)),
    path("rerank", recommendations_views.RerankView.as_view()),
    path("items/related", or_item("related", recommendations_views.RelatedView)),
    path("search", search_views.SearchView.as_view()),
    path("browse", search_views.BrowseView.as_view()),
    path("suggest", search_views.SuggestView.as_view()),
    path("reviews", review_views.ReviewsView.as_view()),
    path("reviews/<id:review_id>", review_views.ReviewView.as_view()),
    path("opinions", review_views.OpinionsView.as_view()),
    path("opinions/clauses", review_views.ClausesView.as_view()),
    path("opinions:analyze", review_views.AnalyzeView.as_view()),
    path("assist", support_views.AssistView.as_view()),
    path("assist:feedback", support_views.FeedbackView.as_view()),
    path("assist/conversations/<str:conversation_id>", support_views.ThreadView.as_view()),
    path("conversations", desk_views.ConversationsView.as_view()),
    path("conversations/<str:conversation_id>/answer", desk_views.AnswerView.as_view()),
    path("conversations/<str:conversation_id>/close", desk_views.CloseView.as_view()),
    path("articles", desk_views.ArticlesView.as_view()),
    path("articles/<id:article_id>", desk_views.ArticleView.as_view()),
    path("hooks/<str:platform>/<str:hook_id>", hook_views.HookView.as_view()),
    path("items", catalog_views.ItemsView.as_view()),
    path("items:delete", catalog_views.ItemsDeleteView.as_view()),
    path("attributes", attribute_views.AttributesView.as_view()),
    path("attributes/<id:name>", attribute_views.AttributeView.as_view()),
    path("items:batch", catalog_views.ItemsBatchView.as_view()),
    path("items/<id:item_id>", catalog_views.ItemView.as_view()),
    path("users", shoppers_views.UsersView.as_view()),
    path("users:batch", shoppers_views.UsersBatchView.as_view()),
    path("users/<id:user_id>", shoppers_views.UserView.as_view()),
    path("erasures/<str:receipt_id>", shoppers_views.ErasureView.as_view()),
    path("events", events_views.EventsView.as_view()),
    path("events/<id:event_id>", events_views.EventView.as_view()),
    path("collect", events_views.CollectView.as_view()),
    path("analytics", analytics_views.AnalyticsView.as_view()),
    path("analytics/exploration", analytics_views.ExplorationView.as_view()),
    path("training-jobs", job_views.TrainingJobsView.as_view()),
    path("training-jobs/<str:job_id>", job_views.TrainingJobView.as_view()),
    path("training-jobs/<str:job_id>/cancel", job_views.CancelJobView.as_view()),
    path("training-jobs/<str:job_id>/resume", job_views.ResumeJobView.as_view()),
    path("recipes", model_views.RecipesView.as_view()),
    path("recipes/<str:name>", model_views.RecipeView.as_view()),
    path("models", model_views.ModelsView.as_view()),
    path("models/rollback", model_views.RollbackView.as_view()),
    path("models/<str:number>/promote", model_views.PromoteView.as_view()),
    path("models/<str:number>", model_views.ModelView.as_view()),
    path("placements", placements_views.PlacementsView.as_view()),
    path("placements/<str:key>", placements_views.PlacementView.as_view()),
    path("keys", access_views.KeysView.as_view()),
    path("keys/<str:key_id>/rotate", access_views.RotateKeyView.as_view()),
    path("keys/<str:key_id>", access_views.KeyView.as_view()),
    path("alerts", monitoring_views.AlertsView.as_view()),
    path("webhooks", webhook_views.WebhooksView.as_view()),
    path("webhooks/<str:webhook_id>", webhook_views.WebhookView.as_view()),
    path("webhooks/<str:webhook_id>/rotate-secret", webhook_views.RotateSecretView.as_view()),
    path("webhooks/<str:webhook_id>/test", webhook_views.TestWebhookView.as_view()),
    path("webhooks/<str:webhook_id>/deliveries", webhook_views.DeliveriesView.as_view()),
    path(
        "webhooks/<str:webhook_id>/deliveries/<str:delivery_id>/redeliver",
        webhook_views.RedeliverView.as_view(),
    ),
    path("purges", purge_views.PurgesView.as_view()),
    path("purges/<str:purge_id>", purge_views.PurgeView.as_view()),
    path("purges/<str:purge_id>/cancel", purge_views.CancelPurgeView.as_view()),
    path("health/live", operations_views.LiveView.as_view()),
    path("health/ready", operations_views.ReadyView.as_view()),
    re_path(r"", problem_details.not_found),
]
