"""Preview: what will this shopper see, and why?"""

from django.http import HttpRequest, HttpResponse

from recommender import recommend
from recommender.console.cards import card_of, cards_of
from recommender.console.pages import need, open_shop, page
from recommender.models import Event, Placement, Shop, Shopper

HISTORY_SHOWN = 16
SUGGESTED = 12


def preview(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_shopper")
    need(request, "recommender.view_event")
    asked = request.GET.get("user", "").replace("\x00", "").strip()[:256]
    new = "new" in request.GET
    placements = list(Placement.objects.of(shop).filter(kind=Placement.PERSONAL).order_by("pk"))
    placement = next((p for p in placements if p.key == request.GET.get("at")), placements[0] if placements else None)
    shopper = shop.shoppers.filter(user_id=asked).first() if asked else None
    listing = recommend.recommend(shop, placement, asked or None, None, placement.size, "full") if placement and (shopper or new) else None
    context = {
        "asked": asked, "new": new, "shopper": shopper, "placement": placement, "placements": placements, "listing": listing,
        "cards": cards_of(shop, listing.items) if listing else [], "history": _history(shop, shopper) if shopper else [],
        "suggested": _suggested(shop, asked) if not listing else [], "sentence": _sentence(asked, shopper, new, listing, placement),
    }  # fmt: skip
    return page(request, shop, "preview", "Preview", **context)


def _sentence(asked: str, shopper: Shopper | None, new: bool, listing, placement: Placement | None) -> str:
    if placement is None:
        return "This shop has no placement for personal lists yet. Add one under Tables."
    if asked and shopper is None:
        return f"Nobody here is called {asked}. A shopper never seen before gets what sells best."
    if listing is None:
        return "Pick a shopper to see what they will be shown, and why."
    if not listing.items:
        return "There is no product that could be shown."
    if listing.fallback:
        kinds = {
            "popular": "Nothing is known, so the list is what sells best now",
            "no_consent": "This shopper did not agree to personal lists, so the list is what sells best now",
        }
        return kinds.get(listing.fallback, "Little is known") + " (fallback)."
    how = "stored" if listing.stored else f"made live in {listing.took_ms} ms"
    return f"{listing.version} shows {shopper} these {len(listing.items)} products; the list was {how}."


def _history(shop: Shop, shopper: Shopper) -> list[dict]:
    events = Event.objects.filter(shopper=shopper).exclude(product=None).select_related("product").order_by("-occurred_at", "-id")
    words = {"purchase": "bought", "view": "viewed", "add_to_cart": "put into the basket", "return": "returned", "click": "clicked"}
    return [
        {"card": card_of(e.product, shop.currency), "verb": words.get(e.type, e.type), "at": e.occurred_at, "quantity": e.quantity}
        for e in events[:HISTORY_SHOWN]
    ]


def _suggested(shop: Shop, asked: str) -> list[Shopper]:
    shoppers = shop.shoppers.filter(revision__gt=0).order_by("user_id")
    return list(shoppers.filter(user_id__startswith=asked)[:SUGGESTED] if asked else shoppers[:SUGGESTED])
