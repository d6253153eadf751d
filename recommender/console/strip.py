"""Status line under every header: the run in progress, or the last result until it is dismissed. It
is part of the page, so that nothing moves.
"""

from datetime import timedelta
from typing import Any

from django.db.models import Case, F, When
from django.http import HttpRequest
from django.utils import timezone

from recommender.models import Shop, TrainingRun
from recommender.models.registry import RunStatus

SHOWN_FOR = timedelta(days=1)
EARLY = 0.05
"""Progress below which no remaining time is estimated."""
OWN_PACE = 0.5
"""Progress above which the estimate uses only the run's own pace."""


def strip_of(request: HttpRequest, shop: Shop) -> dict[str, Any]:
    """Content of the status line: the latest run. `run` None: the line is empty."""
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
            if dismissed or run.finished_at is None or run.finished_at < timezone.now() - SHOWN_FOR
            else run
        )
    if run is not None:
        run.shop = shop
    return {"shop": shop, "run": run, "minutes": minutes_left(run)}


def minutes_left(run: TrainingRun | None) -> str:
    """Remaining time in coarse words: first by the last run of the recipe, then increasingly by the
    run's own pace, from OWN_PACE on only by that.
    """
    if run is None or run.status != "running" or run.started_at is None:
        return ""
    last = run.shop.runs.filter(
        status="finished", preset=run.preset, recipe=run.recipe, started_at__isnull=False
    ).first()
    passed = timezone.now() - run.started_at
    whole = last.finished_at - last.started_at if last else timedelta(0)
    if run.progress >= EARLY:
        by_own_pace, weight = (
            passed / run.progress,
            min(run.progress / OWN_PACE, 1.0) if whole else 1.0,
        )
        whole = weight * by_own_pace + (1 - weight) * whole
    if not whole:
        return ""
    seconds = max((whole - passed).total_seconds(), 0)
    return "less than a minute left" if seconds < 60 else f"about {round(seconds / 60)} min left"
