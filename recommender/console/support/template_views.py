"""Answer templates with their versions, and the intents that they answer."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from recommender.console.forms import check, line, lines, text
from recommender.console.pages import delete_audited, need, open_shop, page
from recommender.ingest.parsing import is_number
from recommender.models import (
    AnswerTemplate,
    AuditEntry,
    Dialogue,
    Shop,
    SupportIntent,
    SupportSettings,
    TemplateVersion,
)
from recommender.support import authoring
from recommender.support.defaults import settings_of
from recommender.support.templates import (
    TemplateError,
    judged_answers,
    known_variables,
    variables_of,
)

VIEW, CHANGE = "recommender.view_answertemplate", "recommender.change_answertemplate"
INTENTS = "recommender.change_supportintent"
LEARNED = "Messages in the words of its examples are recognized now, alike ones after a training."
LANGUAGE_NAMES = {"en": "English", "zh": "Chinese"}


@require_http_methods(["GET", "POST"])
def templates(request: HttpRequest, shop: str) -> HttpResponse:
    """The templates of a shop; a POST makes one."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    settings, problem = settings_of(shop), ""
    if request.method == "POST":
        need(request, CHANGE)
        try:
            made = _new_template(request, shop)
            messages.success(request, f"Template {made} is saved. {LEARNED}")
            return HttpResponseRedirect(reverse("admin:support_template", args=[shop.key, made.pk]))
        except ValueError as error:
            problem = str(error)
    rows = (
        AnswerTemplate.objects.of(shop)
        .select_related("intent", "owner")
        .prefetch_related("versions")
        .order_by("intent__name", "name")
    )
    judged = judged_answers(TemplateVersion.objects.filter(template__shop=shop))
    return page(
        request,
        shop,
        "support/templates",
        "Templates",
        sentence=f"Templates: {len(rows)}. Those whose variables are all known can answer.",
        rows=[_row(template, settings, judged.get(template.pk, (0, 0))) for template in rows],
        intents=shop.intents.order_by("name"),
        languages=settings.languages,
        typed={name: request.POST.get(name, "") for name in ("name", "intent", "text")},
        problem=problem,
        may_change=request.user.has_perm(CHANGE),
    )


def _row(
    template: AnswerTemplate, settings: SupportSettings, judged: tuple[int, int]
) -> dict[str, Any]:
    versions = [one for one in template.versions.all() if one.language in settings.languages]
    policies = settings.policies
    missing = {
        name
        for version in versions
        for name in variables_of(version.text)
        if name.startswith("policy.") and not policies.get(name.removeprefix("policy."))
    }
    latest = {version.language: version for version in reversed(versions)}
    shown = next((latest[code] for code in settings.languages if code in latest), None)
    return {
        "template": template,
        "text": shown.text if shown else "",
        "languages": sorted(latest),
        "missing": sorted(missing),
        "helped": judged,
    }


def _new_template(request: HttpRequest, shop: Shop) -> AnswerTemplate:
    """Raises ValueError that names the field."""
    name = line(request, "name")
    if not name or len(name) > 100:
        raise ValueError("Name: 1 to 100 characters.")
    settings = settings_of(shop)
    try:
        with transaction.atomic():
            intent = authoring.intent_named(shop, line(request, "intent"))
            template = AnswerTemplate.objects.create(
                shop=shop, intent=intent, name=name, owner=request.user
            )
            authoring.add_version(
                template,
                settings,
                line(request, "language"),
                text(request, "text"),
                by=request.user,
            )
            AuditEntry.objects.note(shop, request.user, AuditEntry.ADDED, f"Template {template}")
    except IntegrityError:
        raise ValueError(f"Name: there is a template {name} already.") from None
    except TemplateError as error:
        raise ValueError(f"Text: {error}.") from None
    return template


@require_http_methods(["GET", "POST"])
def template(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """One template with its versions; a POST adds a version, or changes what belongs to all."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    one = get_object_or_404(AnswerTemplate.objects.of(shop), pk=pk)
    settings, problem = settings_of(shop), ""
    if request.method == "POST":
        need(request, CHANGE)
        try:
            _change(request, one)
            messages.success(request, f"Template {one} is saved.")
            return HttpResponseRedirect(reverse("admin:support_template", args=[shop.key, one.pk]))
        except ValueError as error:
            problem = str(error)
            one.refresh_from_db()
    versions = list(one.versions.select_related("created_by"))
    return page(
        request,
        shop,
        "support/template",
        one.name,
        sentence=f"Answers the intent {one.intent.name}. Versions: {len(versions)}.",
        one=one,
        versions=versions,
        latest=versions[0] if versions else None,
        languages=settings.languages,
        intents=shop.intents.order_by("name"),
        people=_people(shop),
        variables=known_variables(shop, settings).items(),
        problem=problem,
        typed=request.POST.get("text", "") if problem else (versions[0].text if versions else ""),
        may_change=request.user.has_perm(CHANGE),
    )


def _people(shop: Shop):
    """Who may own a template: people of the shop."""
    people = get_user_model().objects.filter(is_active=True, is_staff=True)
    return people.filter(Q(shops=shop) | Q(is_superuser=True)).distinct().order_by("username")


def _change(request: HttpRequest, one: AnswerTemplate) -> None:
    """Raises ValueError that names the field."""
    act = request.POST.get("act", "")
    with transaction.atomic():
        if act == "version":
            try:
                made = authoring.add_version(
                    one,
                    settings_of(one.shop),
                    line(request, "language"),
                    text(request, "text"),
                    _day(request, "valid_from", "Valid from"),
                    _day(request, "valid_until", "Valid until"),
                    request.user,
                )
            except TemplateError as error:
                raise ValueError(f"Text: {error}.") from None
            note = f"{made.language} version {made.number}"
        else:
            owner = request.POST.get("owner", "")
            intent = request.POST.get("intent", "")
            one.owner = _people(one.shop).filter(pk=owner).first() if is_number(owner) else None
            if is_number(intent):
                one.intent = get_object_or_404(one.shop.intents, pk=int(intent))
            one.active = "active" in request.POST
            one.save()
            note = "active" if one.active else "off"
        AuditEntry.objects.note(
            one.shop, request.user, AuditEntry.CHANGED, f"Template {one}", "", note
        )


def _day(request: HttpRequest, name: str, label: str) -> date | None:
    """Raises ValueError where the text is no date."""
    given = line(request, name)
    try:
        return date.fromisoformat(given) if given else None
    except ValueError:
        raise ValueError(f"{label}: “{given[:20]}” is no date such as 2026-12-24.") from None


@require_POST
def delete_template(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.delete_answertemplate")
    delete_audited(request, get_object_or_404(AnswerTemplate.objects.of(shop), pk=pk), "Template")
    return HttpResponseRedirect(reverse("admin:support_templates", args=[shop.key]))


@require_http_methods(["GET", "POST"])
def intents(request: HttpRequest, shop: str) -> HttpResponse:
    """The intents of a shop; a POST saves one."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    settings, problem, draft = settings_of(shop), "", SupportIntent(shop=shop, examples={})
    if request.method == "POST":
        need(request, INTENTS)
        draft = _intent_of(request, shop)
        try:
            _save_intent(request, draft, settings.languages)
            messages.success(request, f"Intent {draft} is saved. {LEARNED}")
            return HttpResponseRedirect(reverse("admin:support_intents", args=[shop.key]))
        except ValueError as error:
            problem = str(error)
    elif is_number(chosen := request.GET.get("intent", "")):
        draft = get_object_or_404(shop.intents, pk=int(chosen))
    solved = dict(Dialogue.objects.of(shop).values_list("intent").annotate(Count("pk")).order_by())
    rows = shop.intents.annotate(answers=Count("templates")).order_by("name")
    known = {one.key for one in rows}
    return page(
        request,
        shop,
        "support/intents",
        "Intents",
        sentence=f"Intents: {len(rows)}. {LEARNED}",
        rows=[
            (
                one,
                sum(len(one.examples.get(code, [])) for code in settings.languages),
                solved.get(one.key, 0),
            )
            for one in rows
        ],
        others=sorted((key, count) for key, count in solved.items() if key and key not in known),
        intent=draft,
        fields=[
            (code, LANGUAGE_NAMES.get(code, code), "\n".join(draft.examples.get(code, [])))
            for code in settings.languages
        ],
        handlings=SupportIntent.HANDLINGS,
        problem=problem,
        may_change=request.user.has_perm(INTENTS),
    )


def _intent_of(request: HttpRequest, shop: Shop) -> SupportIntent:
    """The intent that the form is about: one of the shop, or a new one."""
    pk = request.POST.get("pk", "")
    if is_number(pk):
        return get_object_or_404(shop.intents, pk=int(pk))
    return SupportIntent(shop=shop, examples={})


def _save_intent(request: HttpRequest, one: SupportIntent, languages: list[str]) -> None:
    """Raises ValueError that names the field."""
    one.key, one.name = line(request, "key"), line(request, "name")
    one.handling = request.POST.get("handling", "")
    one.examples = dict(one.examples) | {
        code: lines(request, f"examples-{code}", LANGUAGE_NAMES.get(code, code))
        for code in languages
    }
    check(one, ["shop", "id", "examples"])
    try:
        with transaction.atomic():
            one.save()
            AuditEntry.objects.note(
                one.shop, request.user, AuditEntry.CHANGED, f"Intent {one}", "", "saved"
            )
    except IntegrityError:
        raise ValueError(f"Key: there is an intent {one.key} already.") from None


@require_POST
def delete_intent(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """Delete an intent with its templates."""
    shop = open_shop(request, shop)
    need(request, INTENTS)
    delete_audited(request, get_object_or_404(shop.intents, pk=pk), "Intent")
    return HttpResponseRedirect(reverse("admin:support_intents", args=[shop.key]))
