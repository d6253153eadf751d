"""/api/v1. Ids may hold "/": they come last, percent-encoded or not."""

from django.urls import path, re_path

from recommender.api import problems, views, views_analytics, views_data, views_events, views_lists, views_models, views_operating

urlpatterns = [
    path("recommendations", views.RecommendationsView.as_view()),
    path("recommendations:page", views.PageView.as_view()),
    path("recommendations/why-not", views.WhyNotView.as_view()),
    path("recommendations:batch", views_lists.BatchView.as_view()),
    path("recommendations:rows", views_lists.RowsView.as_view()),
    path("predictions", views_lists.PredictionsView.as_view()),
    path("items/shoppers", views_lists.ShoppersView.as_view()),
    path("rerank", views.RerankView.as_view()),
    path("items/related", views.RelatedView.as_view()),
    path("items:batch", views_data.ItemsBatchView.as_view()),
    path("items/<path:item_id>", views_data.ItemView.as_view()),
    path("users/<path:user_id>", views_data.UserView.as_view()),
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
