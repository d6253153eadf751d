"""Writing of templates, intents and articles: checks, versions, and what is made of questions."""

import re
import uuid
from collections.abc import Collection
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from recommender.infrastructure import task_queue
from recommender.models import (
    AnswerTemplate,
    Article,
    Change,
    Message,
    Passage,
    Shop,
    SupportIntent,
    SupportSettings,
    TemplateVersion,
)
from recommender.models.service_desk import LONGEST_ANSWER, LONGEST_INTENT
from recommender.support.defaults import settings_of
from recommender.support.templates import check_template

LONGEST_EXAMPLE, LONGEST_URL = 300, 500
MOST_OF_QUESTIONS = 50
"""Questions of a cluster that become examples of an intent."""


def add_version(
    template: AnswerTemplate,
    settings: SupportSettings,
    language: str,
    text: str,
    valid_from: date | None = None,
    valid_until: date | None = None,
    by: Any = None,
) -> TemplateVersion:
    """Add a version; the older ones stay. Raises TemplateError or ValueError."""
    if language not in settings.languages:
        known = ", ".join(settings.languages)
        raise ValueError(f"Language: {language[:8]} is none of the service desk's ({known}).")
    if not text.strip():
        raise ValueError("Text: write the answer first.")
    if len(text) > LONGEST_ANSWER:
        raise ValueError(f"Text: at most {LONGEST_ANSWER:,} characters fit.")
    if valid_from and valid_until and valid_until < valid_from:
        raise ValueError("Valid until: is before valid from.")
    check_template(template.shop, settings, text)
    with transaction.atomic():
        AnswerTemplate.objects.select_for_update().get(pk=template.pk)
        latest = template.versions.filter(language=language).order_by("-number").first()
        return TemplateVersion.objects.create(
            template=template,
            number=latest.number + 1 if latest else 1,
            language=language,
            text=text,
            valid_from=valid_from,
            valid_until=valid_until,
            created_by=by,
        )


def intent_named(shop: Shop, key: str) -> SupportIntent:
    """The intent with this key, created where it is new. Raises ValueError."""
    key = " ".join(key.split())
    if not key:
        raise ValueError("Intent: choose one, or name a new one.")
    if len(key) > LONGEST_INTENT:
        raise ValueError(f"Intent: at most {LONGEST_INTENT} characters fit.")
    found = shop.intents.filter(key=key).first()
    if found is not None:
        return found
    slug = re.sub(r"[^\w]+", "_", key.lower()).strip("_") or key
    made, _ = SupportIntent.objects.get_or_create(
        shop=shop, key=slug, defaults={"name": key[:100], "examples": {}}
    )
    return made


def template_of_questions(
    shop: Shop, pks: Collection[int], intent: str, text: str, by: Any
) -> AnswerTemplate:
    """A template that answers these questions, which become examples of its intent. Raises
    TemplateError or ValueError.
    """
    settings = settings_of(shop)
    questions = _questions(shop, pks)
    chosen = intent_named(shop, intent)
    languages = [message.conversation.language for message in questions]
    language = next((code for code in languages if code in settings.languages), None)
    language = language or settings.languages[0]
    chosen = SupportIntent.objects.select_for_update().get(pk=chosen.pk)
    examples = dict(chosen.examples)
    texts = (" ".join((message.meant or message.text).split()) for message in questions)
    own = [*examples.get(language, []), *(text[:LONGEST_EXAMPLE] for text in texts)]
    examples[language] = list(dict.fromkeys(own))
    SupportIntent.objects.filter(pk=chosen.pk).update(examples=examples)
    template = AnswerTemplate.objects.create(
        shop=shop, intent=chosen, name=_free_name(shop, chosen.name), owner=by
    )
    add_version(template, settings, language, text, by=by)
    return template


def article_of_questions(shop: Shop, pks: Collection[int], title: str, text: str) -> Article:
    """An article that answers these questions. Raises ValueError."""
    _questions(shop, pks)
    article = Article(shop=shop, article_id=f"article-{uuid.uuid4().hex[:12]}")
    save_article(article, title, text)
    return article


def save_article(
    article: Article, title: str, text: str, url: str = "", language: str = ""
) -> None:
    """Check and store an article; its passages are made soon. Raises ValueError."""
    for name, value, most in (("Title", title, 300), ("Text", text, 200_000)):
        if not value.strip():
            raise ValueError(f"{name}: write it first.")
        if len(value) > most:
            raise ValueError(f"{name}: at most {most:,} characters fit.")
    if url and not url.startswith(("https://", "http://")):
        raise ValueError("Address: must begin with https://.")
    if len(url) > LONGEST_URL:
        raise ValueError(f"Address: at most {LONGEST_URL} characters fit.")
    article.title, article.text, article.url, article.language = title, text, url, language
    article.updated_at = timezone.now()
    article.save()
    task_queue.enqueue("update_passages", article.shop_id, Passage.ARTICLE)


def _questions(shop: Shop, pks: Collection[int]) -> list[Message]:
    found = Message.objects.filter(conversation__shop=shop, author=Message.SHOPPER, pk__in=pks)
    questions = list(found.select_related("conversation").order_by("pk")[:MOST_OF_QUESTIONS])
    if not questions:
        raise ValueError("These questions do not wait any more.")
    return questions


def _free_name(shop: Shop, name: str) -> str:
    """A name that no template of the shop has."""
    taken = set(AnswerTemplate.objects.of(shop).values_list("name", flat=True))
    numbered = (f"{name[:90]} {n}" for n in range(2, len(taken) + 3))
    return name if name not in taken else next(one for one in numbered if one not in taken)


def note_change(shop: Shop) -> None:
    """Invalidate what processes cache of the service desk."""
    Change.objects.create(shop=shop, kind=Change.SUPPORT)
