"""Train: choose a recipe and start a run."""

from datetime import date, timedelta

from django import forms
from django.db.models import Count, Max, Min
from django.db.models.functions import TruncWeek
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from recommender.console.pages import MAY_PROMOTE, MAY_TRAIN, need, open_shop, page, part
from recommender.console.training.recipe_choices import (
    PRESETS,
    RECIPES,
    choices,
    latest_runs,
    missing,
)
from recommender.inference import training_options
from recommender.model_lifecycle import runs
from recommender.model_lifecycle.snapshot_export import events_between
from recommender.models import ModelVersion, Shop, TrainingRun
from recommender.models.registry import USUAL_PRESET

THEN = [
    ("ask", "Ask me", "The result waits; you decide."),
    (
        "if-better",
        "Promote if better",
        "It serves at once when it beats what serves today on the same days by more than chance.",
    ),
    ("never", "Never", "Only measure."),
]
FEWEST_EVENTS = 1000
FEWEST_NEW = 100
"""Minimum number of new events; with fewer, a training changes little."""


class RunForm(forms.Form):
    recipe = forms.ChoiceField(
        choices=[(key, words[0]) for key, words in RECIPES.items()],
        initial="fusion",
        required=False,
    )
    preset = forms.ChoiceField(choices=[t[:2] for t in PRESETS], initial=USUAL_PRESET)
    data_from = forms.DateField(required=False, label="From")
    data_to = forms.DateField(required=False, label="To")
    promote = forms.ChoiceField(choices=[t[:2] for t in THEN], initial="ask")
    advanced = forms.CharField(
        required=False, widget=forms.Textarea, label="Fields that differ from the preset"
    )

    def clean_recipe(self) -> str:
        return self.cleaned_data["recipe"] or "fusion"

    def clean_advanced(self) -> dict[str, str]:
        """Parse the field “Advanced” as {field: text}. Raises ValidationError for a line without
        “=”.
        """
        lines = [
            line.strip() for line in self.cleaned_data["advanced"].splitlines() if line.strip()
        ]
        wrong = [line for line in lines if "=" not in line]
        if wrong:
            raise forms.ValidationError(f"“{wrong[0]}” is not of the form field = value")
        pairs = (line.split("=", 1) for line in lines)
        return {name.strip(): value.strip() for name, value in pairs}

    def clean(self):
        """Options of the recipe. Raises ValidationError where one is invalid or not allowed."""
        values = super().clean()
        if (
            values.get("data_from")
            and values.get("data_to")
            and values["data_from"] > values["data_to"]
        ):
            raise forms.ValidationError("The first day lies after the last.")
        if "advanced" in values:
            try:
                training_options.check_config(
                    values.get("recipe", "fusion"),
                    values.get("preset", USUAL_PRESET),
                    values["advanced"],
                )
            except training_options.InvalidConfig as error:
                self.add_error("advanced", str(error))
        return values


def train(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    span = shop.events.aggregate(first=Min("occurred_at"), last=Max("occurred_at"))
    days = {name: moment and moment.astimezone(shop.zone).date() for name, moment in span.items()}
    form = RunForm(
        request.POST or None, initial={"data_from": days["first"], "data_to": days["last"]}
    )
    if request.method == "POST":
        need(request, MAY_TRAIN)
        if form.data.get("promote") == "if-better":
            need(request, MAY_PROMOTE)
        if form.is_valid() and (lacking := missing(shop)[form.cleaned_data["recipe"]]):
            form.add_error("recipe", lacking)
        if form.is_valid():
            try:
                return redirect(
                    "admin:run", shop=shop.key, pk=_start(request, shop, form.cleaned_data, days).pk
                )
            except training_options.InvalidConfig as error:
                form.add_error("advanced", str(error))
    champion = shop.champion()
    recipe = form["recipe"].value() if form["recipe"].value() in RECIPES else "fusion"
    first, more = choices(shop)
    context = {
        "form": form,
        "first": first,
        "more": more,
        "recipe": recipe,
        "in_more": recipe in [c.recipe for c in more],
        "presets": PRESETS,
        "then": _then(request),
        "champion": champion,
        "active": shop.runs.active().first(),
        "runs": latest_runs(shop, 10),
        "may_train": request.user.has_perm(MAY_TRAIN),
        "fields": training_options.recipes()[recipe],
        "days": days,
        "sentence": _worth(shop, champion),
    }
    return page(request, shop, "training/train", "Train", **context)


def fields(request: HttpRequest, shop: str) -> HttpResponse:
    """Table of the selected recipe's configuration fields, for HTMX."""
    open_shop(request, shop)
    recipe = request.GET.get("recipe")
    return part(
        request,
        "training/_fields",
        fields=training_options.recipes()[recipe if recipe in RECIPES else "fusion"],
    )


def _then(request: HttpRequest) -> list[tuple[str, str, str]]:
    """Follow-up action of a run. Promotion requires the permission."""
    return [t for t in THEN if t[0] != "if-better" or request.user.has_perm(MAY_PROMOTE)]


def _start(request: HttpRequest, shop: Shop, values: dict, days: dict) -> TrainingRun:
    """Limits of the training window. Whole days at either end of the data count as no limit."""
    since = None if values["data_from"] == days["first"] else values["data_from"]
    until = None if values["data_to"] == days["last"] else values["data_to"]
    return runs.start_run(
        shop,
        values["recipe"],
        values["preset"],
        overrides=values["advanced"],
        promote=values["promote"],
        by=request.user,
        data_from=since,
        data_to=until,
    )


def _worth(shop: Shop, champion: ModelVersion | None) -> str:
    if champion is None:
        return "No model serves yet. The first one takes a few minutes."
    new = (
        shop.events.usable()
        .filter(received_at__gt=champion.run.started_at or champion.created_at)
        .count()
    )
    products = shop.products.filter(
        created_at__gt=champion.run.started_at or champion.created_at
    ).count()
    if not new and not products:
        return f"Nothing new since {champion} was trained; training again would change little."
    if new < FEWEST_NEW and not products:
        return f"{new:,} new events since {champion} was trained: hardly worth a training."
    return (
        f"Since {champion} was trained: {new:,} new events to learn from and {products:,} new "
        "products."
    )


def window(request: HttpRequest, shop: str) -> HttpResponse:
    """Counts of the selected days, a bar per week and warnings, for HTMX."""
    shop = open_shop(request, shop)
    form = RunForm(request.GET)
    form.is_valid()
    return part(
        request,
        "training/_window",
        window=_window(shop, form.cleaned_data.get("data_from"), form.cleaned_data.get("data_to")),
    )


def _window(shop: Shop, since: date | None, until: date | None) -> dict:
    chosen = events_between(shop, since, until)
    counted = chosen.aggregate(
        events=Count("id"),
        shoppers=Count("shopper", distinct=True),
        products=Count("product", distinct=True),
    )
    weeks = (
        shop.events.usable()
        .annotate(week=TruncWeek("occurred_at", tzinfo=shop.zone))
        .values("week")
        .annotate(n=Count("id"))
        .order_by("week")
    )
    most = max((w["n"] for w in weeks), default=1)
    bars = [
        {
            "height": round(100 * w["n"] / most),
            "inside": _inside(w["week"].date(), since, until),
            "n": w["n"],
            "week": w["week"],
        }
        for w in weeks
    ]
    untold = shop.products.filter(description="").count()
    findings = (
        [f"{untold:,} products have no description; their title alone speaks for them."]
        if untold
        else []
    )
    if counted["events"] < FEWEST_EVENTS:
        findings.append(
            f"{counted['events']:,} events are few; from about {FEWEST_EVENTS:,} a model "
            "beats popularity."
        )
    return {**counted, "bars": bars[-160:], "findings": findings}


def _inside(week: date, since: date | None, until: date | None) -> bool:
    return (since is None or week + timedelta(days=6) >= since) and (until is None or week <= until)
