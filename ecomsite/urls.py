from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from recommender.api.operations.views import metrics

urlpatterns = [
    path("api/v1/", include("recommender.api.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("console/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("metrics", metrics),
]

handler400, handler403, handler404, handler500 = (
    f"ecomsite.errors.{name}" for name in ("bad_request", "forbidden", "not_found", "server_error")
)
