"""What a service desk starts with: intents with examples, templates, and names of policies."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from django.db import transaction

from recommender.models import (
    AnswerTemplate,
    Shop,
    SupportIntent,
    SupportSettings,
    TemplateVersion,
)
from recommender.models.service_desk import LANGUAGES
from recommender.search.documents import languages_of


@cache
def default_desk() -> dict[str, Any]:
    """`intents` (key, name, handling, examples by language, templates) and `policies`."""
    file = Path(__file__).parent / "default_desk.json"
    return json.loads(file.read_text(encoding="utf-8"))


def settings_of(shop: Shop) -> SupportSettings:
    """The settings of a shop's service desk, which starts with the default intents and
    templates at the first call.
    """
    found = SupportSettings.objects.filter(shop=shop).first()
    return found if found is not None else _started(shop)


def _started(shop: Shop) -> SupportSettings:
    with transaction.atomic():
        Shop.objects.select_for_update().get(pk=shop.pk)
        found = SupportSettings.objects.filter(shop=shop).first()
        if found is not None:
            return found
        languages = [code for code in languages_of(shop) if code in LANGUAGES] or ["en"]
        policies = dict(default_desk()["policies"])
        made = SupportSettings.objects.create(shop=shop, languages=languages, policies=policies)
        for one in default_desk()["intents"]:
            _make_intent(shop, one)
    return made


def _make_intent(shop: Shop, declared: dict[str, Any]) -> None:
    fields = {name: declared[name] for name in ("name", "handling", "examples")}
    intent, is_new = SupportIntent.objects.get_or_create(
        shop=shop, key=declared["key"], defaults=fields
    )
    if not is_new:
        return
    for one in declared["templates"]:
        template = AnswerTemplate.objects.create(shop=shop, intent=intent, name=one["name"])
        TemplateVersion.objects.bulk_create(
            TemplateVersion(template=template, number=1, language=code, text=one[code])
            for code in LANGUAGES
        )
