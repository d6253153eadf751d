"""The line under every header: the run under way, or the last result until it is dismissed. It comes with the page, so that nothing moves."""

from datetime import timedelta
from typing import Any

from django.db.models import Case, F, When
from django.http import HttpRequest
from django.utils import timezone

from recommender.console.curves import minutes_left
from recommender.models import Shop
from recommender.models.registry import RunStatus

TOLD_FOR = timedelta(days=1)


def strip_of(request: HttpRequest, shop: Shop) -> dict[str, Any]:
    """What the line says; `run` None: nothing."""
    under_way = Case(When(status__in=(RunStatus.QUEUED, RunStatus.RUNNING), then=0), default=1)
    run = shop.runs.select_related("version").order_by(under_way, F("finished_at").desc(nulls_last=True), "-id").first()
    if run is not None and not run.is_active:
        dismissed = request.session.get("strip_dismissed") == str(run.pk)
        run = None if dismissed or run.finished_at is None or run.finished_at < timezone.now() - TOLD_FOR else run
    if run is not None:
        run.shop = shop
    return {"shop": shop, "run": run, "minutes": minutes_left(run)}
