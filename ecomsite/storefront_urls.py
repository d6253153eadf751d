from django.urls import include, path

urlpatterns = [path("", include("recommender.demo.storefront.urls"))]
