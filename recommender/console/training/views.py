"""Train: start a run, watch it, read its result."""

import json

from django.contrib import messages
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
    name_of,
)
from recommender.console.training.start_views import THEN
from recommender.inference import training_options
from recommender.model_lifecycle import promotion, runs
from recommender.models import ModelVersion, Shop, TrainingRun
from recommender.models.registry import RunStatus


def find_run(shop: Shop, pk: int) -> TrainingRun:
    return get_object_or_404(shop.runs.select_related("version", "created_by"), pk=pk)


def run(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    shop = open_shop(request, shop)
    row = find_run(shop, pk)
    return page(
        request, shop, "training/run", f"Run {pk}", charts=charts(row), **_state(request, row)
    )


def live(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """The part of a run's page that HTMX polls."""
    shop = open_shop(request, shop)
    row = find_run(shop, pk)
    points = json.dumps(
        {key: [s["data"] for s in chart["series"]] for key, chart in charts(row).items()}
    )
    return part(
        request,
        "training/_run_live",
        shop=shop,
        points=points,
        polled=True,
        **_state(request, row),
    )


def _state(request: HttpRequest, row: TrainingRun) -> dict:
    version = getattr(row, "version", None)
    names = ["Snapshot", *training_options.stages(row.recipe)]
    at = names.index(row.stage) if row.stage in names else -1
    stages = [
        {
            "name": n,
            "done": i < at or row.status == RunStatus.FINISHED,
            "current": i == at and row.is_active,
        }
        for i, n in enumerate(names)
    ]
    champion = row.shop.champion(training_options.purpose_of(row.recipe))
    tabs = leaderboard.parts(version.report) if version else []
    boards = (
        [(words, leaderboard.board(version.report, key)) for key, words in tabs or [("", "Result")]]
        if version
        else []
    )
    return {
        "run": row,
        "version": version,
        "stages": stages,
        "minutes": minutes_left(row),
        "sentence": _run_sentence(row, version, champion),
        "boards": [b for b in boards if b[1].rows],
        "configuration": _configuration(row),
        "resumable": _resumable(row),
        "percent": round(100 * row.progress),
        "stage_number": at + 1,
        "unchanged": _unchanged(row, champion),
        "may_train": request.user.has_perm(MAY_TRAIN),
        "may_promote": request.user.has_perm(MAY_PROMOTE),
    }


def _unchanged(row: TrainingRun, champion: ModelVersion | None) -> str:
    """What serves while the run goes on or has failed."""
    if champion:
        return f"{champion} keeps serving."
    ranks = training_options.purpose_of(row.recipe) == "ranking"
    return "Shoppers keep seeing what is popular." if ranks else ""


def _run_sentence(
    row: TrainingRun, version: ModelVersion | None, champion: ModelVersion | None
) -> str:
    keeps = f" {unchanged}" if (unchanged := _unchanged(row, champion)) else ""
    if row.status == RunStatus.QUEUED:
        ahead = TrainingRun.objects.active().filter(pk__lt=row.pk).count()
        return "Waiting for a worker" + (f": {ahead} ahead." if ahead else ".")
    if row.status == RunStatus.RUNNING:
        return (
            "Stopping …"
            if row.cancel_requested
            else f"Training: {row.stage or 'starting'}, {round(100 * row.progress)} %."
        )
    if row.status == RunStatus.FAILED:
        return f"Stopped: {row.error.removesuffix('.')}.{keeps}"
    if row.status == RunStatus.CANCELLED:
        return f"Cancelled.{keeps}"
    return (
        (
            f"{version} is {'live' if version and version.is_champion else 'ready'}. "
            f"{leaderboard.verdict(version.report, serves=version.is_champion)}"
        )
        if version
        else "Finished."
    )


def _configuration(row: TrainingRun) -> list[tuple[str, object]]:
    """Configuration of a run, and the data it used."""
    days = (
        f"{row.data_from or 'the first'} to {row.data_to or 'the last'}"
        if row.data_from or row.data_to
        else "all"
    )
    data = ", ".join(f"{count:,} {what}" for what, count in row.counts.items() if count)
    return [
        ("What", name_of(row.recipe)),
        ("How", dict(t[:2] for t in PRESETS).get(row.preset, row.preset)),
        ("Days", days),
        ("Then", {key: name for key, name, _ in THEN}.get(row.promote, row.promote)),
        ("Data", data or "–"),
        *_neighbours(row),
        *row.overrides.items(),
    ]


def _neighbours(row: TrainingRun) -> list[tuple[str, str]]:
    """The previous and the next run."""
    before = [("Came after", str(row.follows))] if row.follows else []
    if not row.then:
        return before
    follower = row.followers.first()
    return [
        *before,
        (
            "Followed by",
            str(follower) if follower else f"{name_of(row.then['recipe'])}, once this has ended",
        ),
    ]


def _resumable(row: TrainingRun) -> bool:
    """Whether a stopped run has a resumable state."""
    return row.status in (RunStatus.FAILED, RunStatus.CANCELLED) and (row.folder / "state").exists()


def _need_for(request: HttpRequest, run: TrainingRun) -> None:
    """Permissions to start this run: training, and promotion where it promotes."""
    need(request, MAY_TRAIN)
    if run.promote in promotion.PROMOTING:
        need(request, MAY_PROMOTE)


@require_POST
def cancel(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, MAY_TRAIN)
    row = find_run(shop, pk)
    runs.cancel_run(row, request.user)
    return redirect("admin:run", shop=shop.key, pk=pk)


@require_POST
def resume(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """Queue a stopped run again; it resumes from its state."""
    shop = open_shop(request, shop)
    row = find_run(shop, pk)
    _need_for(request, row)
    runs.resume_run(row, request.user)
    return redirect("admin:run", shop=shop.key, pk=pk)


@require_POST
def again(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """Start a new run with the configuration of this one."""
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
    """Download of the complete log."""
    path = find_run(open_shop(request, shop), pk).folder / "log.txt"
    if not path.exists():
        return HttpResponseNotFound("This run left no log.")
    return FileResponse(
        path.open("rb"), as_attachment=True, filename=f"run-{pk}-{timezone.now():%Y%m%d}.txt"
    )
