"""What the search pages let one choose: configurations, query sets."""

from django.contrib import messages
from django.http import HttpRequest

from recommender.ingest.parsing import is_number
from recommender.models import EvaluationQuerySet, ModelVersion, Shop
from recommender.search.configurations import NAMED, VERSION, Configuration, configuration_of

MOST_VERSIONS = 10


def choices_of(shop: Shop) -> dict[str, tuple[str, Configuration]]:
    """Title and configuration by key: those with a name, and the latest search versions."""
    versions = ModelVersion.objects.filter(shop=shop, purpose="search").order_by("-pk")
    rows = {
        f"{VERSION}{version.pk}": (f"By version {version.label}", f"{VERSION}{version.pk}")
        for version in versions.select_related("run")[:MOST_VERSIONS]
    }
    return NAMED | {key: (title, configuration_of(key)) for key, (title, _) in rows.items()}


def chosen(request: HttpRequest, choices: dict, name: str, usual: str) -> str:
    """The key that the request names, else the usual one; the page says so of an unknown one."""
    key = request.GET.get(name) or usual
    if key in choices:
        return key
    instead = choices[usual][0]
    messages.warning(request, f"There is no configuration {key[:50]}: this is {instead}.")
    return usual


def chosen_set(request: HttpRequest, shop: Shop) -> EvaluationQuerySet | None:
    """The query set that the request names, else None; the page says so of an unknown one."""
    pk = request.GET.get("set", "")
    if not pk:
        return None
    found = shop.query_sets.filter(pk=pk).first() if is_number(pk) else None
    if found is None:
        messages.warning(request, "There is no such query set: these are all queries.")
    return found
