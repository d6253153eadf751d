"""Sidebar, shop switcher and environment label."""

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from recommender.models import Shop

MOST_SHOPS = 50
"""Maximum number of shops in the switcher."""
TABLES = [
    ("Products", "product", "inventory_2"),
    ("Shoppers", "shopper", "group"),
    ("Events", "event", "bolt"),
    ("Reviews", "review", "rate_review"),
    ("Dialogues", "dialogue", "forum"),
    ("Judged queries", "judgement", "rule"),
    ("Training runs", "trainingrun", "model_training"),
    ("Model versions", "modelversion", "deployed_code"),
    ("Stored lists", "recommendationlist", "list_alt"),
    ("Exposure lists", "servedlist", "outbox"),
    ("Settings of placements", "placement", "tune"),
    ("Synonyms", "synonym", "compare_arrows"),
    ("Search settings", "searchsettings", "manage_search"),
    ("Search queries", "searchquery", "search"),
    ("Shops", "shop", "store"),
    ("API keys", "apikey", "key"),
    ("Attributes", "productattribute", "label"),
    ("Feeds", "feed", "rss_feed"),
    ("Platform hooks", "platformhook", "input"),
    ("Hook deliveries", "hookdelivery", "move_to_inbox"),
    ("Webhooks", "webhook", "webhook"),
    ("Webhook deliveries", "webhookdelivery", "outgoing_mail"),
    ("Purges", "purge", "auto_delete"),
    ("Alerts", "alert", "notifications"),
    ("Audit trail", "auditentry", "history"),
    ("Deletion receipts", "erasure", "delete_forever"),
]


def visible_shops(request: HttpRequest) -> list[Shop]:
    """The first shops that the user may see. Queried once per request."""
    if not hasattr(request, "visible_shops"):
        request.visible_shops = list(Shop.objects.visible_to(request.user)[:MOST_SHOPS])
    return request.visible_shops


def find_shop(request: HttpRequest, key: str | None) -> Shop | None:
    """The shop with this key, where the user may see it."""
    visible = visible_shops(request)
    match = next((shop for shop in visible if shop.key == key), None)
    return match or (
        Shop.objects.visible_to(request.user).filter(key=key).first()
        if len(visible) == MOST_SHOPS
        else None
    )


def shop_of(request: HttpRequest) -> Shop | None:
    """The shop in the URL path; elsewhere the last opened one, else the first. Queried once per
    request.
    """
    if hasattr(request, "open_shop"):
        return request.open_shop
    match = request.resolver_match
    key = (match.kwargs.get("shop") if match else None) or request.session.get("shop")
    request.open_shop = find_shop(request, key) or next(iter(visible_shops(request)), None)
    return request.open_shop


def environment(request: HttpRequest) -> list[str]:
    shop = shop_of(request) if request.user.is_authenticated else None
    if shop and shop.is_demo:
        return ["DEMO", "info"]
    colours = {"LIVE": "primary", "STAGING": "warning", "DEMO": "info"}
    return [settings.VITRINE_ENVIRONMENT, colours.get(settings.VITRINE_ENVIRONMENT, "primary")]


def shops(request: HttpRequest) -> list[dict]:
    """Entries of the shop switcher, with two shops or more: the same page of the other shops."""
    if not request.user.is_authenticated:
        return []
    visible = visible_shops(request)
    if len(visible) < 2:
        return []
    name = request.resolver_match.url_name if request.resolver_match else "home"
    pages = ("home", "train", "models", "preview", "placements", "search", "opinions", "labels")
    pages = (*pages, "support", "support_inbox", "support_templates", "support_unanswered")
    page = name if name in pages else "home"
    return [
        {"icon": "store", "title": shop.key, "link": reverse(f"admin:{page}", args=[shop.key])}
        for shop in visible
    ]


def sidebar(request: HttpRequest) -> list[dict]:
    shop = shop_of(request)
    groups = []
    if shop and request.user.is_staff:
        groups += [
            {"items": [_page(request, shop, "Home", "home", "home", ("home", "index"))]},
            {
                "title": "Models",
                "items": [
                    _page(request, shop, "Train", "model_training", "train", ("train", "run")),
                    _page(
                        request, shop, "Models", "deployed_code", "models", ("models", "version")
                    ),
                ],
            },
        ]
        shopfront = []
        if request.user.has_perms(["recommender.view_shopper", "recommender.view_event"]):
            shopfront.append(
                _page(request, shop, "Preview", "person_search", "preview", ("preview",))
            )
        if request.user.has_perm("recommender.view_placement"):
            shopfront.append(
                _page(request, shop, "Placements", "view_carousel", "placements", ("placements",))
            )
        if request.user.has_perm("recommender.view_searchquery"):
            names = ("search", "search_compare", "search_evaluation", "search_grade")
            names = (*names, "search_sets", "search_synonyms")
            shopfront.append(
                _page(request, shop, "Search quality", "search_insights", "search", names)
            )
        groups += [{"title": "Shopfront", "items": shopfront}] if shopfront else []
        voices = []
        if request.user.has_perm("recommender.view_opinion"):
            names = ("reading", "product", "compare", "alerts", "topics")
            names = ("opinions", *(f"opinions_{name}" for name in names), "labels")
            voices.append(
                _page(request, shop, "Opinions", "sentiment_satisfied", "opinions", names)
            )
        if request.user.has_perm("recommender.view_conversation"):
            names = ("inbox", "conversation", "transcripts", "unanswered", "templates", "template")
            names = (*names, "intents", "articles", "trial", "settings")
            names = ("support", *(f"support_{name}" for name in names))
            voices.append(_page(request, shop, "Service desk", "support_agent", "support", names))
        groups += [{"title": "Voices", "items": voices}] if voices else []
    return [*groups, {"title": "Run", "items": _schedule(request)}, _tables(request)]


def _page(
    request: HttpRequest, shop: Shop, title: str, icon: str, name: str, active: tuple[str, ...]
) -> dict:
    here = request.resolver_match.url_name if request.resolver_match else ""
    return {
        "title": title,
        "icon": icon,
        "link": reverse(f"admin:{name}", args=[shop.key]),
        "active": here in active,
    }


def _table(request: HttpRequest, title: str, app: str, model: str, icon: str) -> list[dict]:
    if not request.user.has_perm(f"{app}.view_{model}"):
        return []
    link = reverse(f"admin:{app}_{model}_changelist")
    return [{"title": title, "icon": icon, "link": link, "active": request.path.startswith(link)}]


def _schedule(request: HttpRequest) -> list[dict]:
    schedule = _table(request, "Schedule", "django_celery_beat", "periodictask", "schedule")
    return schedule + (
        _table(request, "People", "auth", "user", "person") if request.user.is_superuser else []
    )


def _tables(request: HttpRequest) -> dict:
    items = [
        item
        for title, model, icon in TABLES
        for item in _table(request, title, "recommender", model, icon)
    ]
    return {"title": "Tables", "collapsible": True, "items": items}
