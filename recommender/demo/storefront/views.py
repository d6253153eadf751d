"""Storefront: home, search, product and basket pages, made of the REST API alone; events by the
tracker.
"""

import json
import uuid
import zlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from recommender.demo.storefront import vitrine_client

BASKET, VISIT, SHOPPER = "basket", "visit", "shopper"
MOST_IN_BASKET = 30
SHELF = 6
YEAR = 365 * 24 * 3600
TITLES = {
    "home_top": "For you",
    "discover": "New to you",
    "trending": "Sells well now",
    "new_in": "New arrivals",
    "product_page": "Goes with it",
    "basket": "Goes with your basket",
}
POLICY = (
    "default-src 'self'; script-src 'self' {site}; connect-src {site}; style-src 'self' "
    "'unsafe-inline'; img-src 'self' https: data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""CSP of a page: its own files, and the tracker; scripts send events and searches to the site."""
View = Callable[..., HttpResponse]


def page(view: View) -> View:
    """Decorator: sets the visit cookie, and shows a message where the API is unreachable."""

    @wraps(view)
    def wrapped(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        request.visit = request.COOKIES.get(VISIT) or f"visit-{uuid.uuid4().hex}"
        try:
            response = view(request, **kwargs)
        except vitrine_client.ShopUnavailable as error:
            response = render(request, "storefront/closed.html", {"detail": str(error)}, status=503)
        response.set_cookie(VISIT, request.visit, max_age=YEAR, httponly=True, samesite="Lax")
        response.headers["Content-Security-Policy"] = POLICY.format(
            site=vitrine_client.access().base_url
        )
        return response

    return wrapped


@require_GET
@page
def home(request: HttpRequest) -> HttpResponse:
    visitor = _visitor(request)
    lists = vitrine_client.page_lists(
        visitor, [{"placement": key, "limit": SHELF} for key in ("home_top", "trending", "new_in")]
    )
    shown = [item["item_id"] for listing in lists for item in listing["items"]]
    rows = vitrine_client.make_carousels(visitor, 2, SHELF, shown)
    shelves = [
        _shelf(lists[0]),
        *(_shelf(row, row["title"]) for row in rows),
        *(_shelf(listing) for listing in lists[1:]),
    ]
    return _show(request, "home", shelves=shelves)


@require_GET
@page
def search(request: HttpRequest) -> HttpResponse:
    """The page of results; its script asks the API with the public key."""
    return _show(request, "search", query=request.GET.get("q", "")[:512])


@require_GET
@page
def product(request: HttpRequest, item_id: str) -> HttpResponse:
    item = vitrine_client.product(item_id)
    if item is None:
        return _show(request, "gone", status=404)
    lists = vitrine_client.page_lists(
        _visitor(request),
        [{"placement": "product_page", "limit": SHELF, "context": {"item_ids": [item_id]}}],
    )
    card, shelves = _card({"item": item, "item_id": item_id}), [_shelf(one) for one in lists]
    return _show(request, "product", product=card, about=item, shelves=shelves, viewed=item_id)


@require_GET
@page
def basket(request: HttpRequest) -> HttpResponse:
    ids = _basket(request)
    inside = [
        _card({"item": item, "item_id": item_id})
        for item_id in ids
        if (item := vitrine_client.product(item_id))
    ]
    goes = (
        [{"placement": "basket", "limit": SHELF, "context": {"item_ids": ids}}]
        if ids
        else [{"placement": "trending", "limit": SHELF}]
    )
    lines = [
        {"item_id": card["item_id"], "quantity": 1}
        | ({"price": card["amount"]} if card["amount"] else {})
        for card in inside
    ]
    return _show(
        request,
        "basket",
        inside=inside,
        lines=json.dumps(lines),
        shelves=[_shelf(one) for one in vitrine_client.page_lists(_visitor(request), goes)],
    )


@require_POST
@page
def change_basket(request: HttpRequest) -> HttpResponse:
    """Put a product into the basket or take it out; the tracker of the page sends the event."""
    item_id, ids = request.POST.get("item_id", "")[:256], _basket(request)
    ids = [i for i in ids if i != item_id] + (
        [item_id] if item_id and request.POST.get("what") == "in" else []
    )
    response = HttpResponseRedirect(reverse("storefront:basket"))
    response.set_cookie(
        BASKET, json.dumps(ids[-MOST_IN_BASKET:]), max_age=YEAR, httponly=True, samesite="Lax"
    )
    return response


@require_POST
@page
def buy(request: HttpRequest) -> HttpResponse:
    response = _show(request, "thanks", shelves=[], in_basket=0)
    response.delete_cookie(BASKET)
    return response


@require_POST
@page
def be(request: HttpRequest) -> HttpResponse:
    """Browse the demo shop as a known shopper, or anonymously."""
    response = HttpResponseRedirect(reverse("storefront:home"))
    who = request.POST.get("who", "")
    if who in vitrine_client.access().user_ids:
        response.set_cookie(SHOPPER, who, httponly=True, samesite="Lax")
    else:
        response.delete_cookie(SHOPPER)
        request.visit = f"visit-{uuid.uuid4().hex}"
    return response


def _visitor(request: HttpRequest) -> dict[str, Any]:
    who = request.COOKIES.get(SHOPPER)
    return {"session_id": request.visit} | ({"user_id": who} if who else {})


def _basket(request: HttpRequest) -> list[str]:
    try:
        ids = json.loads(request.COOKIES.get(BASKET, "[]"))
    except ValueError:
        return []
    return [i for i in ids if isinstance(i, str)][-MOST_IN_BASKET:] if isinstance(ids, list) else []


def _shelf(listing: dict[str, Any], title: str = "") -> dict[str, Any]:
    cards = [_card(item) for item in listing["items"] if item.get("item")]
    name = title or TITLES.get(listing["placement"] or "", "Goes with it")
    return {
        "title": name,
        "recommendation_id": listing["recommendation_id"],
        "placement": listing["placement"] or "",
        "cards": cards,
    }


def _card(item: dict[str, Any]) -> dict[str, Any]:
    about = item["item"]
    price = about.get("price") or {}
    images = [image for image in about.get("images") or [] if image.startswith("https://")]
    words = [word for word in (about.get("title") or item["item_id"]).split() if word[0].isalnum()]
    reasons = item.get("reasons") or []
    return {
        "item_id": item["item_id"],
        "title": about.get("title") or item["item_id"],
        "image": images[0] if images else "",
        "price": f"{price['currency']} {float(price['amount']):,.2f}"
        if price.get("amount")
        else "",
        "amount": price.get("amount", ""),
        "initials": "".join(word[0] for word in words[:2]).upper() or "·",
        "tint": zlib.crc32(item["item_id"].encode()) % 6,
        "reason": reasons[0]["text"] if reasons and not reasons[0].get("against") else "",
        "position": item.get("position", ""),
    }


def _show(request: HttpRequest, name: str, status: int = 200, **context: Any) -> HttpResponse:
    who = vitrine_client.access()
    shared = {
        "tracker": f"{who.base_url}/static/vitrine.js",
        "chat": f"{who.base_url}/static/vitrine-chat.js",
        "api": f"{who.base_url}/api/v1/",
        "product_link": reverse("storefront:product", args=["ITEM"]),
        "public_key": who.public_key,
        "visit": request.visit,
        "shopper": request.COOKIES.get(SHOPPER, ""),
        "shoppers": who.user_ids,
        "in_basket": len(_basket(request)),
    }
    return render(request, f"storefront/{name}.html", shared | context, status=status)
