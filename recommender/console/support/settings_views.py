"""Settings of the service desk: thresholds with their trade-off, policies, words, order tokens."""

import math
import re
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from recommender.console.forms import check, lines, text
from recommender.console.pages import need, open_shop, page
from recommender.models import AuditEntry, Shop, SupportSettings
from recommender.models.search_settings import known_languages
from recommender.models.service_desk import new_secret
from recommender.support import authoring, tradeoff
from recommender.support.defaults import settings_of

VIEW, CHANGE = "recommender.view_supportsettings", "recommender.change_supportsettings"
THRESHOLDS = {
    "intent_threshold": "Templates: confidence of the intent",
    "passage_threshold": "Quotes: confidence of the passage",
}
NUMBERS = {
    "minutes_saved": (float, "Minutes of an answer"),
    "keep_days": (int, "Days kept"),
    "per_minute": (int, "Messages a minute"),
}
POLICY = re.compile(r"^\s*([A-Za-z][A-Za-z0-9_]{0,59})\s*[:=：]\s*(.*)$")
MOST_POLICIES, LONGEST_POLICY = 200, 500


@require_http_methods(["GET", "POST"])
def settings_page(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, VIEW)
    settings, problem = settings_of(shop), ""
    if request.method == "POST":
        need(request, CHANGE)
        try:
            _save(request, settings)
            messages.success(request, "The settings are saved.")
            return HttpResponseRedirect(reverse("admin:support_settings", args=[shop.key]))
        except ValueError as error:
            problem = str(error)
    shown = _shown(settings_of(shop)) | (request.POST.dict() if problem else {})
    return page(
        request,
        shop,
        "support/settings",
        "Service desk settings",
        sentence="A lower threshold answers more questions, a higher one more of them right.",
        settings=settings,
        sliders=[_slider(shop, shown, name) for name in THRESHOLDS],
        numbers=[(name, label, shown[name]) for name, (_, label) in NUMBERS.items()],
        shown=shown,
        secret=settings.order_secret if request.user.has_perm(CHANGE) else "",
        problem=problem,
        may_change=request.user.has_perm(CHANGE),
    )


def _shown(settings: SupportSettings) -> dict[str, Any]:
    """The values of the form's fields, as stored."""
    numbers = {name: getattr(settings, name) for name in (*THRESHOLDS, *NUMBERS)}
    policies = (f"{name}: {value}" for name, value in sorted(settings.policies.items()))
    return numbers | {
        "policies": "\n".join(policies),
        "blocked_words": "\n".join(settings.blocked_words),
        "languages": ", ".join(settings.languages),
    }


def _slider(shop: Shop, shown: dict[str, Any], name: str) -> dict[str, Any]:
    """A threshold with the trade-off of its model."""
    points = tradeoff.curve(shop, tradeoff.PURPOSES[name])
    return {
        "name": name,
        "label": THRESHOLDS[name],
        "value": shown[name],
        "points": [
            {"threshold": one.threshold, "answered": one.answered, "right": one.right}
            for one in points
        ],
        "chart": _chart(points) if points else None,
    }


def _chart(points: list[tradeoff.Point]) -> dict[str, Any]:
    def series(role: str, label: str, values: list[float | None]) -> dict[str, Any]:
        return {"role": role, "label": label, "data": values, "low": None, "high": None}

    return {
        "caption": "Trade-off of the threshold",
        "alt": "Share of questions answered, and of right answers, by threshold",
        "labels": [f"{one.threshold:.2f}" for one in points],
        "y": "share",
        "x": "threshold",
        "zero": True,
        "series": [
            series("challenger", "answered", [one.answered for one in points]),
            series("knn", "right among the answers", [one.right for one in points]),
        ],
        "note": "On questions that the model was not trained on.",
    }


def _save(request: HttpRequest, settings: SupportSettings) -> None:
    """Raises ValueError that names the field."""
    if "new_secret" in request.POST:
        settings.order_secret = new_secret()
        settings.save(update_fields=["order_secret"])
        _note(request, settings, "new secret of order tokens")
        return
    for name, label in THRESHOLDS.items():
        setattr(settings, name, _number(request, name, label, float))
    for name, (convert, label) in NUMBERS.items():
        setattr(settings, name, _number(request, name, label, convert))
    languages = re.split(r"[\s,;]+", text(request, "languages").lower())
    settings.languages = list(dict.fromkeys(code for code in languages if code))
    if not settings.languages:
        raise ValueError("Languages: name at least one, such as en.")
    if unknown := [code for code in settings.languages if code not in known_languages()]:
        raise ValueError(
            f"Languages: “{unknown[0][:8]}” is not the code of a language, such as en."
        )
    settings.policies = _policies(request)
    settings.blocked_words = lines(request, "blocked_words", "Blocked words")
    check(settings, ["shop", "id", "order_secret", "policies"])
    settings.save()
    authoring.note_change(settings.shop)
    _note(request, settings, "saved")


def _number(request: HttpRequest, name: str, label: str, convert: type) -> float | int:
    given = request.POST.get(name, "").strip()
    try:
        value = convert(given)
        if not math.isfinite(value):
            raise ValueError
    except ValueError:
        raise ValueError(f"{label}: “{given[:40]}” is not a number.") from None
    return value


def _policies(request: HttpRequest) -> dict[str, str]:
    """Policies from lines of the form name: value. Raises ValueError."""
    found: dict[str, str] = {}
    for one in text(request, "policies").splitlines():
        if not one.strip():
            continue
        match = POLICY.match(one)
        if match is None:
            raise ValueError(f"Policies: “{one[:40]}” is not of the form name: value.")
        if len(match[2]) > LONGEST_POLICY:
            raise ValueError(f"Policies: {match[1]} has more than {LONGEST_POLICY} characters.")
        found[match[1]] = match[2].strip()
    if len(found) > MOST_POLICIES:
        raise ValueError(f"Policies: at most {MOST_POLICIES} fit.")
    return found


def _note(request: HttpRequest, settings: SupportSettings, what: str) -> None:
    AuditEntry.objects.note(
        settings.shop, request.user, AuditEntry.CHANGED, "Service desk settings", "", what
    )
