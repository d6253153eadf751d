"""Train: start a run, watch it, read its result."""

import json
from datetime import date, timedelta

from django import forms
from django.contrib import messages
from django.db.models import Count, Max, Min
from django.db.models.functions import TruncWeek
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotFound
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from recommender.console.models import leaderboard
from recommender.console.pages import MAY_PROMOTE, MAY_TRAIN, need, open_shop, page, part
from recommender.console.strip import minutes_left
from recommender.console.training.curves import charts
from recommender.console.training.recipe_choices import (
    PRESETS,
    RECIPES,
    choices,
    latest_runs,
    missing,
    name_of,
)
from recommender.inference import training_options
from recommender.model_lifecycle import promotion, runs
from recommender.model_lifecycle.snapshot_export import events_between
from recommender.models import AuditEntry, ModelVersion, Shop, TrainingRun
from recommender.models.registry import USUAL_PRESET, RunStatus

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
        lines = [
            line.strip() for line in self.cleaned_data["advanced"].splitlines() if line.strip()
        ]
        wrong = [line for line in lines if "=" not in line]
        if wrong:
            raise forms.ValidationError(f"“{wrong[0]}” is not of the form field = value")
        pairs = (line.split("=", 1) for line in lines)
        return {name.strip(): value.strip() for name, value in pairs}

    def clean(self):
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
    """Configuration fields of the selected recipe."""
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
    """Counts of the selected days, updated while the user changes them."""
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


def find_run(shop: Shop, pk: int) -> TrainingRun:
    return get_object_or_404(shop.runs.select_related("version", "created_by"), pk=pk)


def run(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    shop = open_shop(request, shop)
    found = find_run(shop, pk)
    return page(
        request, shop, "training/run", f"Run {pk}", charts=charts(found), **_state(request, found)
    )


def live(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """The changing part of a run's page."""
    shop = open_shop(request, shop)
    found = find_run(shop, pk)
    points = json.dumps(
        {key: [s["data"] for s in chart["series"]] for key, chart in charts(found).items()}
    )
    return part(
        request,
        "training/_run_live",
        shop=shop,
        points=points,
        polled=True,
        **_state(request, found),
    )


def _state(request: HttpRequest, found: TrainingRun) -> dict:
    version = getattr(found, "version", None)
    names = ["Snapshot", *training_options.stages(found.recipe)]
    at = names.index(found.stage) if found.stage in names else -1
    stages = [
        {
            "name": n,
            "done": i < at or found.status == RunStatus.FINISHED,
            "current": i == at and found.is_active,
        }
        for i, n in enumerate(names)
    ]
    champion = found.shop.champion(training_options.purpose_of(found.recipe))
    tabs = leaderboard.parts(version.report) if version else []
    boards = (
        [(words, leaderboard.board(version.report, key)) for key, words in tabs or [("", "Result")]]
        if version
        else []
    )
    return {
        "run": found,
        "version": version,
        "stages": stages,
        "minutes": minutes_left(found),
        "sentence": _run_sentence(found, version, champion),
        "boards": [b for b in boards if b[1].rows],
        "asked": _asked(found),
        "resumable": _resumable(found),
        "percent": round(100 * found.progress),
        "stage_number": at + 1,
        "champion": champion,
        "may_train": request.user.has_perm(MAY_TRAIN),
        "may_promote": request.user.has_perm(MAY_PROMOTE),
    }


def _run_sentence(
    found: TrainingRun, version: ModelVersion | None, champion: ModelVersion | None
) -> str:
    keeps = (
        f" {champion} keeps serving."
        if champion
        else " Shoppers keep seeing what is popular."
        if training_options.purpose_of(found.recipe) == "ranking"
        else ""
    )
    if found.status == RunStatus.QUEUED:
        ahead = TrainingRun.objects.active().filter(pk__lt=found.pk).count()
        return "Waiting for a worker" + (f": {ahead} ahead." if ahead else ".")
    if found.status == RunStatus.RUNNING:
        return (
            "Stopping …"
            if found.cancel_requested
            else f"Training: {found.stage or 'starting'}, {round(100 * found.progress)} %."
        )
    if found.status == RunStatus.FAILED:
        return f"Stopped: {found.error}{keeps}"
    if found.status == RunStatus.CANCELLED:
        return f"Cancelled.{keeps}"
    return (
        (
            f"{version} is {'live' if version and version.is_champion else 'ready'}. "
            f"{leaderboard.verdict(version.report, serves=version.is_champion)}"
        )
        if version
        else "Finished."
    )


def _asked(found: TrainingRun) -> list[tuple[str, object]]:
    """Configuration of a run, and the data it used."""
    days = (
        f"{found.data_from or 'the first'} to {found.data_to or 'the last'}"
        if found.data_from or found.data_to
        else "all"
    )
    data = ", ".join(f"{count:,} {what}" for what, count in found.counts.items() if count)
    return [
        ("What", name_of(found.recipe)),
        ("How", dict(t[:2] for t in PRESETS).get(found.preset, found.preset)),
        ("Days", days),
        ("Then", {key: name for key, name, _ in THEN}.get(found.promote, found.promote)),
        ("Data", data or "–"),
        *_neighbours(found),
        *found.overrides.items(),
    ]


def _neighbours(found: TrainingRun) -> list[tuple[str, str]]:
    """The previous and the next run."""
    before = [("Came after", str(found.follows))] if found.follows else []
    if not found.then:
        return before
    follower = found.followers.first()
    return [
        *before,
        (
            "Followed by",
            str(follower) if follower else f"{name_of(found.then['recipe'])}, once this has ended",
        ),
    ]


def _resumable(found: TrainingRun) -> bool:
    """Whether a stopped run has a resumable state."""
    return (
        found.status in (RunStatus.FAILED, RunStatus.CANCELLED)
        and (found.folder / "state").exists()
    )


def _need_for(request: HttpRequest, run: TrainingRun) -> None:
    """Permissions to start this run: training, and promotion where it promotes."""
    need(request, MAY_TRAIN)
    if run.promote in promotion.PROMOTING:
        need(request, MAY_PROMOTE)


@require_POST
def cancel(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, MAY_TRAIN)
    found = find_run(shop, pk)
    if found.request_cancel() and not found.cancel_requested:
        AuditEntry.objects.note(shop, request.user, AuditEntry.CANCELLED, f"run {pk}")
    return redirect("admin:run", shop=shop.key, pk=pk)


@require_POST
def resume(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """Resume a stopped run from its state."""
    shop = open_shop(request, shop)
    found = find_run(shop, pk)
    _need_for(request, found)
    runs.resume_run(found, request.user)
    return redirect("admin:run", shop=shop.key, pk=pk)


@require_POST
def again(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """Start the same run again."""
    shop = open_shop(request, shop)
    old = find_run(shop, pk)
    _need_for(request, old)
    try:
        run = runs.start_run(
            shop,
            old.recipe,
            old.preset,
            old.overrides,
            old.promote,
            request.user,
            old.data_from,
            old.data_to,
        )
    except training_options.InvalidConfig as error:
        messages.error(request, f"This run cannot be started from here: {error}.")
        run = old
    return redirect("admin:run", shop=shop.key, pk=run.pk)


def log(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """The complete log as a file."""
    path = find_run(open_shop(request, shop), pk).folder / "log.txt"
    if not path.exists():
        return HttpResponseNotFound("This run left no log.")
    return FileResponse(
        path.open("rb"), as_attachment=True, filename=f"run-{pk}-{timezone.now():%Y%m%d}.txt"
    )
