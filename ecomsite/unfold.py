"""Settings of django-unfold: colors, sidebar and header of the console."""

from django.templatetags.static import static

PRIMARY = {
    "50": "#F0F5FE",
    "100": "#E1ECFC",
    "200": "#C6DCFB",
    "300": "#A9CBFC",
    "400": "#8AB8FB",
    "500": "#6BA4F8",
    "600": "#1750AC",
    "700": "#134390",
    "800": "#113775",
    "900": "#102E5E",
    "950": "#0B1F40",
}

UNFOLD = {
    "SITE_TITLE": "Vitrine",
    "SITE_HEADER": "Vitrine",
    "SITE_SYMBOL": "storefront",
    "SITE_URL": None,
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("favicon.svg")}
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "ENVIRONMENT": "recommender.console.navigation.environment",
    "COLORS": {"primary": PRIMARY, "font": {"subtle-light": "#5A6373"}},
    "SCRIPTS": [lambda request: static("js/shell.js")],
    "STYLES": [
        lambda request: static("css/tokens.css"),
        lambda request: static("css/console.css"),
        lambda request: static("css/pages.css"),
        lambda request: static("css/search.css"),
        lambda request: static("css/opinions.css"),
        lambda request: static("css/support.css"),
    ],
    "SITE_DROPDOWN": "recommender.console.navigation.shops",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "recommender.console.navigation.sidebar",
    },
}
