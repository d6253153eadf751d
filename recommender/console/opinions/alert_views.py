"""Alerts with their history, and the rules by which surges of opinions become alerts."""

import math
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from recommender.console.pages import delete_audited, need, open_shop, page
from recommender.ingest.parsing import is_number
from recommender.models import Alert, AuditEntry, Shop, SurgeRule
from recommender.models.opinions import Polarity
from recommender.reviews import opinions, surges

VIEW, CHANGE = "recommender.view_alert", "recommender.change_alert"
RULES = "recommender.change_surgerule"
MUTE_DAYS = (1, 7, 30)
SHOWN = 50


@require_http_methods(["GET", "POST"])
def alerts(request: HttpRequest, shop: str) -> HttpResponse:
    """The alerts and rules of a shop; a POST saves a rule, or shows what it would have raised."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    problem, found, draft = "", None, SurgeRule(shop=shop)
    if request.method == "POST":
        need(request, RULES)
        draft = _draft(request, shop)
        try:
            _read_rule(request, draft)
            if "preview" in request.POST:
                found = surges.preview(draft)
            else:
                _save(request, draft)
                return HttpResponseRedirect(reverse("admin:opinions_alerts", args=[shop.key]))
        except ValueError as error:
            problem = str(error)
    elif is_number(chosen := request.GET.get("rule", "")):
        draft = get_object_or_404(shop.surge_rules, pk=int(chosen))
    surges.make_usual_rules(shop)
    rows = shop.alerts.filter(kind=Alert.SURGE).select_related(
        "acknowledged_by", "muted_by", "closed_by"
    )
    active = [row for row in rows[:SHOWN] if row.state != "closed"]
    names = opinions.topic_names(shop)
    return page(
        request,
        shop,
        "opinions/alerts",
        "Opinion alerts",
        sentence=f"Open: {len(active)} of the latest {min(SHOWN, rows.count())} surges."
        if rows
        else "No surge of opinions was found so far.",
        alerts=rows[:SHOWN],
        rules=shop.surge_rules.all(),
        rule=draft,
        problem=problem,
        found=[
            {
                "day": one.day,
                "subject": surges.subject_of(shop, one.topic, one.value),
                "numbers": one.numbers,
            }
            for one in found
        ]
        if found is not None
        else None,
        preview_days=surges.PREVIEW_DAYS,
        mute_days=MUTE_DAYS,
        dimensions=SurgeRule._meta.get_field("dimension").choices,
        polarities=SurgeRule._meta.get_field("polarity").choices,
        topics=names.items(),
        may_change=request.user.has_perm(CHANGE),
        may_rule=request.user.has_perm(RULES),
    )


def _draft(request: HttpRequest, shop: Shop) -> SurgeRule:
    """The rule that the form is about: one of the shop, or a new one."""
    pk = request.POST.get("rule", "")
    if is_number(pk):
        return get_object_or_404(shop.surge_rules, pk=int(pk))
    return SurgeRule(shop=shop)


def _read_rule(request: HttpRequest, rule: SurgeRule) -> None:
    """Fill a rule from the form. Raises ValueError that names the field."""
    known = opinions.topic_names(rule.shop)
    rule.name = " ".join(request.POST.get("name", "").replace("\x00", "").split())
    rule.dimension = request.POST.get("dimension", "")
    rule.topics = [key for key in request.POST.getlist("topics") if key in known]
    rule.active = "active" in request.POST
    polarity = request.POST.get("polarity", "")
    rule.polarity = Polarity.POSITIVE if polarity == "1" else Polarity.NEGATIVE
    mail = request.POST.get("mail", "").replace(";", ",").split(",")
    rule.mail = [address.strip() for address in mail if address.strip()]
    for field, convert in (("rate", float), ("fewest", int)):
        text = request.POST.get(field, "")
        try:
            value = convert(text)
            if not math.isfinite(value):
                raise ValueError
            setattr(rule, field, value)
        except ValueError:
            raise ValueError(f"{FIELDS[field]}: “{text[:40]}” is not a number.") from None
    for address in rule.mail:
        try:
            validate_email(address)
        except ValidationError:
            raise ValueError(f"Mail: “{address[:60]}” is not a mail address.") from None
    try:
        rule.clean_fields(exclude=["shop", "id"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise ValueError(f"{FIELDS.get(field, field)}: {messages[0]}") from None


FIELDS = {
    "name": "Name",
    "dimension": "Series",
    "rate": "False discovery rate",
    "fewest": "Opinions at least",
    "mail": "Mail",
}


def _save(request: HttpRequest, rule: SurgeRule) -> None:
    """Raises ValueError where another rule has the name."""
    try:
        with transaction.atomic():
            rule.save()
            AuditEntry.objects.note(
                rule.shop, request.user, AuditEntry.CHANGED, f"Surge rule {rule}", "", "saved"
            )
    except IntegrityError:
        raise ValueError(f"Name: there is a rule {rule.name} already.") from None


@require_POST
def delete_rule(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, RULES)
    rule = get_object_or_404(shop.surge_rules, pk=pk)
    delete_audited(request, rule, "Surge rule")
    return HttpResponseRedirect(reverse("admin:opinions_alerts", args=[shop.key]))


@require_POST
def act_on_alert(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """Acknowledge, mute or close an alert of any kind."""
    shop = open_shop(request, shop)
    need(request, CHANGE)
    alert = get_object_or_404(shop.alerts, pk=pk)
    act, days = request.POST.get("act", ""), request.POST.get("days", "")
    before = alert.state
    if act == "acknowledge":
        alert.acknowledge(request.user)
    elif act == "mute" and days in map(str, MUTE_DAYS):
        alert.mute(timezone.now() + timedelta(days=int(days)), request.user)
    elif act == "close":
        alert.close(request.user)
    if alert.state != before:
        AuditEntry.objects.note(
            shop, request.user, AuditEntry.CHANGED, f"Alert {alert}"[:200], before, alert.state
        )
    return HttpResponseRedirect(reverse("admin:opinions_alerts", args=[shop.key]))
