from django.urls import path

from recommender.demo.storefront import views

app_name = "storefront"
urlpatterns = [
    path("", views.home, name="home"),
    path("basket", views.basket, name="basket"),
    path("basket/change", views.change_basket, name="change_basket"),
    path("basket/buy", views.buy, name="buy"),
    path("search", views.search, name="search"),
    path("be", views.be, name="be"),
    path("product/<path:item_id>", views.product, name="product"),
]
