"""Answer templates: their variables, the choice of the best one, and its text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from recommender.experiments.intervals import wilson
from recommender.models import ProductAttribute, Shop, SupportSettings, TemplateVersion

ORDER_FIELDS = (
    "order_id",
    "status",
    "placed_on",
    "shipped_on",
    "expected_on",
    "delivered_on",
    "carrier",
    "tracking_url",
    "total",
    "items",
)
"""Facts of an order that the shop may send along."""
PRODUCT_FIELDS = ("item_id", "title", "brand", "price", "availability")
VARIABLE = re.compile(r"\{([^{}\n]{0,200})\}")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ -]{0,99}")
JUDGED_DAYS = 90
"""Days over which answers count for how often a template helps."""


class TemplateError(ValueError):
    """A template names a variable that does not exist; the message says which."""


@dataclass(frozen=True)
class Filled:
    """A template's version with its variables filled."""

    version: TemplateVersion
    text: str
    variables: tuple[str, ...]


def variables_of(text: str) -> tuple[str, ...]:
    """The variables of a text in order, each once, such as order.status."""
    return tuple(dict.fromkeys(match.strip() for match in VARIABLE.findall(text)))


def known_variables(shop: Shop, settings: SupportSettings) -> dict[str, str]:
    """Every variable that a template of the shop may name, and where its value comes from."""
    known = {f"order.{name}": "the order that the shop sent along" for name in ORDER_FIELDS}
    known |= {f"product.{name}": "the product of the page" for name in PRODUCT_FIELDS}
    attributes = ProductAttribute.objects.of(shop).values_list("name", flat=True)
    known |= {f"product.attributes.{name}": "the product of the page" for name in attributes}
    return known | {f"policy.{name}": "the policies of the shop" for name in settings.policies}


def check_template(shop: Shop, settings: SupportSettings, text: str) -> None:
    """Raises TemplateError where a variable is unknown or a brace is left open."""
    known = known_variables(shop, settings)
    for name in variables_of(text):
        if name not in known:
            raise TemplateError(_unknown(name, known))
    if "{" in (rest := VARIABLE.sub("", text)) or "}" in rest:
        raise TemplateError("a brace { or } belongs to no variable")


def _unknown(name: str, known: Mapping[str, str]) -> str:
    area = name.partition(".")[0]
    alike = [one for one in known if one.partition(".")[0] == area] or list(known)
    return f"{{{name[:60]}}} is no variable; there are {', '.join(sorted(alike)[:12])}"


def fill(text: str, facts: Mapping[str, str]) -> str | None:
    """The text with its variables filled; None where a fact is unknown. facts: by variable."""
    if any(not facts.get(name) for name in variables_of(text)):
        return None
    return VARIABLE.sub(lambda match: facts[match[1].strip()], text)


def best_template(
    shop: Shop, intent: str, language: str, facts: Mapping[str, str]
) -> Filled | None:
    """The best template of an intent in this language whose facts are all known; None without.

    The one with the most facts is first, since it says most; of equal ones that which helped more
    often (lower bound of its interval), then the newest.
    """
    candidates = []
    judged = judged_answers(
        TemplateVersion.objects.filter(template__shop=shop, template__intent__key=intent)
    )
    for version in _valid_versions(shop, intent, language):
        text = fill(version.text, facts)
        if text is not None:
            names = variables_of(version.text)
            helped = _least_helpful(*judged.get(version.template_id, (0, 0)))
            rank = (len(names), helped, version.pk)
            candidates.append((rank, Filled(version, text, names)))
    return max(candidates, key=lambda pair: pair[0])[1] if candidates else None


def has_template(shop: Shop, intent: str, language: str) -> bool:
    """True where an intent has a template in this language, whose facts may be unknown."""
    return bool(_valid_versions(shop, intent, language))


def _valid_versions(shop: Shop, intent: str, language: str) -> list[TemplateVersion]:
    """The newest valid version of each active template."""
    today = timezone.localdate(timezone=shop.zone)
    versions = TemplateVersion.objects.valid(today).filter(
        template__shop=shop,
        template__intent__key=intent,
        template__active=True,
        language=language,
    )
    newest: dict[int, TemplateVersion] = {}
    for version in versions.select_related("template"):
        newest.setdefault(version.template_id, version)
    return list(newest.values())


def judged_answers(versions: QuerySet[TemplateVersion]) -> dict[int, tuple[int, int]]:
    """By template: (answers that helped, answers judged), of shoppers in the last JUDGED_DAYS."""
    since = timezone.now() - timedelta(days=JUDGED_DAYS)
    real = Q(messages__created_at__gte=since, messages__conversation__simulated=False)
    counted = (
        versions.values("template")
        .annotate(
            helped=Count("messages", real & Q(messages__helped=True)),
            judged=Count("messages", real & Q(messages__helped__isnull=False)),
        )
        .order_by()
    )
    return {row["template"]: (row["helped"], row["judged"]) for row in counted}


def _least_helpful(helped: int, judged: int) -> float:
    """Lower bound of the share of a template's answers that helped; 0 where none was judged."""
    return wilson(helped / judged, judged)[0] if judged else 0.0


def facts_of(
    order: Mapping[str, Any] | None,
    product: Mapping[str, Any] | None,
    settings: SupportSettings,
) -> dict[str, str]:
    """Values of variables: of the order and product of a question, and the shop's policies."""
    facts = {f"policy.{name}": _text(value) for name, value in settings.policies.items()}
    for name in ORDER_FIELDS:
        facts[f"order.{name}"] = _text((order or {}).get(name))
    for name, value in (product or {}).items():
        facts[f"product.{name}"] = _text(value)
    return facts


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, value)))
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
