"""The line under every header: the run under way, or the last result until it is dismissed.

It comes with the page, so that nothing moves.
"""

from datetime import timedelta
from typing import Any

from django.db.models import Case, F, When
from django.http import HttpRequest
from django.utils import timezone

from recommender.models import Shop, TrainingRun
from recommender.models.registry import RunStatus

TOLD_FOR = timedelta(days=1)
EARLY = 0.05
"""Progress below which the time so far tells nothing of the time that is left."""
OWN_PACE = 0.5
"""Progress from which a run's own pace alone tells it."""


def strip_of(request: HttpRequest, shop: Shop) -> dict[str, Any]:
    """What the line says; `run` None: nothing."""
    under_way = Case(When(status__in=(RunStatus.QUEUED, RunStatus.RUNNING), then=0), default=1)
    run = (
        shop.runs.select_related("version")
        .order_by(under_way, F("finished_at").desc(nulls_last=True), "-id")
        .first()
    )
    if run is not None and not run.is_active:
        dismissed = request.session.get("strip_dismissed") == str(run.pk)
        run = (
            None
            if dismissed or run.finished_at is None or run.finished_at < timezone.now() - TOLD_FOR
            else run
        )
    if run is not None:
        run.shop = shop
    return {"shop": shop, "run": run, "minutes": minutes_left(run)}


def minutes_left(run: TrainingRun | None) -> str:
    """Remaining time in words, coarse: at first by the last run of its kind, then more and more
    by its own pace, from OWN_PACE on by that alone.
    """
    if run is None or run.status != "running" or run.started_at is None:
        return ""
    last = run.shop.runs.filter(
        status="finished", preset=run.preset, recipe=run.recipe, started_at__isnull=False
    ).first()
    passed = timezone.now() - run.started_at
    whole = last.finished_at - last.started_at if last else timedelta(0)
    if run.progress >= EARLY:
        own, weight = passed / run.progress, min(run.progress / OWN_PACE, 1.0) if whole else 1.0
        whole = weight * own + (1 - weight) * whole
    if not whole:
        return ""
    seconds = max((whole - passed).total_seconds(), 0)
    return "less than a minute left" if seconds < 60 else f"about {round(seconds / 60)} min left"
