"""Preview: a shopper's list with its reasons."""

from django.http import HttpRequest, HttpResponse

from recommender.console.pages import need, open_shop, page
from recommender.console.preview.product_cards import card_of, cards_of
from recommender.models import Event, Placement, Shop, Shopper
from recommender.recommendations.explanations import kind_of, source_chip
from recommender.recommendations.recommend import recommend
from recommender.recommendations.requests import ListRequest, ListResult, in_experiment
from recommender.recommendations.why_not import WhyNotResult, why_not
from recommender.serving.shop_state import state_of

HISTORY_SHOWN = 16
SUGGESTED = 12
MATCHES_SOUGHT, MATCHES_SHOWN = 500, 12
AGAINST_SHOWN = 4
VERBS = {
    "purchase": "bought",
    "view": "viewed",
    "add_to_cart": "put into the basket",
    "return": "returned",
    "click": "clicked",
    "impression": "was shown",
    "remove_from_cart": "took out of the basket",
    "rating": "rated",
    "review": "reviewed",
}
"""Words of event types in a history. Others are shown by their name."""
FALLBACKS = {
    "entry": "A new shopper who came by a product: they see what goes with it.",
    "interests": "A new shopper who chose interests: they see what suits them.",
    "country": "A new shopper: they see what sells well in their country.",
    "openers": "A new shopper: they see what others buy first.",
    "popular": "A new shopper: they see what sells best now.",
    "new": "A new shopper: they see what is new in the shop.",
    "session": "Anonymous session: the list is made from the products viewed in it.",
    "filled_up": "The shopper’s own list is short, so best sellers fill it up.",
    "no_consent": "This shopper did not agree to personal lists and sees what everybody sees.",
    "no_database": "The database does not answer: this is the list that was stored last.",
    "empty_catalogue": "There is no product that could be shown.",
    "nothing_selected": "No product passes this placement’s filter.",
    "below_min_score": "No product reaches the minimal score.",
    "as_given": "Nothing is known of the shopper: the products keep their order.",
}
"""First line of the page by kind of fallback. A test compares it with all kinds."""


def preview(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_shopper")
    need(request, "recommender.view_event")
    user_id = request.GET.get("user", "").replace("\x00", "").strip()[:256]
    new = "new" in request.GET
    placements = list(Placement.objects.of(shop).filter(kind=Placement.PERSONAL).order_by("pk"))
    placement = next(
        (p for p in placements if p.key == request.GET.get("at")),
        placements[0] if placements else None,
    )
    shopper = shop.shoppers.filter(user_id=user_id).first() if user_id else None
    result = _listing(shop, placement, user_id) if placement and (shopper or new) else None
    wanted = request.GET.get("why", "").replace("\x00", "").strip()[:256]
    context = {
        "wanted": wanted,
        "why_not": _why_not(shop, placement, shopper, wanted)
        if placement and shopper and wanted
        else None,
        "asked": user_id,
        "new": new,
        "shopper": shopper,
        "placement": placement,
        "placements": placements,
        "listing": result,
        "cards": cards_of(shop, result.items) if result else [],
        "history": _history(shop, shopper) if shopper else [],
        "suggested": _suggested(shop, user_id) if not result else [],
        "sentence": _sentence(user_id, shopper, new, result, placement),
    }
    return page(request, shop, "preview/preview", "Preview", **context)


def _listing(shop: Shop, placement: Placement, user_id: str) -> ListResult:
    request = ListRequest(placement, placement.size, user_id or None, explain="full")
    return recommend(shop, in_experiment(request))


def _sentence(
    user_id: str, shopper: Shopper | None, new: bool, result, placement: Placement | None
) -> str:
    if placement is None:
        return "This shop has no placement for personal lists yet. Add one under Tables."
    if user_id and shopper is None:
        return f"No shopper has the id {user_id}. An unknown shopper gets best sellers."
    if result is None:
        return "Pick a shopper to see what they will be shown, and why."
    if not result.items:
        reaches = not placement.fallbacks and result.fallback == "empty_catalogue"
        return (
            "This placement fills its list from nothing, and no list can be made for a new shopper."
            if reaches
            else FALLBACKS[result.fallback]
        )
    if result.fallback:
        return FALLBACKS[result.fallback]
    how = "stored" if result.stored else f"made live in {result.took_ms} ms"
    return (
        f"{result.version} shows {shopper} these {len(result.items)} products; the list was {how}."
    )


def _why_not(shop: Shop, placement: Placement, shopper: Shopper, wanted: str) -> dict:
    """Why the product with this id, or with these words in its title, is not in the list. Several
    matches are listed as choices.
    """
    product = shop.products.filter(item_id=wanted).first()
    if product is None:
        titled = list(shop.products.filter(title__icontains=wanted)[:MATCHES_SOUGHT])
        if not titled:
            return {"sentence": f"No product here has the id or title “{wanted}”."}
        if len(titled) > 1:
            sold = {item_id: place for place, item_id in enumerate(state_of(shop).bestsellers())}
            matches = sorted(titled, key=lambda p: (sold.get(p.item_id, len(sold)), p.item_id))[
                :MATCHES_SHOWN
            ]
            return {
                "sentence": f"“{wanted}” stands in the titles of several products. Which one?",
                "matches": matches,
            }
        product = titled[0]
    lost = why_not(shop, placement, shopper.user_id, product)
    sentences = {
        "hidden": "may not be shown: it is hidden, not published, expired or sold out.",
        "filtered": "does not pass this placement’s filter or rules.",
        "no_list": "is in no personal list, since none can be made for this shopper.",
        "unknown": "came after the last training, so the model does not know it yet.",
        "bought": "was bought before, and this placement shows only what is new to the shopper.",
        "not_proposed": (
            f"was proposed by no source. Scored all the same, it would be {_place(lost)}."
        ),
        "ranked": f"is {_place(lost)}; the list shows {placement.size}.",
        "shown": f"is in the list: {_place(lost)}.",
    }
    largest = (
        sorted(lost.against.items(), key=lambda pair: -abs(pair[1]))[:AGAINST_SHOWN]
        if lost.stage in ("not_proposed", "ranked")
        else []
    )
    return {
        "sentence": f"{product.title or product.item_id} {sentences[lost.stage]}",
        "against": [(kind_of(kind).chip, value) for kind, value in largest],
        "sources": [(source_chip(name), place) for name, place in lost.sources.items()],
    }


def _place(lost: WhyNotResult) -> str:
    return f"number {lost.place} of {lost.of} candidates"


def _history(shop: Shop, shopper: Shopper) -> list[dict]:
    events = (
        Event.objects.filter(shopper=shopper)
        .exclude(product=None)
        .select_related("product")
        .order_by("-occurred_at", "-id")
    )
    return [
        {
            "card": card_of(e.product, shop.currency),
            "verb": VERBS.get(e.type, e.type),
            "at": e.occurred_at,
            "pieces": e.quantity if e.quantity != 1 else None,
        }
        for e in events[:HISTORY_SHOWN]
    ]


def _suggested(shop: Shop, user_id: str) -> list[Shopper]:
    shoppers = shop.shoppers.filter(revision__gt=0).order_by("user_id")
    return list(
        shoppers.filter(user_id__startswith=user_id)[:SUGGESTED]
        if user_id
        else shoppers[:SUGGESTED]
    )
