"""What every page of the console shares: its shop, the shell's context, and who may do what."""

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from recommender.models import Shop

MAY_TRAIN, MAY_PROMOTE = "recommender.add_trainingrun", "recommender.change_modelversion"


def open_shop(request: HttpRequest, key: str) -> Shop:
    """The shop of this address; remembered, so that the tables' pages know it."""
    if not request.user.has_perm("recommender.view_modelversion"):
        raise PermissionDenied("You may sign in, but not see the models yet. Ask for the permission to view model versions.")
    shop = request.open_shop = get_object_or_404(Shop.objects.visible_to(request.user), key=key)
    if request.session.get("shop") != key:
        request.session["shop"] = key
    return shop


def need(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied("Your account may look at this, but not do it.")


def page(request: HttpRequest, shop: Shop, template: str, title: str, **context) -> HttpResponse:
    shell = admin.site.each_context(request)
    return render(request, f"console/{template}.html", {**shell, "title": title, "shop": shop, **context})


def part(request: HttpRequest, template: str, **context) -> HttpResponse:
    """A piece of a page, for HTMX to swap in."""
    return render(request, f"console/_{template}.html", context)


def strip_url(request: HttpRequest) -> str | None:
    from recommender.console.navigation import shop_of

    shop = shop_of(request) if request.user.is_authenticated and request.user.is_staff else None
    return reverse("admin:strip", args=[shop.key]) if shop else None
