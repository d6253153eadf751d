"""Helpers of all console pages: the shop, the context of the shell, and permissions."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from recommender.console.navigation import find_shop, shop_of
from recommender.console.strip import strip_of
from recommender.models import AuditEntry, Shop

MAY_TRAIN, MAY_PROMOTE = "recommender.add_trainingrun", "recommender.change_modelversion"


def open_shop(request: HttpRequest, key: str) -> Shop:
    """The shop of this URL. The session stores it for pages without a shop in the path. Raises
    Http404.
    """
    if not request.user.has_perm("recommender.view_modelversion"):
        raise PermissionDenied(
            "You may sign in, but not see the models yet. Ask for the permission to view "
            "model versions."
        )
    shop = find_shop(request, key)
    if shop is None:
        raise Http404(f"There is no shop {key} among those that you see.")
    request.open_shop = shop
    if request.session.get("shop") != key:
        request.session["shop"] = key
    return shop


def need(request: HttpRequest, permission: str) -> None:
    """Raises PermissionDenied where the user lacks the permission."""
    if not request.user.has_perm(permission):
        raise PermissionDenied("Your account may look at this, but not do it.")


def delete_audited(request: HttpRequest, row: Model, noun: str) -> None:
    """Delete a row of a shop; the audit trail keeps who deleted it. noun: of its kind"""
    with transaction.atomic():
        AuditEntry.objects.note(
            row.shop, request.user, AuditEntry.CHANGED, f"{noun} {row}", "", "gone"
        )
        row.delete()


def page(request: HttpRequest, shop: Shop, template: str, title: str, **context) -> HttpResponse:
    shell = admin.site.each_context(request)
    return render(
        request, f"console/{template}.html", {**shell, "title": title, "shop": shop, **context}
    )


def part(request: HttpRequest, template: str, **context) -> HttpResponse:
    """Render a fragment of a page, for HTMX."""
    return render(request, f"console/{template}.html", context)


def shell_strip(request: HttpRequest) -> dict[str, Any] | None:
    """Content of the status line under the header; None where no shop is visible."""
    shop = shop_of(request) if request.user.is_authenticated and request.user.is_staff else None
    return strip_of(request, shop) if shop else None
