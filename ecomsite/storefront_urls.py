from django.urls import include, path

urlpatterns = [path("", include("recommender.storefront.urls"))]
